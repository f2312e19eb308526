"""What the holder of the lock does at this moment: run/doing.json, for `status` alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kiwi.common.files import replace
from reconfigure.clusterdir.journal import FULL
from reconfigure.clusterdir.paths import ClusterDir


@contextmanager
def doing(clusterdir: ClusterDir, step: str, nodes: Iterable[str], round_id: str) -> Iterator[None]:
    """Say {pid, step, nodes, since, round} as long as the block runs; then what was said before it."""
    before = clusterdir.doing.read_bytes() if clusterdir.doing.exists() else b""
    said = {"pid": os.getpid(), "step": step, "nodes": sorted(nodes), "since": time.time(), "round": round_id}
    _say(clusterdir.doing, json.dumps(said).encode())
    try:
        yield
    finally:
        _say(clusterdir.doing, before)


def _say(path: Path, text: bytes) -> None:
    """Replace the file: unsynced, since it need not outlast a power cut; a full disk leaves none and stops nothing."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        replace(path, text, 0o600, sync=False)
    except OSError as exc:
        if exc.errno not in FULL:
            raise
        path.unlink(missing_ok=True)


def now(clusterdir: ClusterDir) -> dict[str, Any] | None:
    """Return what is being done; None if nothing is, also if who said so was killed."""
    try:
        said: dict[str, Any] = json.loads(clusterdir.doing.read_bytes())
        return said if Path(f"/proc/{said['pid']}").exists() else None
    except (FileNotFoundError, ValueError):
        return None
