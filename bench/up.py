"""`bin/up` with a baked image, by play."""

from __future__ import annotations

import re
import time

from bench import tables
from bench.cluster import SITE, command, say

BUDGET = 25


def once() -> dict[str, float]:
    """Bring the cluster up from a baked image; seconds by play, then in all."""
    command("bin/down", "--force")
    began = time.monotonic()
    out = command("bin/up", "--site", str(SITE), timeout=1200)
    plays = [(name, float(seconds)) for name, seconds in re.findall(r"^(.*) … ([0-9.]+) s", out, re.MULTILINE)]
    return dict([*plays, ("in all, with the job at the end", time.monotonic() - began)])


def measure(repeats: int) -> str:
    runs = []
    for number in range(repeats):
        say(f"up {number + 1} of {repeats}")
        runs.append(once())
    rows = [[name, tables.seconds_of([run.get(name, 0.0) for run in runs])] for name in runs[-1]]
    rows[-1].append(str(BUDGET))
    return tables.table(["`bin/up`, image baked", "seconds", "budget"], [[*row, ""][:3] for row in rows])
