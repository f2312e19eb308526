"""Clean up after a user who leaves this machine without a booking that ends: `kiwi clean`.

Slurm's Epilog calls it after a user's last job on a node, and with --job after
one that is not the last; `leavers` for users who are no longer in the site data.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

from kiwi.common.errors import FAILED, OK, UsageError
from kiwi.node import job_processes
from kiwi.node.cleanup import Left, Target
from kiwi.node.cleanup import clean as clean_up
from kiwi.node.processes import is_system

BYPASS = Path("/etc/kiwi/bypass")
HIGHEST = 300.0  # seconds of grace


def clean(who: str, grace: float, job: int | None = None) -> int:
    """End all that `who` (a name, or the number of one who is gone) runs here; `grace` is in seconds.

    With `job`, the number of one of Slurm's: end only what belongs to that.
    Leave alone those who always pass the gate; files in /tmp and the crontab stay.
    Return the exit code: FAILED if processes, or files elsewhere, are left. Raise UsageError
    if the caller is not root, and for a user who is unknown or the system's.
    """
    target = _target(who, grace)
    if target.user in _bypass():
        return OK
    if job is None:
        left = clean_up(target)
    else:
        left = Left(job_processes.end(target.user, target.uid, job, grace), [])
    for survivor in left.processes:
        print(f"kiwi: still there: {survivor.pid} {survivor.name!a} of {who}", file=sys.stderr)
    for thing in left.things:
        print(f"kiwi: not removed: {thing}", file=sys.stderr)
    return FAILED if any(left) else OK


def _target(who: str, grace: float) -> Target:
    if os.geteuid() != 0:
        raise UsageError("only root can clean up after a user", hint="become root: sudo kiwi clean USER")
    if not 0 <= grace <= HIGHEST:
        raise UsageError(key="--grace", found=grace, needs=f"seconds from 0 to {HIGHEST:.0f}, such as 5")
    target = Target(_name(who), _uid(who), grace, False)
    if is_system(target.uid):
        raise UsageError(f"{who} belongs to the system", hint="give a user of the cluster, such as carol")
    return target


def _uid(who: str) -> int:
    try:
        return int(who) if who.isdecimal() else pwd.getpwnam(who).pw_uid
    except KeyError as exc:
        raise UsageError(f"there is no user {who}", hint="give the uid of one who is gone, such as 10003") from exc


def _name(who: str) -> str:
    try:
        return pwd.getpwuid(int(who)).pw_name if who.isdecimal() else who
    except KeyError:
        return who


def _bypass() -> list[str]:
    """Return the users whom the clean-up never touches."""
    try:
        return BYPASS.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []
