"""One change at a time: the lock of a cluster, and the end of rivals.

Terraform and ansible-runner close inherited descriptors, so a child of a
driver that was killed with -9 would go on without holding the lock. Every
child of a change therefore carries KIWI_LOCK=<its folder> in its environment, and
whoever takes the lock first ends what still carries it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kiwi.common import process
from kiwi.common.errors import BusyError
from reconfigure.clusterdir.environment import ours
from reconfigure.clusterdir.paths import ClusterDir

log = logging.getLogger(__name__)
MARK = "KIWI_LOCK"
WAIT = 120.0  # seconds that a person's command waits for another change
INTERRUPT_GRACE = 15.0  # seconds that Terraform has to save its state
TERM_GRACE = 3.0
KILL_GRACE = 10.0


@contextmanager
def locked(clusterdir: ClusterDir, wait: float | None) -> Iterator[None]:
    """Hold the lock of a cluster for a block, rivals ended; wait at most `wait` seconds for it (None: for ever).

    Raises BusyError, naming the holder, where it stays taken.
    """
    with hold(clusterdir.path / "lock", wait):
        end_rivals(clusterdir)
        try:
            yield
        except BaseException:  # our own children must not go on without the lock
            try:
                end_rivals(clusterdir)
            except BusyError as exc:  # what went wrong first is what is told
                log.error("%s", exc)
            raise


@contextmanager
def hold(path: Path, wait: float | None) -> Iterator[None]:
    """Hold a lock file for a block, signed with who holds it. Raise BusyError after `wait` seconds."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = _take(path, wait)
    try:
        _sign(number)
        yield
    finally:
        os.close(number)


def _take(path: Path, wait: float | None) -> int:
    until = None if wait is None else time.monotonic() + wait
    logged = False
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _try(number):
            if path.exists() and os.fstat(number).st_ino == path.stat().st_ino:
                return number
        elif until is not None and time.monotonic() >= until:
            holder = _holder(number)
            os.close(number)
            raise BusyError(f"{path} is held by {holder}", hint="wait for it, or end it, and try again")
        elif not logged:
            logged = True
            log.info("waiting for %s", _holder(number))
        os.close(number)
        time.sleep(0.1)


def _try(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(number: int) -> None:
    command = " ".join(["reconfigure", *sys.argv[1:]])
    text = json.dumps({"pid": os.getpid(), "command": command, "since": time.time()})
    os.ftruncate(number, 0)
    os.pwrite(number, text.encode(), 0)


def _holder(number: int) -> str:
    try:
        data = json.loads(os.pread(number, 4096, 0))
        since = time.strftime("%H:%M:%S", time.localtime(data["since"]))
        return f"process {data['pid']} (`{data['command']}`, since {since})"
    except (ValueError, KeyError, TypeError):
        return "another process"


def environment(clusterdir: ClusterDir) -> dict[str, str]:
    """Return the environment for children of a change: ours, with the mark."""
    return {**ours(os.environ), MARK: str(clusterdir.path)}


def end_rivals(clusterdir: ClusterDir) -> None:
    """End every process of ours that carries the mark of this cluster, until none is found.

    Raise BusyError if one is still there KILL_GRACE seconds after KILL (signal(7): it hangs in the kernel).
    """
    rounds = ((signal.SIGINT, INTERRUPT_GRACE), (signal.SIGTERM, TERM_GRACE), (signal.SIGKILL, TERM_GRACE))
    for number, grace in rounds:
        if not (rivals := marked(clusterdir)):
            return
        log.warning("ending what a killed run left: %s", ", ".join(f"{p} ({_name(p)})" for p in rivals))
        _end(clusterdir, number, grace)
    until = time.monotonic() + KILL_GRACE
    while rivals := marked(clusterdir):
        if time.monotonic() > until:
            left = ", ".join(f"{pid} ({_name(pid)})" for pid in rivals)
            raise BusyError(f"what a killed run left does not end: {left}", hint="end it, or reboot this host")
        _signal(clusterdir, rivals, signal.SIGKILL)
        time.sleep(0.05)


def _end(clusterdir: ClusterDir, number: signal.Signals, grace: float) -> None:
    """Signal every rival once, also those that are born meanwhile; wait until none is left."""
    until = time.monotonic() + grace
    signalled: set[int] = set()
    while (rivals := marked(clusterdir)) and time.monotonic() < until:
        targets = set(_first(rivals, number)) - signalled
        _signal(clusterdir, targets, number)
        signalled |= targets
        time.sleep(0.05)


def _first(rivals: list[int], number: signal.Signals) -> list[int]:
    """Return whom to signal: an interrupt goes to Terraform alone as long as it runs.

    Its children (a machine being made) must end by themselves, so that the
    state knows of them.
    """
    terraforms = [p for p in rivals if "terraform" in _name(p) or _name(p) == "tofu"]
    return terraforms if number == signal.SIGINT and terraforms else rivals


def _signal(clusterdir: ClusterDir, pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes by pidfd (pidfd_open(2)): a number that another process got meanwhile is left alone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError), _pidfd(pid) as descriptor:
            if _is_marked(clusterdir, Path(f"/proc/{pid}")):
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
    own = _ancestors()
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) not in own]
    return [int(entry.name) for entry in entries if not _idle_ssh(entry) and _is_marked(clusterdir, entry)]


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
