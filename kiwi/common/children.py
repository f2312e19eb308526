"""Fork children that run a function of this process, with one socket to the parent and nothing else open.

Only for a process with one thread, as the agent is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import traceback
from typing import Callable, NamedTuple, NoReturn

UNKNOWN = 255  # as an exit code: a fault, as no answer is


class Forked(NamedTuple):
    """A forked child: its process id and our end of its socket."""

    pid: int
    channel: socket.socket

    def ended(self) -> int | None:
        """Return the child's exit code (negative: the signal that killed it), None while it runs.

        UNKNOWN if nobody can tell: its status was taken already.
        """
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return UNKNOWN
        return os.waitstatus_to_exitcode(status) if pid else None

    def kill(self) -> None:
        """Send KILL and close the socket; a child that hangs in the kernel goes when the kernel lets it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.channel.close()


def fork(body: Callable[[socket.socket], None]) -> Forked:
    """Run `body` in a child and return that.

    It ends when `body` returns (code 0) or raises (code 1, traceback on stderr).
    Raise OSError if the kernel has no room for another process or socket.
    """
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid:
        theirs.close()
        return Forked(pid, ours)
    code = 1
    try:
        _leave_parent(theirs.fileno())
        body(theirs)
        code = 0
    finally:
        _end(code)


def _end(code: int) -> NoReturn:
    """End the child here, whatever happens: it must not return into its parent's code."""
    try:
        if sys.exc_info()[0]:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _leave_parent(keep: int) -> None:
    """Close what was inherited except the standard descriptors and `keep`; forget the parent's signal handlers.

    The streams are made anew: the parent's may be on a descriptor that is closed here.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)


def become(uid: int) -> None:
    """Give up root for `uid` in all three identities, for good (setresuid(2)). Raise OSError if the kernel refuses."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
