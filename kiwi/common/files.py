"""Write files as a whole or not at all: a draft beside the file, then a rename over it.

rename(2) replaces a name in one step, so a reader has the old file or the new
one. What a power cut may undo is settled by `sync`: it is fsync(2) for the
content before the rename, and for the folder after it, since a synced file whose
name is not is lost all the same.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  # O_EXCL follows no link (open(2))

RANDOM = re.compile(r"[0-9a-f]{16}")
OLD = 60.0  # seconds; no writer takes so long

Owner = Optional[tuple[int, int]]  # uid and gid; None: the writer's own


def replace(path: Path, content: str | bytes, mode: int, *, owner: Owner = None, sync: bool = True) -> None:
    """Replace the file at `path`, or make it; its folder must be there.

    Text is written as UTF-8. `mode` holds whatever the umask; a link at `path`
    is replaced, not followed. Raise OSError if anything fails (the disk is
    full): then no draft is left, and the old file is whole unless it was only
    the folder that could not be synced. A writer killed by -9 may leave its
    draft, .NAME.RANDOM; the next one removes it.
    """
    _tidy(path)
    beside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    with draft(beside, content, mode, owner=owner, sync=sync):
        os.replace(beside, path)
        if sync:
            sync_folder(path.parent)


def _tidy(path: Path) -> None:
    """Remove the drafts of `path` that writers killed by -9 left more than OLD seconds ago; what fails stays."""
    for left in path.parent.glob(f".{path.name}.*"):
        with contextlib.suppress(OSError):
            if RANDOM.fullmatch(left.name[len(path.name) + 2 :]) and time.time() - left.stat().st_mtime > OLD:
                left.unlink()


@contextlib.contextmanager
def draft(path: Path, content: str | bytes, mode: int, *, owner: Owner = None, sync: bool = True) -> Iterator[Path]:
    """Write a new file for the time of the block, which gives it its final name by rename(2) or link(2).

    The name `path` is gone after the block, whatever happens in it. `sync`
    is for the content alone. Raise FileExistsError if there is something at
    `path` already, OSError if the content cannot be written.
    """
    number = os.open(path, NEW, 0o600)
    try:
        try:
            _fill(number, content.encode() if isinstance(content, str) else content, mode, owner)
            if sync:
                os.fsync(number)
        finally:
            os.close(number)
        yield path
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _fill(number: int, content: bytes, mode: int, owner: Owner) -> None:
    """Give an open file its owner, its mode and all of its content, which write(2) may take in parts."""
    if owner:
        os.fchown(number, *owner)
    os.fchmod(number, mode)
    left = memoryview(content)
    while left:
        left = left[os.write(number, left) :]


def sync_folder(path: Path) -> None:
    """Make new names in the folder `path` outlast a power cut. Raise OSError if the disk fails."""
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)
