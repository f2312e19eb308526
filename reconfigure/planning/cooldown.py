"""Nodes that do not come up are left alone for a while: a job that is requeued at once must not make them each second.

The first failure of a passing kind (a machine that stops, an SSH that refuses, a
bundle that fails) costs nothing but itself. From the second in a row the node is
drained for a minute, each time twice as long. What cannot even be planned (no such
image) is permanent until a person mends it: drained for the longest time at once,
and so are the powered-down nodes that would be made in the same way. A node that came up
and that Slurm gave up (resume_fail) is not counted: ResumeTimeout is between two of these.

CLUSTERDIR/cooldown.json: {"version": 1, "nodes": {NAME: {failures, failed, until, reason}}}
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from reconfigure.clusterdir import files, lock
from reconfigure.clusterdir.paths import ClusterDir

FIRST, LONGEST = 60.0, 600.0  # seconds that a node is left alone
FORGET = 3600.0  # seconds after which a failure is no longer followed by the next
LOOK = 5.0  # seconds between two looks of the worker while a node is left alone
MARK = "; left alone until "
REASON = 150  # characters of the cause, so that Slurm shows all of it


@dataclass(frozen=True)
class Entry:
    """Failures in a row, when the last one was, until when (unix s; 0: not at all) the node is left alone."""

    failures: int
    failed: float
    until: float
    reason: str

    @property
    def shown(self) -> str:
        """The reason that Slurm shows."""
        return f"{self.reason[:REASON]}{MARK}{time.strftime('%H:%M UTC', time.gmtime(self.until))}"


Table = Mapping[str, Entry]


def after(before: Entry | None, reason: str, now: float, *, permanent: bool) -> Entry:
    """Return the entry of a node that has failed (again); `now` is in unix seconds."""
    recent = before is not None and now - before.failed < FORGET
    failures = before.failures + 1 if before is not None and recent else 1
    passing = 0.0 if failures == 1 else min(FIRST * 2 ** (failures - 2), LONGEST)
    seconds = LONGEST if permanent else passing
    return Entry(failures, now, now + seconds if seconds else 0.0, reason)


def held(table: Table, now: float) -> dict[str, str]:
    """Return the nodes that are left alone now, with the reason for Slurm."""
    return {name: entry.shown for name, entry in table.items() if entry.until > now}


def waits(table: Table) -> bool:
    """Return whether something has to be done later: a node to be drained once it is off, or to be given back."""
    return any(entry.until for entry in table.values())


def read(clusterdir: ClusterDir) -> dict[str, Entry]:
    """Return the table; empty if there is none."""
    path = _path(clusterdir)
    if not path.exists():
        return {}
    with files.expected(path):
        return {name: Entry(**entry) for name, entry in files.read_json(path)["nodes"].items()}


def failed(clusterdir: ClusterDir, reasons: Mapping[str, str], now: float, *, permanent: bool) -> None:
    """Note failures."""
    with _alone(clusterdir):
        table = read(clusterdir)
        new = {n: after(table.get(n), why, now, permanent=permanent) for n, why in reasons.items()}
        _write(clusterdir, table | new)


def well(clusterdir: ClusterDir, names: Iterable[str]) -> None:
    """Forget the failures of nodes that came up."""
    with _alone(clusterdir):
        table, gone = read(clusterdir), set(names)
        if gone & table.keys():
            _write(clusterdir, {name: entry for name, entry in table.items() if name not in gone})


def freed(clusterdir: ClusterDir, now: float) -> None:
    """Note that the nodes whose time is over were given back; their failures still count."""
    with _alone(clusterdir):
        table = read(clusterdir)
        over = {name: Entry(e.failures, e.failed, 0.0, e.reason) for name, e in table.items() if 0 < e.until <= now}
        if over:
            _write(clusterdir, table | over)


def _alone(clusterdir: ClusterDir) -> AbstractContextManager[None]:
    """Return a context in which nobody else changes the table: batches do so outside the cluster's lock."""
    return lock.hold(clusterdir.run / "cooldown.lock", lock.WAIT)


def _path(clusterdir: ClusterDir) -> Path:
    return clusterdir.path / "cooldown.json"


def _write(clusterdir: ClusterDir, table: Table) -> None:
    files.write_json(_path(clusterdir), {"version": 1, "nodes": {name: asdict(entry) for name, entry in table.items()}})
