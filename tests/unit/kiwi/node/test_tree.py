"""Remove a user's files, however they lie, and nothing else; races are forced by hooks in os.open and os.listdir."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from kiwi.node import tree

MINE = [range(os.getuid(), os.getuid() + 1)]
NOBODYS = [range(64000, 64001)]


def nest(folder: Path, depth: int, name: str = "d" * 100) -> None:
    """Make `depth` folders, one in the other, with a file in the last one."""
    number = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=number)
        below = os.open(name, os.O_RDONLY, dir_fd=number)
        os.close(number)
        number = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=number))
    os.close(number)


@contextlib.contextmanager
def descriptors(count: int) -> Iterator[None]:
    """Let this process open so few more."""
    old = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open("/", os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + count, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, old)


@pytest.mark.parametrize("depth", [1000, 5000])
def test_depth_and_length_stop_nothing(tmp_path: Path, depth: int) -> None:
    nest(tmp_path, depth)
    (tmp_path / "beside").write_text("x")
    with descriptors(4):
        assert tree.remove_owned(str(tmp_path), MINE) == []
    assert os.listdir(tmp_path) == []


def test_a_thousand_folders_beside_each_other(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}/deep").mkdir(parents=True)
    with descriptors(4):
        assert tree.remove_owned(str(tmp_path), MINE) == []
    assert os.listdir(tmp_path) == []


def test_whatever_it_is_and_whatever_its_name(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    root = tmp_path / "root"
    kept.mkdir()
    root.mkdir()
    (kept / "file").write_text("x")
    (root / "link").symlink_to(kept)
    (root / "dangling").symlink_to("/nonexistent")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as channel:
        channel.bind(str(root / "s"))
    (root / "locked").mkdir()
    (root / "locked/file").write_text("x")
    for name in (b"\xff\xfe", b"a\nb", b"-rf", b"..."):
        os.mkdir(os.path.join(os.fsencode(root), name))
    assert tree.remove_owned(str(root), MINE) == []
    assert os.listdir(root) == []
    assert (kept / "file").exists()


def test_others_files_stay(tmp_path: Path) -> None:
    nest(tmp_path, 3, "theirs")
    assert tree.remove_owned(str(tmp_path), NOBODYS) == []
    assert (tmp_path / "theirs/theirs/theirs/file").exists()


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tree.remove_owned(str(tmp_path / "none"), MINE)


def failing(monkeypatch: pytest.MonkeyPatch, call: str, name: str, number: int) -> None:
    """Let one call of os fail on one name."""
    real = getattr(os, call)

    def broken(path: Any, *args: Any, **more: Any) -> Any:
        if path == name:
            raise OSError(number, os.strerror(number))
        return real(path, *args, **more)

    monkeypatch.setattr(os, call, broken)


def test_what_cannot_be_removed_is_named_and_the_rest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for path in ("a/first", "a/b/immutable\n", "a/b/other", "z"):
        (tmp_path / path).write_text("x")
    failing(monkeypatch, "unlink", "immutable\n", errno.EPERM)
    assert tree.remove_owned(str(tmp_path), MINE) == [f"{tmp_path}/a/b/immutable\\n: Operation not permitted"]
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["a", "a/b", "a/b/immutable\n"]


@pytest.mark.parametrize(
    ("call", "number", "told"),
    [
        ("open", errno.EIO, True),
        ("open", errno.EMFILE, True),
        ("stat", errno.EIO, True),
        ("rmdir", errno.EBUSY, True),
        ("open", errno.EACCES, False),  # somebody's FUSE mount
        ("stat", errno.ENOTCONN, False),
        ("rmdir", errno.ENOTEMPTY, False),
        ("stat", errno.ENOENT, False),
    ],
)
def test_an_unread_folder_is_no_clean_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, told: bool
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "good").mkdir()
    failing(monkeypatch, call, "bad", number)
    said = [f"{tmp_path}/bad: {os.strerror(number)}"] if told else []
    assert tree.remove_owned(str(tmp_path), MINE) == said
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["bad"]


def test_a_long_path_is_told_in_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nest(tmp_path, 1000)
    failing(monkeypatch, "unlink", "file", errno.EPERM)
    (said,) = tree.remove_owned(str(tmp_path), MINE)
    assert said.startswith(str(tmp_path))
    assert said.endswith("/file: Operation not permitted")
    assert len(said) < 300
    monkeypatch.undo()
    assert tree.remove_owned(str(tmp_path), MINE) == []


def test_another_mount_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted/file").write_text("x")
    inside = os.stat(tmp_path / "mounted").st_ino
    real = tree._mount
    monkeypatch.setattr(tree, "_mount", lambda n: "other" if os.fstat(n).st_ino == inside else real(n))
    tree.remove_owned(str(tmp_path), MINE)
    assert (tmp_path / "mounted/file").exists()


def test_mounts_have_ids() -> None:
    root, proc = os.open("/", os.O_RDONLY), os.open("/proc", os.O_RDONLY)
    assert tree._mount(root).startswith("mnt_id:")
    assert tree._mount(root) != tree._mount(proc)
    os.close(root)
    os.close(proc)


def before_open(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None], times: int = 1) -> None:
    """Run `act` just before the walk opens `name` for the first `times`."""
    real, left = os.open, [act] * times

    def hooked(path: Any, *args: Any, **more: Any) -> int:
        if path == name and more.get("dir_fd") is not None and left:
            left.pop()()
        return real(path, *args, **more)

    monkeypatch.setattr(os, "open", hooked)


def test_a_folder_swapped_for_a_link_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, root = tmp_path / "kept", tmp_path / "root"
    for folder in (kept, root / "swapped"):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")

    def swap() -> None:
        (root / "swapped").rename(tmp_path / "away")
        (root / "swapped").symlink_to(kept)

    before_open(monkeypatch, "swapped", swap)
    tree.remove_owned(str(root), MINE)
    assert (kept / "file").exists()
    assert (tmp_path / "away/file").exists()


def test_a_folder_moved_away_meanwhile_takes_the_walk_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, root = tmp_path / "kept", tmp_path / "root"
    (root / "a/b/c").mkdir(parents=True)
    (kept / "b").mkdir(parents=True)
    (kept / "file").write_text("x")
    (root / "a/last").write_text("x")
    before_open(monkeypatch, "..", lambda: (root / "a/b/c").rename(kept / "c") and None)
    assert tree.remove_owned(str(root), MINE) == []
    assert os.listdir(root) == []
    assert sorted(os.listdir(kept)) == ["b", "c", "file"]


def test_one_who_moves_folders_for_ever_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    (root / "a").mkdir(parents=True)
    away.mkdir()
    turns = iter(range(99))

    def move() -> None:
        (root / "a").rename(away / f"{next(turns)}")
        (root / "a").mkdir()

    before_open(monkeypatch, "..", move, times=99)
    assert tree.remove_owned(str(root), MINE) == [f"{root}: {tree.MOVED}"]
