"""Remove what a user leaves on a node besides processes: schedules, IPC objects and files."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from kiwi.common import process
from kiwi.node.processes import is_system

log = logging.getLogger(__name__)

SHM = ("/dev/shm", "/dev/mqueue")
TMP = ("/tmp", "/var/tmp")
LINGER = Path("/var/lib/systemd/linger")
AT_JOBS = Path("/var/spool/cron/atjobs")
CRONTABS = Path("/var/spool/cron/crontabs")
SYSVIPC = Path("/proc/sysvipc")
KINDS = {"shm": "--shmem-id", "sem": "--semaphore-id", "msg": "--queue-id"}


def stop_schedules(user: str, uid: int) -> None:
    """End lingering (loginctl(1)) and remove waiting at jobs: both start processes of a user who is not there."""
    if (LINGER / user).exists():
        (LINGER / user).unlink(missing_ok=True)
        _try("loginctl", "disable-linger", user)
    remove_files([range(uid, uid + 1)], (str(AT_JOBS),))


def remove_crontab(user: str) -> None:
    """Remove the user's crontab, if there is one."""
    (CRONTABS / user).unlink(missing_ok=True)


def remove_ipc(uid: int, table: Path = SYSVIPC) -> None:
    """Remove the user's System V objects (sysvipc(7)), with the user's own rights; `table` is a folder of tables."""
    for kind, option in KINDS.items():
        ids = _ipc_ids(table / kind, uid)
        if ids:
            argv = ["setpriv", f"--reuid={uid}", "--clear-groups", "ipcrm"]
            _try(*argv, *[word for number in ids for word in (option, number)])


def _ipc_ids(path: Path, uid: int) -> list[str]:
    """Return the ids (second column) in one table of /proc/sysvipc whose owner or creator is `uid`."""
    try:
        head, *rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except (FileNotFoundError, ValueError):
        return []
    owners = [head.index("uid"), head.index("cuid")]
    return [row[1] for row in rows if str(uid) in [row[i] for i in owners]]


def remove_files(uids: Sequence[range], roots: Sequence[str]) -> None:
    """Remove files and empty folders of `uids` below `roots`; follow no link, leave no file system.

    Raise ValueError if a uid is the system's.
    """
    if any(is_system(r.start) for r in uids):
        raise ValueError("files of the system's users are never removed")
    for root in roots:
        with contextlib.suppress(FileNotFoundError):
            device = os.stat(root).st_dev
            for _, folders, files, number in os.fwalk(root, topdown=False, onerror=_note_unread):
                for name in files + folders:
                    _remove(name, number, uids, device)


def _remove(name: str, folder: int, uids: Sequence[range], device: int) -> None:
    with contextlib.suppress(OSError):  # gone already, or a folder that still holds others' files
        found = os.lstat(name, dir_fd=folder)
        if found.st_dev == device and any(found.st_uid in r for r in uids):
            is_folder = stat.S_ISDIR(found.st_mode)
            (os.rmdir if is_folder else os.unlink)(name, dir_fd=folder)


def _note_unread(error: OSError) -> None:
    log.debug("not searched: %s", error)


def _try(*argv: str) -> None:
    try:
        process.run(argv, check=True, timeout=5)
    except process.CommandError as exc:
        log.warning("%s", exc)
