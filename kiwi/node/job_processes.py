"""End what one of Slurm's jobs left running while its user has another job on the machine.

A process belongs to the job if SLURM_JOB_ID in its environment says so (as it was when its program began, proc(5)),
or if it descends from such a process and its own environment names no other job. A user who forges that ends, or
keeps until their last job here, what is theirs. Only Slurm can do better, by control groups, where there are any.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Collection
from pathlib import Path

import psutil

from kiwi.node.processes import Process, owned, ranges

STEP = 0.1  # seconds between two looks
SWEEP = 10.0  # seconds after which the rest are survivors
QUIET = 2  # looks in a row that must find nothing
KEY = b"SLURM_JOB_ID="


def end(user: str, uid: int, job: int, grace: float) -> list[Process]:
    """End all processes of the user's that belong to `job`, KILL `grace` seconds after TERM; return the survivors."""
    uids = ranges(user, uid)
    left = _signal(uids, job, signal.SIGTERM)
    until = time.monotonic() + grace
    while left and time.monotonic() < until:
        time.sleep(STEP)
        left = belonging(uids, job)
    until, quiet = time.monotonic() + SWEEP, 0
    while quiet < QUIET and time.monotonic() < until:
        left = _signal(uids, job, signal.SIGKILL)
        quiet = 0 if left else quiet + 1
        time.sleep(STEP)
    return left


def belonging(uids: Collection[range], job: int, proc: Path = Path("/proc")) -> list[Process]:
    """Return the processes with one of `uids` that belong to `job`."""
    mine = {p.pid: p for p in owned(uids)}
    named = {pid: _job_of(proc, pid) for pid in mine}
    parents = {pid: _parent(pid) for pid in mine}
    return [p for pid, p in mine.items() if _owner(pid, named, parents) == str(job).encode()]


def _owner(pid: int | None, named: dict[int, bytes], parents: dict[int, int | None]) -> bytes:
    """Return the job that a process names, or else the nearest process above it that is the user's, too."""
    seen = set()
    while pid in named and pid not in seen:
        seen.add(pid)
        if named[pid]:
            return named[pid]
        pid = parents[pid]
    return b""


def _job_of(proc: Path, pid: int) -> bytes:
    """Return the job that a process has in its environment; nothing if it has none or is gone."""
    try:
        words = (proc / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return b""
    return next((word[len(KEY) :] for word in words if word.startswith(KEY)), b"")


def _parent(pid: int) -> int | None:
    try:
        return psutil.Process(pid).ppid()
    except psutil.NoSuchProcess:
        return None


def _signal(uids: Collection[range], job: int, number: signal.Signals) -> list[Process]:
    """Signal all that belong to `job` and return who did; psutil signals nobody who has got a number meanwhile."""
    known = {process.pid: process for process in psutil.process_iter()}
    found = belonging(uids, job)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess, KeyError):
            known[process.pid].send_signal(number)
    return found
