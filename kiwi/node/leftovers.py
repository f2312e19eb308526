"""Remove what a user leaves on a node besides processes: schedules, mounts, IPC objects and files.

What could not be removed is returned, a line each.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from kiwi.common import process
from kiwi.node.processes import is_system
from kiwi.node.tree import remove_owned

log = logging.getLogger(__name__)

SHM = ("/dev/shm", "/dev/mqueue", "/run/lock")
TMP = ("/tmp", "/var/tmp")
LINGER = Path("/var/lib/systemd/linger")
AT_JOBS = Path("/var/spool/cron/atjobs")
CRONTABS = Path("/var/spool/cron/crontabs")
MOUNTS = Path("/proc/self/mountinfo")
SYSVIPC = Path("/proc/sysvipc")
KINDS = {"shm": "--shmem-id", "sem": "--semaphore-id", "msg": "--queue-id"}


def stop_schedules(user: str, uid: int) -> list[str]:
    """End lingering (loginctl(1)) and remove waiting at jobs: both start processes of a user who is not there."""
    if (LINGER / user).exists():
        (LINGER / user).unlink(missing_ok=True)
        _try("loginctl", "disable-linger", user)
    return remove_files([range(uid, uid + 1)], (str(AT_JOBS),))


def remove_crontab(user: str) -> None:
    """Remove the user's crontab, if there is one."""
    (CRONTABS / user).unlink(missing_ok=True)


def detach_mounts(uid: int, table: Path = MOUNTS) -> None:
    """Take off what the user mounted through fuse(4), whose server has ended; `table` is proc(5)'s mountinfo."""
    for line in reversed(table.read_bytes().split(b"\n")):
        mount, _, source = line.partition(b" - ")
        fields, more = mount.split(b" "), source.split(b" ")
        if len(fields) < 6 or len(more) < 3:
            continue
        if more[0].startswith(b"fuse") and f"user_id={uid}".encode() in more[-1].split(b","):
            _try("umount", "--lazy", "--internal-only", "--no-canonicalize", "--", os.fsdecode(_unescape(fields[4])))


def _unescape(text: bytes) -> bytes:
    """Return a path as it is: mountinfo has blanks, line ends and backslashes in octal, and nothing else."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 255]), text)


def remove_ipc(uid: int, table: Path = SYSVIPC) -> list[str]:
    """Remove the user's System V objects (sysvipc(7)), with the user's own rights; `table` is a folder of tables."""
    left = []
    for kind, option in KINDS.items():
        ids = _ipc_ids(table / kind, uid)
        if ids:
            argv = ["setpriv", f"--reuid={uid}", "--clear-groups", "ipcrm"]
            _try(*argv, *[word for number in ids for word in (option, number)])
            left += [f"{kind} {number}" for number in _ipc_ids(table / kind, uid)]
    return left


def _ipc_ids(path: Path, uid: int) -> list[str]:
    """Return the ids (second column) in one table of /proc/sysvipc whose owner or creator is `uid`.

    A kernel without such objects has no table. Raise ValueError for one without its head.
    """
    try:
        head, *rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except FileNotFoundError:
        return []
    owners = [head.index("uid"), head.index("cuid")]
    return [row[1] for row in rows if str(uid) in [row[i] for i in owners]]


def remove_files(uids: Sequence[range], roots: Sequence[str]) -> list[str]:
    """Remove files and folders of `uids` below `roots`; follow no link, leave no mount.

    Raise ValueError if a uid is the system's.
    """
    if any(is_system(r.start) for r in uids):
        raise ValueError("files of the system's users are never removed")
    left = []
    for root in roots:
        try:
            left += remove_owned(root, uids)
        except FileNotFoundError:
            continue
        except OSError as exc:
            left.append(f"{root}: {exc.strerror}")
    return left


def _try(*argv: str) -> None:
    try:
        process.run(argv, check=True, timeout=5)
    except process.CommandError as exc:
        log.warning("%s", exc)
