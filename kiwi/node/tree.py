"""Remove a user's files below a folder, however deep they lie and whoever moves them meanwhile.

No recursion and two descriptors at a time, for any depth; nothing is named by a path, which may be too long for
the kernel. Down goes by name, never through a link (O_NOFOLLOW, openat(2)) and never into another mount; up goes by
`..`, which must be the very folder that was left (device and inode): where somebody moved one meanwhile, the walk
begins again. So it never acts outside of the tree.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container, Sequence
from typing import NamedTuple

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
PASSES = 3  # walks until one sees nothing moved
SHOWN = 200  # characters of a path
# Gone or another thing by now, or a folder in which others' files are.
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENOTEMPTY, errno.EEXIST}
# Or somebody's mount that lets not even root in: the user's own are taken off before (leftovers).
FOREIGN = GONE | {errno.EACCES, errno.EPERM, errno.ENOTCONN}
MOVED = "folders were moved about while it was searched"


class _Folder(NamedTuple):
    """A folder on the way down: its name in the one above, its device and inode, what is to be entered in it."""

    name: str
    key: tuple[int, int]
    waiting: list[str]


class _MovedError(Exception):
    """Somebody moved a folder in which the walk was."""


def remove_owned(root: str, uids: Sequence[range]) -> list[str]:
    """Remove what is owned by `uids` below the folder `root`, which stays; return what could not be, and why.

    Folders stay in which there are others' files, and are not told of. Raise OSError if `root` cannot be read.
    """
    for _ in range(PASSES):
        walk = _Walk(root, uids)
        try:
            walk.run()
        except _MovedError:
            continue
        finally:
            os.close(walk.number)
        return walk.left
    return [*walk.left, f"{root}: {MOVED}"]


class _Walk:
    """One walk; `number` is the open folder in which it is, `left` what could not be removed."""

    def __init__(self, root: str, uids: Sequence[range]) -> None:
        self._root = root
        self._uids = uids
        self.left: list[str] = []
        self.number = os.open(root, FOLDER)
        self._mount = _mount(self.number)
        self._way: list[_Folder] = []

    def run(self) -> None:
        """Walk the tree once. Raise _MovedError where a folder is no longer where it was, OSError if the root fails."""
        self._way = [_Folder("", _key(self.number), [])]
        self._list(self._way[-1])
        while self._way:
            if self._way[-1].waiting:
                self._enter(self._way[-1].waiting.pop())
            else:
                self._climb()

    def _list(self, folder: _Folder) -> None:
        """Remove the user's files in the folder in which the walk is, and remember the folders that are in it."""
        folder.waiting.extend(n for n in os.listdir(self.number) if self._is_folder(n))

    def _is_folder(self, name: str) -> bool:
        """Return whether this is a folder, and remove it if it is anything else of the user's."""
        try:
            found = os.stat(name, dir_fd=self.number, follow_symlinks=False)
        except OSError as exc:
            self._note(name, exc, FOREIGN)
            return False
        if stat.S_ISDIR(found.st_mode):
            return True
        if self._owned(found):
            try:
                os.unlink(name, dir_fd=self.number)
            except OSError as exc:
                self._note(name, exc, GONE)
        return False

    def _enter(self, name: str) -> None:
        try:
            number = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=self.number)
        except OSError as exc:
            self._note(name, exc, FOREIGN)
            return
        if _mount(number) != self._mount:
            os.close(number)
            return
        os.close(self.number)
        self.number = number
        folder = _Folder(name, _key(number), [])
        self._way.append(folder)
        try:
            self._list(folder)
        except OSError as exc:
            self._note(".", exc, FOREIGN)

    def _climb(self) -> None:
        """Go up to where the walk came from, and remove the folder that it leaves if that is the user's."""
        name = self._way.pop().name
        if not self._way:
            return
        try:
            above = os.open("..", FOLDER, dir_fd=self.number)
        except OSError as exc:
            raise _MovedError from exc
        os.close(self.number)
        self.number = above
        if _key(above) != self._way[-1].key:
            raise _MovedError
        try:
            if self._owned(os.stat(name, dir_fd=above, follow_symlinks=False)):
                os.rmdir(name, dir_fd=above)
        except OSError as exc:
            self._note(name, exc, GONE)

    def _owned(self, found: os.stat_result) -> bool:
        return any(found.st_uid in r for r in self._uids)

    def _note(self, name: str, exc: OSError, harmless: Container[int]) -> None:
        """Remember what is left, and why, unless the error is a harmless one."""
        if exc.errno in harmless:
            return
        path = "/".join([self._root, *[f.name for f in self._way[1:]], name])
        shown = path if len(path) <= SHOWN else f"{path[: SHOWN // 2]}…{path[-SHOWN // 2 :]}"
        self.left.append(f"{ascii(shown)[1:-1]}: {exc.strerror}")


def _key(number: int) -> tuple[int, int]:
    found = os.fstat(number)
    return found.st_dev, found.st_ino


def _mount(number: int) -> str:
    """Return the id of the mount that an open folder is in (/proc/self/fdinfo, proc(5)): a bind mount has its own."""
    with open(f"/proc/self/fdinfo/{number}", encoding="ascii") as file:
        return next((line for line in file if line.startswith("mnt_id:")), "")
