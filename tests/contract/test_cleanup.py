"""The clean-up on real processes and files of a throw-away user."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi.common import process
from kiwi.common.children import become, fork
from kiwi.node import leftovers
from kiwi.node.cleanup import Target, clean
from kiwi.node.processes import is_system, owned, ranges, signal_all

FRESH = itertools.count(0, 2)


def be_stubborn(channel: socket.socket, uid: int, forking: bool) -> None:
    """Ignore TERM, leave session and parent, then wait for ever, or fork for as long as the kernel lets us."""
    become(uid)
    resource.setrlimit(resource.RLIMIT_NPROC, (60, 60))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    channel.sendall(b"ready")
    channel.close()
    while forking:
        with contextlib.suppress(OSError):
            os.fork()
    signal.pause()


@pytest.fixture
def uid() -> Iterator[int]:
    """A uid that nobody has, another one for each test: dead processes count against a uid's limit for a while."""
    number = 50000 + os.getpid() % 450 * 20 + next(FRESH)
    assert not owned([range(number, number + 1)])
    yield number
    signal_all(number, signal.SIGKILL)


def run_as(uid: int, forking: bool = False) -> None:
    """Leave stubborn processes of `uid` behind."""
    child = fork(lambda channel: be_stubborn(channel, uid, forking))
    assert child.channel.recv(9) == b"ready"
    os.waitpid(child.pid, 0)
    child.channel.close()


@pytest.mark.parametrize("forking", [False, True])
def test_nobody_survives(uid: int, forking: bool) -> None:
    run_as(uid, forking)
    mine = [range(uid, uid + 1)]
    assert owned(mine)
    assert clean(Target(f"user{uid}", uid, grace=0.2, tmp=False)) == ([], [])
    assert owned(mine) == []


def test_another_users_processes_live_on(uid: int) -> None:
    run_as(uid)
    other = uid + 1
    run_as(other)
    assert clean(Target(f"user{uid}", uid, grace=0, tmp=False)) == ([], [])
    assert len(owned([range(other, other + 1)])) == 1
    signal_all(other, signal.SIGKILL)


def test_one_who_goes_by_himself_gets_the_grace(uid: int) -> None:
    def body(channel: socket.socket) -> None:
        become(uid)
        signal.signal(signal.SIGTERM, lambda *_: channel.sendall(b"asked") or os._exit(0))  # type: ignore[func-returns-value]
        channel.sendall(b"ready")
        while True:
            signal.pause()

    child = fork(body)
    assert child.channel.recv(5) == b"ready"
    assert clean(Target(f"user{uid}", uid, grace=30, tmp=False)) == ([], [])
    assert child.channel.recv(5) == b"asked"
    os.waitpid(child.pid, 0)
    child.channel.close()


def test_processes_that_vanish_while_scanned_are_normal(uid: int) -> None:
    def body(_: socket.socket) -> None:
        become(uid)
        while True:
            if os.fork() == 0:
                os._exit(0)
            os.waitpid(-1, 0)

    child = fork(body)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        owned([range(uid, uid + 1)])
    child.kill()
    os.waitpid(child.pid, 0)


@pytest.mark.parametrize("system", [0, 1, 999, 64800, 64801, 65534])
def test_the_systems_users_are_refused(system: int) -> None:
    assert is_system(system)
    with pytest.raises(ValueError, match="system"):
        clean(Target("x", system, 0, False))
    with pytest.raises(ValueError, match="system"):
        signal_all(system, signal.SIGKILL)
    with pytest.raises(ValueError, match="system"):
        leftovers.remove_files([range(system, system + 1)], ("/nonexistent",))


def test_subordinate_uids(tmp_path: Path) -> None:
    table = tmp_path / "subuid"
    table.write_text("alice:100000:65536\nalicex:200000:5\n10001:300000:5\nalice:0:10\nalice:x:y\nalice\n")
    assert ranges("alice", 10001, table) == [range(10001, 10002), range(100000, 165536), range(300000, 300005)]
    assert ranges("alice", 10001, tmp_path / "none") == [range(10001, 10002)]


def test_files_are_removed_without_following_links(uid: int, tmp_path: Path) -> None:
    kept, tmp = tmp_path / "kept", tmp_path / "tmp"
    (tmp / "own/deep").mkdir(parents=True)
    (tmp / "shared").mkdir()
    kept.mkdir()
    for path in (kept / "mine", tmp / "own/deep/a", tmp / "own/b", tmp / "shared/c", tmp / "shared/other"):
        path.write_text("x")
    (tmp / "own/link").symlink_to(kept)
    for path in (kept / "mine", kept, tmp / "own", *(tmp / "own").rglob("*"), tmp / "shared/c"):
        os.chown(path, uid, uid, follow_symlinks=False)
    leftovers.remove_files([range(uid, uid + 1)], (str(tmp), str(tmp_path / "none")))
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "kept",
        "kept/mine",
        "tmp",
        "tmp/shared",
        "tmp/shared/other",
    ]


def test_ipc_of_the_user_only(uid: int) -> None:
    def make(_: socket.socket) -> None:
        become(uid)
        for option in (["-M", "64"], ["-S", "1"], ["-Q"]):
            process.run(["ipcmk", *option])

    child = fork(make)
    os.waitpid(child.pid, 0)
    child.channel.close()
    tables = [leftovers.SYSVIPC / kind for kind in leftovers.KINDS]
    assert [len(leftovers._ipc_ids(t, uid)) for t in tables] == [1, 1, 1]
    leftovers.remove_ipc(uid + 1)
    assert [len(leftovers._ipc_ids(t, uid)) for t in tables] == [1, 1, 1]
    leftovers.remove_ipc(uid)
    assert [len(leftovers._ipc_ids(t, uid)) for t in tables] == [0, 0, 0]
