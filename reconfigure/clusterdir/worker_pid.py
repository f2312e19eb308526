"""Which worker serves a cluster: serve.pid, locked as long as the worker runs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kiwi.common.errors import BusyError, UsageError
from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import REPO, ClusterDir


@contextmanager
def alone(clusterdir: ClusterDir) -> Iterator[None]:
    """Be the one worker of a cluster for a block: serve.pid is locked. Raise BusyError if another one runs."""
    number = os.open(clusterdir.path / "serve.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(number)
        raise BusyError(f"a worker of {clusterdir.cluster} runs already (process {worker(clusterdir)})") from exc
    try:
        os.ftruncate(number, 0)
        os.pwrite(number, f"{os.getpid()} {kind(clusterdir)}\n".encode(), 0)
        yield
        os.ftruncate(number, 0)
    finally:
        os.close(number)


def kind(clusterdir: ClusterDir) -> str:
    """Return the hash of what a worker started now would be: sources, environment, and whether it follows a spool."""
    digest = hashlib.sha256(os.path.realpath(sys.prefix).encode())
    digest.update(b"slurm" if _has_slurm(clusterdir) else b"")
    for file in sorted(path for package in ("kiwi", "reconfigure") for path in (REPO / package).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _has_slurm(clusterdir: ClusterDir) -> bool:
    """Return whether there is a Slurm partition, as far as the site data can be read."""
    with contextlib.suppress(UsageError), files.expected(clusterdir.site):
        return any(part["scheduler"] == "slurm" for part in files.read_json(clusterdir.site)["partitions"])
    return False


def worker(clusterdir: ClusterDir) -> int | None:
    """Return the process id of the running worker, None if none runs."""
    found = _running(clusterdir)
    return found[0] if found else None


def outdated(clusterdir: ClusterDir) -> bool:
    """Return whether a worker runs that is of another kind than one that would be started now."""
    found = _running(clusterdir)
    return found is not None and found[1] != kind(clusterdir)


def _running(clusterdir: ClusterDir) -> tuple[int, str] | None:
    """Return process id and kind of the running worker; None if none runs (a dead one holds no lock)."""
    try:
        number = os.open(clusterdir.path / "serve.pid", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, runs = os.pread(number, 128, 0).decode().strip().partition(" ")
        return int(pid) if pid.isdigit() else 0, runs
    finally:
        os.close(number)
    return None
