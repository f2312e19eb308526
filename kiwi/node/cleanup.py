"""End a booking on this node: leave nothing of the user running, and little lying.

The gate was closed before. Then: linger and at jobs off (cron asks the gate for
every job) → TERM to the user's slice and processes → grace → the slice is
killed and stopped, by `cgroup.kill` where the kernel has it → sweep of the uid
and its subordinate uids until two scans find nothing → mounts, IPC and /dev/shm, and
/tmp and the crontab if the site wants that. `cgroup.kill`: cgroups(7), Linux 5.14.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kiwi.common import process
from kiwi.node import leftovers
from kiwi.node.processes import Process, is_system, owned, ranges, signal_all

log = logging.getLogger(__name__)

STEP = 0.1  # seconds between two looks
FRESH = 100  # new processes during the grace: this user answers TERM by forking, and gets no more of it
CROWD, CROWD_GRACE = 256, 1.0  # so many get at most this much of it: a full fork bomb has no room for new ones
SWEEP = 15.0  # seconds after which the rest are survivors
QUIET = 2  # scans in a row that must find nothing


class Target(NamedTuple):
    """The user whose things end, and how: `grace` is in seconds, `tmp` includes /tmp and the crontab."""

    user: str
    uid: int
    grace: float
    tmp: bool


class Left(NamedTuple):
    """What a clean-up could not end: `processes`, and `things` (files, IPC objects), a line each for people."""

    processes: list[Process]
    things: list[str]


def clean(target: Target) -> Left:
    """Carry out the whole clean-up and return what is left (nothing: the node is clean).

    Raise ValueError if the user is the system's.
    """
    if is_system(target.uid):
        raise ValueError(f"{target.user} (uid {target.uid}) belongs to the system")
    uids = ranges(target.user, target.uid)
    things = leftovers.stop_schedules(target.user, target.uid)
    if owned(uids):
        _terminate(target, uids)
    _stop_slice(target.uid)
    survivors = _sweep(uids)
    leftovers.detach_mounts(target.uid)
    things += leftovers.remove_ipc(target.uid)
    things += leftovers.remove_files(uids, leftovers.SHM + (leftovers.TMP if target.tmp else ()))
    if target.tmp:
        leftovers.remove_crontab(target.user)
    return Left(survivors, things)


def _terminate(target: Target, uids: Sequence[range]) -> None:
    """Ask all to end and give them the grace; cut it short for a user who forks instead."""
    _systemctl("kill", "--signal=TERM", _slice(target.uid))
    known = {p.pid for p in _signal(uids, signal.SIGTERM)}
    most = len(known) + FRESH
    began = time.monotonic()
    while time.monotonic() < began + target.grace:
        time.sleep(STEP)
        present = {p.pid for p in owned(uids)}
        known |= present
        crowded = len(present) > CROWD and time.monotonic() > began + CROWD_GRACE
        if not present or crowded or len(known) > most:
            return


def _stop_slice(uid: int) -> None:
    """Kill what is in the user's slice, also what runs there as another user, and let systemd forget it."""
    _systemctl("kill", "--signal=KILL", _slice(uid))
    with contextlib.suppress(OSError):
        Path(f"/sys/fs/cgroup/user.slice/{_slice(uid)}/cgroup.kill").write_text("1", encoding="ascii")
    _systemctl("stop", "--no-block", _slice(uid))


def _sweep(uids: Sequence[range]) -> list[Process]:
    """Kill until two scans in a row find nothing; return who is left at the end."""
    end = time.monotonic() + SWEEP
    quiet = 0
    left: list[Process] = []
    while quiet < QUIET and time.monotonic() < end:
        left = _signal(uids, signal.SIGKILL)
        quiet = 0 if left else quiet + 1
        time.sleep(STEP)
    return left


def _signal(uids: Sequence[range], number: signal.Signals) -> list[Process]:
    """Signal all processes with one of `uids`; return those that were found."""
    found = owned(uids)
    for uid in {u for p in found for u in p.uids}:
        signal_all(uid, number)
    return found


def _slice(uid: int) -> str:
    return f"user-{uid}.slice"


def _systemctl(*args: str) -> None:
    """Ask systemd; the sweep does not depend on its answer."""
    try:
        process.run(["systemctl", *args], check=False, timeout=5)
    except process.CommandError as exc:
        log.warning("%s", exc)
