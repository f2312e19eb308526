"""Memory of an idle machine: its processes' own share (PSS), and what the host has less of."""

from __future__ import annotations

import contextlib
import json
import statistics
import time
from pathlib import Path

import psutil

from bench import tables
from bench.cluster import grow, instances, say, shrink

MANY = 17
REST = 10.0  # seconds in which machines come to rest
MIB = 1 << 20


def pss(folder: Path) -> float:
    """MiB that a machine's processes have for themselves, and their part of what they share."""
    first = psutil.Process(json.loads((folder / "instance.json").read_text(encoding="utf-8"))["pid"])
    total = 0
    for process in (first, *first.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total / MIB


def available() -> float:
    """MiB that the host could still give."""
    return psutil.virtual_memory().available / MIB


def measure(repeats: int) -> str:
    """One measurement of many machines; `repeats` does not matter here."""
    shrink(1)
    time.sleep(REST)
    before = available()
    grow(MANY)
    say("waiting for machines to come to rest")
    time.sleep(REST)
    each = (before - available()) / (MANY - 1)
    found: dict[str, list[float]] = {}
    for name, folder in instances().items():
        found.setdefault(name.partition("-")[0], []).append(pss(folder))
    rows = [[role, f"{statistics.median(sizes):.0f}", ""] for role, sizes in sorted(found.items())]
    rows.append([f"less available on the host, for each of {MANY - 1} machines", f"{each:.0f}", ""])
    return tables.table(["an idle machine, MiB", "measured", "budget"], rows)
