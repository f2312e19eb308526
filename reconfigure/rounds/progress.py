"""What is being done at this moment, for `status` alone.

The holder of the lock says so in run/doing.json, a batch in the same file of its own folder (clusterdir/batches.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kiwi.common.files import replace
from reconfigure.clusterdir import batches
from reconfigure.clusterdir.journal import FULL
from reconfigure.clusterdir.paths import ClusterDir


@contextmanager
def doing(
    clusterdir: ClusterDir, step: str, nodes: Iterable[str], round_id: str, *, batch: bool = False
) -> Iterator[None]:
    """Say {pid, step, nodes, since, round} as long as the block runs; then what was said before it.

    `batch`: it is the batch of this round that does it.
    """
    path = _batch(clusterdir, round_id) if batch else clusterdir.doing
    before = path.read_bytes() if path.exists() else b""
    said = {"pid": os.getpid(), "step": step, "nodes": sorted(nodes), "since": time.time(), "round": round_id}
    _say(path, json.dumps(said).encode())
    try:
        yield
    finally:
        _say(path, before)


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
    """Return what the holder of the lock does; None if nothing is, also if who said so was killed."""
    return _read(clusterdir.doing)


def of_batches(clusterdir: ClusterDir) -> list[dict[str, Any]]:
    """Return what each batch does that goes on, oldest first."""
    found = [_read(_batch(clusterdir, batch)) for batch in batches.live(clusterdir)]
    return [said for said in found if said is not None]


def all_of(clusterdir: ClusterDir) -> list[dict[str, Any]]:
    """Return what the holder of the lock does, and each batch."""
    held = now(clusterdir)
    return [*([held] if held else []), *of_batches(clusterdir)]


def _batch(clusterdir: ClusterDir, batch: str) -> Path:
    return clusterdir.batches / batch / clusterdir.doing.name


def _read(path: Path) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        return said if Path(f"/proc/{said['pid']}").exists() else None
    except (FileNotFoundError, ValueError):
        return None
