"""Find the processes of a user, and signal them all at once from a child that has the user's identity."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import psutil

from kiwi.common.children import fork

LOWEST = 1000  # below are root and the system's users (UID_MIN, login.defs(5))
NOBODY = 65534
KIWI = 64800  # owns the state (docs/seams.md)
SHIELD = 64801  # an identity that no account has


class Process(NamedTuple):
    """A living process and the identities that make it the user's."""

    pid: int
    name: str
    uids: frozenset[int]


def is_system(uid: int) -> bool:
    """Return whether `uid` is one that the clean-up must never touch and that cannot book."""
    return uid < LOWEST or uid in (KIWI, SHIELD, NOBODY)


def ranges(user: str, uid: int, subuid: Path = Path("/etc/subuid")) -> list[range]:
    """Return the uids that are this user's: the own one and the subordinate ones (subuid(5))."""
    found = [range(uid, uid + 1)]
    try:
        lines = subuid.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        owner, _, numbers = line.partition(":")
        start, _, count = numbers.partition(":")
        if owner in (user, str(uid)) and start.isdigit() and count.isdigit() and int(start) > NOBODY:
            found.append(range(int(start), int(start) + int(count)))
    return found


def owned(uids: Collection[range]) -> list[Process]:
    """Return the living processes with a real, effective or saved uid in `uids`.

    Processes that vanish during the scan are no longer there, which is all that
    counts. A zombie with one thread is dead; one with more has a living thread.
    """
    found = []
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                mine = frozenset(u for u in process.uids() if any(u in r for r in uids))
                if mine and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1):
                    found.append(Process(pid, process.name(), mine))
        except psutil.NoSuchProcess:
            continue
    return found


def signal_all(uid: int, number: signal.Signals) -> None:
    """Send a signal to every process of `uid` in one system call, so that no fork slips through.

    A child takes `uid` as its effective identity, so that kill(-1) reaches that
    user's processes and no other; its real and saved one belong to nobody, so
    that those processes cannot stop it first (kill(2)). Raise ValueError if
    `uid` is the system's.
    """
    if is_system(uid):
        raise ValueError(f"uid {uid} belongs to the system")

    def body(_: socket.socket) -> None:
        os.setgroups([])
        os.setresgid(SHIELD, uid, SHIELD)
        os.setresuid(SHIELD, uid, SHIELD)
        if os.getresuid() == (SHIELD, uid, SHIELD):
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, number)

    child = fork(body)
    os.waitpid(child.pid, 0)
    child.channel.close()
