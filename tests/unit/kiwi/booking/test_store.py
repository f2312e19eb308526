"""The shared state: compare-and-swap between real processes, writers killed half-way, torn files."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi.booking.rules import Booking, Document
from kiwi.booking.store import Store
from kiwi.common.children import fork
from kiwi.common.errors import KiwiError, UnreachableError


def book(document: Document, name: str, user: str = "alice") -> Document:
    return Document(document.generation + 1, {**document.nodes, name: Booking(user, user, 10001, 1.0, 2.0)})


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    Store(tmp_path, "login").create()
    yield tmp_path


def killed_at(root: Path, where: str, name: str) -> None:
    """Let a writer book `name` and die of KILL at the step `where`."""

    def step(reached: str) -> None:
        if reached == where:
            os.kill(os.getpid(), signal.SIGKILL)

    def body(_: socket.socket) -> None:
        Store(root, "victim", step=step).update(lambda d: book(d, name))

    child = fork(body)
    _, status = os.waitpid(child.pid, 0)
    child.channel.close()
    assert os.WTERMSIG(status) == signal.SIGKILL


def test_layout_and_modes(root: Path) -> None:
    Store(root, "login").update(lambda d: book(d, "lab-1"))
    assert sorted(p.name for p in (root / "generations").iterdir()) == ["000000000000.json", "000000000001.json"]
    assert os.readlink(root / "CURRENT") == "generations/000000000001.json"
    assert (root / "generations/000000000001.json").stat().st_mode & 0o777 == 0o600
    assert not list((root / "tmp").iterdir())


def test_create_again_changes_nothing(root: Path) -> None:
    Store(root, "login").update(lambda d: book(d, "lab-1"))
    Store(root, "other").create()
    assert Store(root, "other").latest().generation == 1


def test_sixteen_processes_lose_no_booking(root: Path) -> None:
    def body(channel: socket.socket) -> None:
        writer = int(channel.recv(9))
        store = Store(root, f"w{writer}")
        for number in range(10):
            store.update(lambda d, n=f"lab-{writer}-{number}": book(d, n))  # type: ignore[misc]

    children = [fork(body) for _ in range(16)]
    for number, child in enumerate(children):
        child.channel.sendall(str(number).encode())
    assert [os.waitpid(c.pid, 0)[1] for c in children] == [0] * 16
    for child in children:
        child.channel.close()
    document = Store(root, "reader").latest()
    assert document.generation == 160
    assert len(document.nodes) == 160


def test_the_slower_of_two_writers_sees_the_other(root: Path) -> None:
    rival = Store(root, "rival")
    seen = []

    def change(document: Document) -> Document:
        if not seen:
            rival.update(lambda d: book(d, "lab-1", "rival"))
        seen.append(dict(document.nodes))
        return book(document, "lab-2")

    document = Store(root, "login").update(change)
    assert [list(nodes) for nodes in seen] == [[], ["lab-1"]]
    assert set(document.nodes) == {"lab-1", "lab-2"}


@pytest.mark.parametrize(
    ("where", "booked"), [("written", False), ("linked", True), ("hinted", True)], ids=lambda v: str(v)
)
def test_a_writer_killed_half_way(root: Path, where: str, booked: bool) -> None:
    killed_at(root, where, "lab-1")
    store = Store(root, "login")
    assert ("lab-1" in store.latest().nodes) is booked
    assert set(store.update(lambda d: book(d, "lab-2")).nodes) == ({"lab-1", "lab-2"} if booked else {"lab-2"})
    assert Store(root, "fresh").latest() == store.latest()


def test_a_left_temporary_name_is_never_written_through(root: Path) -> None:
    killed_at(root, "linked", "lab-1")
    before = (root / "generations/000000000001.json").read_bytes()
    for number in range(5):
        Store(root, "victim").update(lambda d, n=f"lab-9{number}": book(d, n))  # type: ignore[misc]
    assert (root / "generations/000000000001.json").read_bytes() == before


def test_a_lost_reply_is_settled_by_the_link_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.link

    def lossy(source: Path, target: Path) -> None:
        real(source, target)
        raise FileExistsError(17, "the server did it; the answer was lost and the client asked again")

    monkeypatch.setattr(os, "link", lossy)
    document = Store(root, "login").update(lambda d: book(d, "lab-1"))
    monkeypatch.undo()
    assert document.generation == 1
    assert Store(root, "reader").latest() == document


def test_an_error_of_the_share_is_not_a_lost_race(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(source: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(OSError, match="Input/output"):
        Store(root, "login").update(lambda d: book(d, "lab-1"))
    assert not list((root / "tmp").iterdir())


def test_a_writer_older_than_a_minute_gives_up(root: Path) -> None:
    ticks = iter([0.0, 61.0])
    with pytest.raises(UnreachableError, match="over a minute"):
        Store(root, "slow", monotonic=lambda: next(ticks)).update(lambda d: book(d, "lab-1"))
    assert Store(root, "login").latest().generation == 0


@pytest.mark.parametrize("hint", [None, "generations/000000000000.json", "generations/000000000099.json", "x/y"])
def test_a_wrong_hint_misleads_nobody(root: Path, hint: str | None) -> None:
    for name in ("lab-1", "lab-2", "lab-3"):
        Store(root, "login").update(lambda d, n=name: book(d, n))  # type: ignore[misc]
    (root / "CURRENT").unlink()
    if hint:
        (root / "CURRENT").symlink_to(hint)
    assert Store(root, "reader").latest().generation == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"version": 1}',
        '{"version": 2, "generation": 1, "nodes": {}}',
        "[]",
        '{"version": 1, "generation": 7, "nodes": {}}',
        '{"version": 1, "generation": 1, "nodes": {"lab-1": {}}}',
    ],
)
def test_a_torn_document_is_an_error_and_nobody_writes_after_it(root: Path, text: str) -> None:
    (root / "generations/000000000001.json").write_text(text)
    with pytest.raises(KiwiError, match="damaged"):
        Store(root, "login").latest()
    with pytest.raises(KiwiError, match="damaged"):
        Store(root, "login").update(lambda d: book(d, "lab-1"))


def test_a_share_that_is_not_mounted(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no booking state"):
        Store(tmp_path, "lab-1").latest()


def test_a_sleeper_does_not_take_an_old_generation_for_the_newest(root: Path) -> None:
    sleeper, store = Store(root, "sleeper"), Store(root, "login")
    sleeper.latest()
    for name in ("lab-1", "lab-2", "lab-3"):
        store.update(lambda d, n=name: book(d, n))  # type: ignore[misc]
    for old in sorted((root / "generations").iterdir())[:-1]:
        old.unlink()
    assert sleeper.latest().generation == 3


def test_prune_keeps_a_day_and_the_newest(root: Path) -> None:
    store = Store(root, "login")
    for name in ("lab-1", "lab-2"):
        store.update(lambda d, n=name: book(d, n))  # type: ignore[misc]
    (root / "tmp/left").write_text("x")
    written = (root / "generations/000000000002.json").stat().st_mtime
    assert store.prune(written + 86000) == 0
    assert store.prune(written + 2 * 86400) == 3
    assert Store(root, "reader").latest().generation == 2
