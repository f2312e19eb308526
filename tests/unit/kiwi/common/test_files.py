"""Files that are written as a whole: full disks, short writes, rivals, modes; and all who write by the same rule."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import stat
from pathlib import Path
from typing import Callable

import pytest

from kiwi.common import files
from kiwi.common.children import fork
from kiwi.metrics import exposition
from kiwi.node import allow_file
from reconfigure.clusterdir import files as clusterdir_files

OLD, NEW = "old\n", "new\n" * 5000
WRITERS: dict[str, Callable[[Path, str], object]] = {
    "replace": lambda path, text: files.replace(path, text, 0o600),
    "replace, not synced": lambda path, text: files.replace(path, text, 0o600, sync=False),
    "the allow file": allow_file.write,
    "metrics": exposition.write,
    "a cluster's folder": clusterdir_files.write,
}


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest) -> Callable[[Path, str], object]:
    return WRITERS[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "file"
    found.write_text(OLD)
    return found


def fail(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def assert_untouched(path: Path) -> None:
    assert path.read_text() == OLD
    assert [p.name for p in path.parent.iterdir()] == ["file"], "nothing is left"


def test_the_content_and_nothing_else(writer: Callable[[Path, str], object], path: Path) -> None:
    writer(path, NEW)
    assert path.read_text() == NEW
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_full_disk(writer: Callable[[Path, str], object], path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(OSError, match="No space left"):
        writer(path, NEW)
    assert_untouched(path)


def test_a_short_write_of_the_kernel(writer: Callable[[Path, str], object], path: Path) -> None:
    """A limit of 8 KiB makes write(2) take a part, then refuse the rest: so does a disk that fills up meanwhile."""

    def body(_: socket.socket) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
        with pytest.raises(OSError, match="File too large"):
            writer(path, NEW)

    child = fork(body)
    assert os.waitpid(child.pid, 0)[1] == 0
    child.channel.close()
    assert_untouched(path)


def test_a_write_in_parts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda number, data: real(number, data[:1000]))
    files.replace(path, NEW, 0o600)
    assert path.read_text() == NEW


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_what_fails_later(path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        files.replace(path, NEW, 0o600)
    assert_untouched(path)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.replace(tmp_path / "none/file", NEW, 0o600)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o400])
def test_the_mode_whatever_the_umask_and_the_old_files(path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        files.replace(path, NEW, mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_is_replaced_and_not_followed(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    files.replace(link, NEW, 0o600)
    assert (path.read_text(), link.is_symlink(), link.read_text()) == (OLD, False, NEW)


def test_content_is_synced_before_its_name_and_then_the_folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = os.replace

    def rename(source: Path, target: Path) -> None:
        seen.append("rename")
        real(source, target)

    def sync(number: int) -> None:
        seen.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "content")

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    files.replace(path, NEW, 0o600)
    files.replace(path, OLD, 0o600, sync=False)
    assert seen == ["content", "rename", "folder", "rename"]


def test_of_concurrent_writers_one_is_seen_whole(writer: Callable[[Path, str], object], path: Path) -> None:
    def body(channel: socket.socket) -> None:
        text = channel.recv(1).decode() * 20000
        for _ in range(20):
            writer(path, text)

    children = [fork(body) for _ in range(4)]
    for number, child in enumerate(children):
        child.channel.sendall(str(number).encode())
    running = set(children)
    while running:
        text = path.read_text()
        assert text == OLD or (len(text) == 20000 and len(set(text)) == 1)
        ended = {child: child.ended() for child in running}
        assert set(ended.values()) <= {None, 0}
        running = {child for child, code in ended.items() if code is None}
    assert len(set(path.read_text())) == 1
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    for child in children:
        child.channel.close()


def test_a_draft_never_goes_through_what_is_there(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path.with_name("elsewhere"))
    for taken in (path, link):
        with pytest.raises(FileExistsError), files.draft(taken, NEW, 0o600):
            pass
    assert path.read_text() == OLD
    assert link.is_symlink(), "another's name is not removed"


def test_a_draft_that_got_a_second_name_keeps_it(tmp_path: Path) -> None:
    with files.draft(tmp_path / "draft", NEW, 0o600) as draft:
        os.link(draft, tmp_path / "linked")
    assert [p.name for p in tmp_path.iterdir()] == ["linked"]
    assert (tmp_path / "linked").read_text() == NEW


def test_the_drafts_of_killed_writers_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "allow"
    killed, writing, other = ".allow.0123456789abcdef", ".allow.fedcba9876543210", ".allow.old"
    for name in (killed, writing, other, ".allowed.0123456789abcdef"):
        (tmp_path / name).touch()
        if name != writing:
            os.utime(tmp_path / name, (1, 1))
    files.replace(path, "new", 0o600, sync=False)
    assert {entry.name for entry in tmp_path.iterdir()} == {"allow", writing, other, ".allowed.0123456789abcdef"}
