"""Drains of persons that Slurm is about to forget: noted before it powers a node down, until they are set again.

CLUSTERDIR/drains.json: {"version": 1, "nodes": {NODE: reason}}; there is none while nothing is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from reconfigure.clusterdir import files, lock
from reconfigure.clusterdir.paths import ClusterDir


def read(clusterdir: ClusterDir) -> dict[str, str]:
    """Return the reason of each noted drain, by node."""
    path = _path(clusterdir)
    if not path.exists():
        return {}
    with files.expected(path):
        return dict(files.read_json(path)["nodes"])


def note(clusterdir: ClusterDir, reasons: Mapping[str, str]) -> None:
    """Note drains, in place of older ones of the same nodes. Raise OSError if they cannot be written."""
    if reasons:
        with _alone(clusterdir):
            _write(clusterdir, {**read(clusterdir), **reasons})


def forget(clusterdir: ClusterDir, names: Iterable[str]) -> None:
    """Take away the notes of nodes that are drained again."""
    gone = set(names)
    if not gone & read(clusterdir).keys():
        return
    with _alone(clusterdir):
        _write(clusterdir, {name: why for name, why in read(clusterdir).items() if name not in gone})


def _alone(clusterdir: ClusterDir) -> AbstractContextManager[None]:
    """Return a context in which nobody else changes the notes: batches do so outside the cluster's lock."""
    return lock.hold(clusterdir.run / "drains.lock", lock.WAIT)


def _write(clusterdir: ClusterDir, reasons: Mapping[str, str]) -> None:
    if reasons:
        files.write_json(_path(clusterdir), {"version": 1, "nodes": dict(reasons)})
    else:
        _path(clusterdir).unlink(missing_ok=True)


def _path(clusterdir: ClusterDir) -> Path:
    return clusterdir.path / "drains.json"
