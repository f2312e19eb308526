"""Files and directories of a bundle: compare with what is there, write whole or not at all."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import shlex
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, NamedTuple


class BundleError(Exception):
    """The machine cannot take the bundle; the text says what to do."""


class Owner(NamedTuple):
    """Who owns a path, and its permission bits."""

    uid: int
    gid: int
    mode: int


class File(NamedTuple):
    """A file as it shall be; `units` are restarted when it changed.

    `validate` is a command in which %s stands for a file with the new content; empty where nobody judges it.
    """

    path: str
    content: bytes
    owner: Owner
    units: tuple[str, ...]
    secret: bool
    validate: str = ""


class Directory(NamedTuple):
    """A directory as it shall be.

    `exact`: files that the bundle does not name are removed from it.
    `keep`: owner and mode are set only when it is made.
    `skeleton`: folder whose content a new one begins with; empty where it begins empty.
    """

    path: str
    owner: Owner
    exact: bool
    keep: bool
    skeleton: str = ""


def _id(value: str, kind: str, names: Callable[[str], Any]) -> int:
    if value.isdigit():
        return int(value)
    try:
        return int(names(value)[2])
    except KeyError:
        raise BundleError(f"{kind} {value!r} does not exist on this machine: is its package in the image?") from None


def _owner(item: dict[str, Any]) -> Owner:
    try:
        mode = int(item["mode"], 8)
    except ValueError:
        raise BundleError(f"mode {item['mode']!r} of {item['path']} is not octal: write it like '0644'") from None
    return Owner(_id(item["owner"], "user", pwd.getpwnam), _id(item["group"], "group", grp.getgrnam), mode)


def file_of(item: dict[str, Any]) -> File:
    """The File that module arguments describe; raises BundleError for unknown names and bad modes."""
    if item["content_b64"] is not None:
        content = base64.b64decode(item["content_b64"], validate=True)
    else:
        content = (item["content"] or "").encode()
    return File(item["path"], content, _owner(item), tuple(item["units"]), item["secret"], item["validate"] or "")


def directory_of(item: dict[str, Any]) -> Directory:
    """The Directory that module arguments describe; raises BundleError for unknown names and bad modes."""
    return Directory(item["path"], _owner(item), item["exact"], item["keep"], item["skeleton"] or "")


def _seen(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _owner_seen(seen: os.stat_result) -> Owner:
    return Owner(seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode))


def before(file: File) -> bytes | None:
    """What the file holds now; None where there is no such plain file."""
    seen = _seen(file.path)
    if seen is None or not stat.S_ISREG(seen.st_mode):
        return None
    return Path(file.path).read_bytes()


def file_differs(file: File, content: bytes | None) -> bool:
    """Does the file hold something else than `content` says, or belong to somebody else?"""
    if content != file.content:
        return True
    seen = _seen(file.path)
    return seen is None or _owner_seen(seen) != file.owner


def directory_differs(directory: Directory) -> bool:
    """Is the directory missing or somebody else's? Raises BundleError where something else has its place."""
    seen = _seen(directory.path)
    if seen is None:
        return True
    if not stat.S_ISDIR(seen.st_mode):
        raise BundleError(f"{directory.path} is not a directory: move it away")
    return not directory.keep and _owner_seen(seen) != directory.owner


def strangers(directory: Directory, named: set[str]) -> list[str]:
    """Paths of the files in an exact directory that are not named."""
    if not directory.exact or not os.path.isdir(directory.path):
        return []
    found = (entry for entry in os.scandir(directory.path) if not entry.is_dir(follow_symlinks=False))
    return sorted(entry.path for entry in found if entry.path not in named)


def judge(file: File, command: Callable[[Sequence[str]], tuple[int, str, str]]) -> None:
    """Have the file's own program read it before anything is written; raises BundleError with what it says."""
    with tempfile.NamedTemporaryFile(prefix="kiwi-") as beside:
        beside.write(file.content)
        beside.flush()
        code, out, err = command(shlex.split(file.validate.replace("%s", beside.name)))
    if code != 0:
        raise BundleError(f"{file.path} would be wrong, nothing was changed: {(err or out).strip()}")


def make_directory(directory: Directory) -> None:
    """Make the directory with its owner and mode; parents are made as root's, 0755."""
    path = Path(directory.path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if directory.skeleton and not path.exists():
        _begin(path, directory)
    path.mkdir(mode=0o700, exist_ok=True)
    os.chown(path, directory.owner.uid, directory.owner.gid, follow_symlinks=False)
    path.chmod(directory.owner.mode)


def _begin(path: Path, directory: Directory) -> None:
    """Make a new directory with what its skeleton has: beside and renamed, so what was cut off is made again.

    Nobody but root can enter it meanwhile, so nothing is given away that its owner put there.
    """
    beside = path.with_name(f".{path.name}.kiwi-new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(mode=0o700)
    shutil.copytree(directory.skeleton, beside, symlinks=True, dirs_exist_ok=True)
    beside.chmod(0o700)
    for folder, folders, names in os.walk(beside):
        for name in (*folders, *names):
            os.chown(Path(folder, name), directory.owner.uid, directory.owner.gid, follow_symlinks=False)
    beside.rename(path)


def write(file: File) -> None:
    """Put the file in place: beside it, synced, renamed. A reader sees the old or the new one, never a part."""
    folder = os.path.dirname(file.path)
    try:
        descriptor, beside = tempfile.mkstemp(prefix=".kiwi-", dir=folder)
    except FileNotFoundError:
        raise BundleError(f"no directory {folder} for {file.path}: name it in `directories`") from None
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(file.content)
            os.fchown(out.fileno(), file.owner.uid, file.owner.gid)
            os.fchmod(out.fileno(), file.owner.mode)
            out.flush()
            os.fsync(out.fileno())
        os.rename(beside, file.path)
    except OSError as exc:
        os.unlink(beside)
        raise BundleError(f"{file.path} cannot be written: {exc.strerror}") from exc


def difference(file: File, content: bytes | None) -> dict[str, str]:
    """An entry for Ansible's --diff; a secret file's shows no content."""
    header = {"before_header": file.path, "after_header": file.path}
    if file.secret:
        return {**header, "before": "(secret)\n", "after": "(secret, changed)\n"}
    return {**header, "before": _text(content or b""), "after": _text(file.content)}


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
