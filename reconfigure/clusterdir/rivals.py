"""The end of what killed runs left: children of a change or of a batch, whose driver is gone.

Terraform and ansible-runner close inherited descriptors, so a child of a
driver that was killed with -9 would go on without holding the lock. Every
child of a change therefore carries KIWI_LOCK=<its folder> in its environment, and
whoever takes the lock first ends what still carries it. A child of a batch, which goes on outside the lock,
carries KIWI_BATCH=<its id> besides: it is left alone while its batch goes on (batches.py).
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kiwi.common import process
from kiwi.common.errors import BusyError
from reconfigure.clusterdir import batches
from reconfigure.clusterdir.environment import ours
from reconfigure.clusterdir.paths import ClusterDir

log = logging.getLogger(__name__)
MARK = "KIWI_LOCK"
BATCH = "KIWI_BATCH"
INTERRUPT_GRACE = 15.0  # seconds that Terraform has to save its state
TERM_GRACE = 3.0
KILL_GRACE = 10.0
Judge = Callable[[Path], bool]  # whether the process of a folder in /proc is to be ended


def environment(clusterdir: ClusterDir, batch: str = "") -> dict[str, str]:
    """Return the environment for children of a change, or of a batch: ours, with the mark."""
    return {**ours(os.environ), **marks(clusterdir, batch)}


def marks(clusterdir: ClusterDir, batch: str) -> dict[str, str]:
    """Return the variables that mark a child of a change, or of a batch ("": of none)."""
    return {MARK: str(clusterdir.path), **({BATCH: batch} if batch else {})}


def end_left(clusterdir: ClusterDir) -> None:
    """End every process of ours that carries the mark of this cluster and is of no batch that goes on.

    Raise BusyError if one is still there KILL_GRACE seconds after KILL (signal(7): it hangs in the kernel).
    """
    _end_all(lambda entry: _is_marked(clusterdir, entry) and not batches.goes_on(clusterdir, _batch(entry)))


def end_batches(clusterdir: ClusterDir, ids: Collection[str]) -> None:
    """End every process of these batches, which are ours; raise BusyError as `end_left` does."""
    _end_all(lambda entry: _is_marked(clusterdir, entry) and _batch(entry) in ids)


def _end_all(judge: Judge) -> None:
    rounds = ((signal.SIGINT, INTERRUPT_GRACE), (signal.SIGTERM, TERM_GRACE), (signal.SIGKILL, TERM_GRACE))
    for number, grace in rounds:
        if not (found := _judged(judge)):
            return
        log.warning("ending what is left of a run: %s", ", ".join(f"{p} ({_name(p)})" for p in found))
        _end(judge, number, grace)
    until = time.monotonic() + KILL_GRACE
    while found := _judged(judge):
        if time.monotonic() > until:
            left = ", ".join(f"{pid} ({_name(pid)})" for pid in found)
            raise BusyError(f"what a killed run left does not end: {left}", hint="end it, or reboot this host")
        _signal(judge, found, signal.SIGKILL)
        time.sleep(0.05)


def _end(judge: Judge, number: signal.Signals, grace: float) -> None:
    """Signal each once, also those that are born meanwhile; wait until none is left."""
    until = time.monotonic() + grace
    signalled: set[int] = set()
    while (found := _judged(judge)) and time.monotonic() < until:
        targets = set(_first(found, number)) - signalled
        _signal(judge, targets, number)
        signalled |= targets
        time.sleep(0.05)


def _first(found: list[int], number: signal.Signals) -> list[int]:
    """Return whom to signal: an interrupt goes to Terraform alone as long as it runs.

    Its children (a machine being made) must end by themselves, so that the
    state knows of them.
    """
    terraforms = [p for p in found if "terraform" in _name(p) or _name(p) == "tofu"]
    return terraforms if number == signal.SIGINT and terraforms else found


def _signal(judge: Judge, pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes by pidfd (pidfd_open(2)): a number that another process got meanwhile is left alone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError), _pidfd(pid) as descriptor:
            if judge(Path(f"/proc/{pid}")):
                signal.pidfd_send_signal(descriptor, signal.SIGTERM if process.ignores(pid, number) else number)


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def marked(clusterdir: ClusterDir) -> list[int]:
    """Return the processes of ours with the mark of this cluster, except this one and its ancestors."""
    return _judged(lambda entry: _is_marked(clusterdir, entry))


def _judged(judge: Judge) -> list[int]:
    own = _ancestors()
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) not in own]
    return [int(entry.name) for entry in entries if not _idle_ssh(entry) and judge(entry)]


def _batch(entry: Path) -> str:
    """Return the batch of a process; "" if it is of none."""
    words = _read(entry / "environ").split(b"\0")
    prefix = f"{BATCH}=".encode()
    return next((os.fsdecode(word.removeprefix(prefix)) for word in words if word.startswith(prefix)), "")


def _is_marked(clusterdir: ClusterDir, entry: Path) -> bool:
    """Return whether a process has the mark, and is of this user and this PID namespace.

    Any user may put the mark into an environment. A process of a container on this host is
    another control host's, where the same path is another folder.
    """
    if f"{MARK}={clusterdir.path}".encode() not in _read(entry / "environ").split(b"\0"):
        return False
    try:
        return entry.stat().st_uid == os.geteuid() and _namespace(entry) == _namespace(Path("/proc/self"))
    except OSError:
        return False


def _namespace(entry: Path) -> str:
    """Return the PID namespace of a process (pid_namespaces(7)), "" where the process is gone."""
    try:
        return os.readlink(entry / "ns/pid")
    except OSError:
        return ""


def _idle_ssh(entry: Path) -> bool:
    """Return whether it is one of Ansible's shared SSH connections: they outlive it and do nothing by themselves."""
    return _read(entry / "cmdline").startswith(b"ssh: ")


def _ancestors() -> set[int]:
    found, pid = set(), os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        stat = _read(Path(f"/proc/{pid}/stat"))
        pid = int(stat.rpartition(b")")[2].split()[1]) if stat else 0
    return found


def _name(pid: int) -> str:
    arguments = _read(Path(f"/proc/{pid}/cmdline")).split(b"\0")
    return " ".join(a.decode(errors="replace").rpartition("/")[2] for a in arguments[:3])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
