"""The shared state: compare-and-swap between real processes, writers killed half-way, torn files."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from kiwi.booking import store as store_module
from kiwi.booking.codec import NewerError
from kiwi.booking.document import Booking, Document
from kiwi.booking.store import BATCH, LEAST, MOST, Store
from kiwi.common.children import fork
from kiwi.common.errors import KiwiError, UnreachableError


def book(document: Document, name: str, user: str = "alice") -> Document:
    booking = Booking(name, user, 10001, (name,), 1.0, 2.0)
    return document.following({**document.bookings, name: booking})


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    Store(tmp_path, "login").create()
    yield tmp_path


ALL = 10**9  # the journal has the changes of every document


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
    assert len(document.bookings) == 160


def test_the_slower_of_two_writers_sees_the_other(root: Path) -> None:
    rival = Store(root, "rival")
    seen = []

    def change(document: Document) -> Document:
        if not seen:
            rival.update(lambda d: book(d, "lab-1", "rival"))
        seen.append(dict(document.bookings))
        return book(document, "lab-2")

    document = Store(root, "login").update(change)
    assert [list(nodes) for nodes in seen] == [[], ["lab-1"]]
    assert set(document.bookings) == {"lab-1", "lab-2"}


@pytest.mark.parametrize(
    ("where", "booked"), [("written", False), ("linked", True), ("hinted", True)], ids=lambda v: str(v)
)
def test_a_writer_killed_half_way(root: Path, where: str, booked: bool) -> None:
    killed_at(root, where, "lab-1")
    store = Store(root, "login")
    assert ("lab-1" in store.latest().bookings) is booked
    assert set(store.update(lambda d: book(d, "lab-2")).bookings) == ({"lab-1", "lab-2"} if booked else {"lab-2"})
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
        '{"version": 0, "generation": 1, "nodes": {}}',
        '{"version": "3", "generation": 1, "nodes": {}}',
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


def test_what_a_newer_release_wrote_is_refused_in_words_and_nobody_writes_after_it(root: Path) -> None:
    (root / "generations/000000000001.json").write_text('{"version": 3, "generation": 1}')
    for call in (Store(root, "login").latest, lambda: Store(root, "login").update(lambda d: book(d, "lab-1"))):
        with pytest.raises(NewerError, match=r"\(generation 1\) is of version 3; this machine knows 1 to 2"):
            call()
    assert generations(root) == [0, 1]


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


def write(store: Store, *names: str) -> float:
    """Book each of `names` and return the file server's time of the last document."""
    for name in names:
        store.update(lambda d, n=name: book(d, n))  # type: ignore[misc]
    return store.newest().stat().st_ctime


def generations(root: Path) -> list[int]:
    return sorted(int(p.stem) for p in (root / "generations").glob("0*.json"))


def test_prune_keeps_a_day_and_the_newest(root: Path) -> None:
    store = Store(root, "login")
    written = write(store, "lab-1", "lab-2")
    assert store.prune(written + 86000, ALL) == 0
    assert store.prune(written + 2 * 86400, ALL) == 2
    assert generations(root) == [2]
    assert Store(root, "reader").latest().generation == 2


@pytest.mark.parametrize(
    "name", ["x", "000000000003.json.bak", ".nfs0000000000000001", "9.json", "²²²²²²²²²²²².json", "zzz/", "core"]
)
def test_a_stray_name_costs_no_document(root: Path, name: str) -> None:
    store = Store(root, "login")
    written = write(store, "lab-1", "lab-2")
    stray = root / "generations" / name
    stray.mkdir() if name.endswith("/") else stray.write_text("x")
    store.prune(written + 2 * 86400, ALL)
    (root / "CURRENT").unlink()
    assert generations(root) == [2]
    assert stray.exists()
    assert Store(root, "reader").latest().generation == 2


def test_a_hint_that_is_no_link_misleads_nobody(root: Path) -> None:
    write(Store(root, "login"), "lab-1")
    (root / "CURRENT").unlink()
    (root / "CURRENT").write_text("x")
    assert Store(root, "reader").latest().generation == 1


def test_a_user_who_books_and_gives_back_in_a_loop_does_not_fill_the_share(root: Path) -> None:
    store = Store(root, "login")
    written = write(store, *[f"lab-{n}" for n in range(MOST + 50)])
    assert store.prune(written + LEAST / 2, ALL) == 0, "a writer that still may link must find no free number"
    while store.prune(written + LEAST + 1, ALL):
        pass
    assert len(generations(root)) == MOST
    assert generations(root)[-1] == MOST + 50


def test_one_prune_takes_a_bounded_time(root: Path) -> None:
    store = Store(root, "login")
    written = write(store, *[f"lab-{n}" for n in range(BATCH + 20)])
    assert store.prune(written + 2 * 86400, ALL) == BATCH
    assert store.prune(written + 2 * 86400, ALL) == 20


def test_a_document_is_kept_from_when_the_next_one_replaced_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST", 1)
    store = Store(root, "login")
    written = write(store, "lab-1", "lab-2")
    times = {0: written - 9000, 1: written - 9000}  # old, as a partition's that nobody used; 2 is new

    monkeypatch.setattr(Store, "since", lambda _, number: times.get(number, written))
    assert store.prune(written + 10, ALL) == 1
    assert generations(root) == [1, 2], "a writer may have read 1 a moment ago"


def test_prune_leaves_no_hole_where_one_cannot_be_removed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(root, "login")
    written = write(store, "lab-1", "lab-2", "lab-3")
    real = Path.unlink

    def broken(path: Path, missing_ok: bool = False) -> None:
        if path.name == "000000000001.json":
            raise OSError(5, "Input/output error")
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", broken)
    with pytest.raises(OSError, match="Input/output"):
        store.prune(written + 2 * 86400, ALL)
    assert generations(root) == [1, 2, 3]


def test_left_drafts_go(root: Path) -> None:
    killed_at(root, "written", "lab-1")
    (left,) = (root / "tmp").iterdir()
    (root / "tmp/stray").mkdir()
    store = Store(root, "login")
    assert store.prune(left.stat().st_ctime + LEAST - 1, ALL) == 0
    assert store.prune(left.stat().st_ctime + LEAST + 1, ALL) == 1
    assert os.listdir(root / "tmp") == ["stray"]


def stopped_before_its_link(root: Path, meanwhile: Callable[[], None]) -> Store:
    """Return a writer that stands still between its last look at the clock and its link, for `meanwhile`."""
    late = Store(root, "late")
    late.latest()
    real = os.link

    def link(source: Path, target: Path) -> None:
        os.link = real  # type: ignore[assignment]
        meanwhile()
        real(source, target)

    os.link = link  # type: ignore[assignment]
    return late


def test_a_writer_that_slept_past_all_limits_wins_no_freed_number(root: Path) -> None:
    """Its draft is kept here, as where the server's clock is stepped: the number itself must not be won."""
    other = Store(root, "login")

    def meanwhile() -> None:
        written = write(other, "lab-1", "lab-2", "lab-3")
        drafts = {p: p.read_bytes() for p in (root / "tmp").iterdir()}
        other.prune(written + 2 * 86400, ALL)
        for path, content in drafts.items():
            path.write_bytes(content)

    late = stopped_before_its_link(root, meanwhile)
    with pytest.raises(UnreachableError, match="given up"):
        late.update(lambda d: book(d, "lab-1", "mallory"))
    assert generations(root) == [3]
    assert os.readlink(root / "CURRENT") == "generations/000000000003.json"
    assert late.latest() == other.latest()
    assert other.latest().bookings["lab-1"].user == "alice"


def test_a_writer_that_slept_past_all_limits_has_no_draft(root: Path) -> None:
    def meanwhile() -> None:
        written = write(Store(root, "login"), "lab-1", "lab-2", "lab-3")
        Store(root, "login").prune(written + 2 * 86400, ALL)

    with pytest.raises(FileNotFoundError):
        stopped_before_its_link(root, meanwhile).update(lambda d: book(d, "lab-1", "mallory"))
    assert generations(root) == [3]


def test_a_writer_that_sleeps_after_its_link_loses_nothing(root: Path) -> None:
    other = Store(root, "login")

    def step(reached: str) -> None:
        if reached == "linked" and len(generations(root)) == 2:
            other.prune(other.newest().stat().st_ctime + 2 * 86400, ALL)

    Store(root, "late", step=step).update(lambda d: book(d, "lab-1"))
    assert generations(root) == [1]
    assert "lab-1" in Store(root, "reader").latest().bookings


def test_what_a_stale_writer_left_when_it_was_killed_is_nobodys_newest(root: Path) -> None:
    store = Store(root, "login")
    written = write(store, *[f"lab-{n}" for n in range(5)])
    store.prune(written + 2 * 86400, ALL)
    (root / "generations/000000000001.json").write_bytes(store.newest().read_bytes())  # below a hole
    (root / "CURRENT").unlink()
    assert Store(root, "reader").latest().generation == 5
    assert store.prune(written + 2 * 86400, ALL) == 1
    assert generations(root) == [5]


def test_no_document_goes_before_the_journal_has_its_changes(root: Path) -> None:
    store = Store(root, "login")
    written = write(store, "lab-1", "lab-2", "lab-3")
    assert store.prune(written + 2 * 86400, -1) == 0
    assert store.prune(written + 2 * 86400, 1) == 2
    assert generations(root) == [2, 3]
