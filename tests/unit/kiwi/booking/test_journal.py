"""The history of a partition: by month, in order, each change once, whoever is killed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiwi.booking import journal
from kiwi.booking.document import Booking, Change, Document
from kiwi.booking.journal import Journal
from kiwi.booking.store import Store

NOVEMBER, DECEMBER = 1795866626.0, 1796866626.0  # 2026-11-28, 2026-12-10


def book(document: Document, name: str) -> Document:
    booking = Booking(name, "alice", 10001, (name,), 1.0, 2.0)
    return document.following({**document.bookings, name: booking}, Change("booked", booking))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path, "login")
    made.create()
    return made


def write(store: Store, *names: str) -> None:
    for name in names:
        store.update(lambda d, n=name: book(d, n))  # type: ignore[misc]


def test_lines_are_kept_by_month(store: Store) -> None:
    Journal(store.root, "lab-1").append([{"time": DECEMBER, "event": "free"}, {"time": NOVEMBER, "event": "booked"}])
    found = {p.relative_to(store.root / "journal").as_posix() for p in (store.root / "journal").rglob("*.jsonl")}
    assert found == {"2026-11/lab-1.jsonl", "2026-12/lab-1.jsonl"}
    assert [line["event"] for line in journal.read(store.root)] == ["booked", "free"]


def test_the_changes_of_all_documents_are_there_once(store: Store) -> None:
    write(store, "lab-1", "lab-2")
    store.update(lambda d: d.following(d.bookings))
    history = Journal(store.root, "login")
    assert journal.note(store, history, "lab", history.last_generation()) == 3
    write(store, "lab-3")
    assert Journal(store.root, "login").last_generation() == 3, "also after a restart"
    assert journal.note(store, history, "lab", 3) == 4
    assert journal.note(store, history, "lab", 4) == 4
    found = journal.read(store.root)
    assert [(line["generation"], line["event"]) for line in found] == [
        (0, "nothing"),
        (1, "booked"),
        (2, "booked"),
        (3, "nothing"),
        (4, "booked"),
    ]
    assert found[1].keys() >= {"booking", "user", "uid", "nodes", "start", "until", "made", "kind", "with", "note"}
    assert (found[1]["partition"], found[1]["version"]) == ("lab", 2)


def test_one_that_was_killed_before_it_knew_writes_nothing_twice(store: Store) -> None:
    """Two machines, or one that was killed between writing and going on: readers have each change once."""
    write(store, "lab-1")
    for writer in ("login", "other"):
        journal.note(store, Journal(store.root, writer), "lab", -1)
    assert [line["event"] for line in journal.read(store.root)] == ["nothing", "booked"]


def test_a_torn_line_costs_no_other(store: Store) -> None:
    history = Journal(store.root, "login")
    history.append([{"time": NOVEMBER, "event": "booked", "generation": 7, "booking": "a"}])
    path = store.root / "journal/2026-11/login.jsonl"
    path.write_text(path.read_text() + '{"time": 1, "event": "boo')
    assert history.last_generation() == 7
    history.append([{"time": NOVEMBER, "event": "released", "generation": 8, "booking": "a"}])
    assert [line["event"] for line in journal.read(store.root)] == ["booked", "released"]
    assert history.last_generation() == 8


def test_a_month_is_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LIMIT", 100)
    history = Journal(store.root, "login")
    for number in range(20):
        history.append([{"time": NOVEMBER, "event": "booked", "generation": number, "booking": "a"}])
    sizes = {p.name: p.stat().st_size for p in (store.root / "journal/2026-11").iterdir()}
    assert sizes.keys() == {"login.jsonl", "login.jsonl.1"}
    assert max(sizes.values()) < 300
    assert history.last_generation() == 19


def test_the_newest_generation_is_found_in_the_month_before(store: Store) -> None:
    history = Journal(store.root, "login")
    history.append([{"time": NOVEMBER, "event": "booked", "generation": 7, "booking": "a"}])
    history.append([{"time": DECEMBER, "event": "free", "node": "lab-1"}])
    assert history.last_generation() == 7
    assert Journal(store.root, "lab-1").last_generation() == -1


def test_what_is_old_goes_and_what_is_not_ours_stays(store: Store) -> None:
    history = Journal(store.root, "login")
    moments = [NOVEMBER - 31 * 86400 * number for number in range(6)]
    history.append({"time": moment, "event": "free"} for moment in moments)
    (store.root / "journal/notes").mkdir()
    assert history.prune(NOVEMBER, months=2) == 3
    assert sorted(p.name for p in (store.root / "journal").iterdir()) == ["2026-09", "2026-10", "2026-11", "notes"]
    assert history.prune(NOVEMBER, months=2) == 0


def test_what_version_1_left_is_read(store: Store) -> None:
    line = {"version": 1, "time": 5.0, "event": "booked", "booking": "a", "generation": 3}
    (store.root / "journal/login.jsonl").write_text(json.dumps(line) + "\n")
    (store.root / "journal/login.jsonl.1").write_text(json.dumps({**line, "time": 4.0, "generation": 2}) + "\n")
    assert [line["generation"] for line in journal.read(store.root)] == [2, 3]
