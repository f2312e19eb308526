"""The Ansible of a bin/up that was killed: it ends with bin/up, and what stays all the same is ended by the next one.

bin/up marks what it starts with KIWI_UP=<its pid> <when that started> <the cluster's folder>. Ansible's own children
are sessions of their own, which wait for ever for each other once it is gone: each asks the kernel for a signal then
(prctl(2), PR_SET_PDEATHSIG). The `reconfigure` that one of them runs ends by itself: it may hold the lock.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
from pathlib import Path

from kiwi.common import waiting
from kiwi.common.errors import BusyError
from reconfigure.clusterdir.paths import ClusterDir

log = logging.getLogger(__name__)
MARK = b"KIWI_UP="
ROUNDS = ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0))  # signals, and seconds until the next one
PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Have each process that this one forks from now on killed when this one ends; programs that it runs are not."""
    parents, prctl = [os.getpid()], ctypes.CDLL(None).prctl

    def note() -> None:
        parents[0] = os.getpid()

    def bind() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parents[0]:  # it ended just before
            os._exit(1)

    os.register_at_fork(before=note, after_in_child=bind)


def end(clusterdir: ClusterDir) -> None:
    """End the Ansible that a killed bin/up of a cluster left. Raise BusyError if it does not end."""
    for number, seconds in ROUNDS:
        if not (found := left(clusterdir)):
            return
        log.warning("ending the Ansible that a killed bin/up left: %s", ", ".join(map(str, found)))
        for pid in found:
            _signal(clusterdir, pid, number)
        waiting.until(lambda: not left(clusterdir), seconds, pause=0.05)
    if found := left(clusterdir):
        hint = "end it, or reboot this host"
        raise BusyError(f"Ansible of a killed bin/up does not end: {', '.join(map(str, found))}", hint=hint)


def left(clusterdir: ClusterDir) -> list[int]:
    """Return the processes of Ansible whose bin/up, of this cluster, has ended."""
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_left(clusterdir, entry)
    ]


def _is_left(clusterdir: ClusterDir, entry: Path) -> bool:
    try:
        marks = [line for line in (entry / "environ").read_bytes().split(b"\0") if line.startswith(MARK)]
        if not marks or entry.stat().st_uid != os.geteuid():
            return False
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    pid, start, folder = [*os.fsdecode(marks[0].removeprefix(MARK)).split(" ", 2), "", ""][:3]
    ansible = any(argument.endswith(b"/ansible-playbook") for argument in arguments[:3])
    return ansible and Path(folder) == clusterdir.path and _start(pid) != start


def _start(pid: str) -> str:
    """Return when a process started (clock ticks since boot, proc(5)); "" where it is gone or a zombie."""
    try:
        fields = Path("/proc", pid, "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def _signal(clusterdir: ClusterDir, pid: int, number: signal.Signals) -> None:
    """Signal a process by pidfd: a number that another one got meanwhile is left alone."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            if _is_left(clusterdir, Path("/proc", str(pid))):
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
