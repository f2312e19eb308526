"""Heartbeats, reports and the file server's clock."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.seen import ANY_END, DOWN, Report
from kiwi.booking.store import Store


class Clock:
    """A boot clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = 500.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def store(tmp_path: Path) -> Store:
    Store(tmp_path, "lab-1").create()
    return Store(tmp_path, "lab-1")


def test_report_and_age(store: Store) -> None:
    clock = Clock()
    heartbeats = Heartbeats(store, clock)
    report = Report("lab-1", "booked", "boot", open="a1")
    heartbeats.beat()
    heartbeats.write(report)
    clock.time += 31
    seen = heartbeats.read(["lab-1", "lab-2"])
    assert list(seen) == ["lab-1"]
    assert seen["lab-1"].report == report
    assert seen["lab-1"].age == pytest.approx(31, abs=0.1)


def test_the_servers_time_follows_the_boot_clock_between_beats(store: Store) -> None:
    clock = Clock()
    heartbeats = Heartbeats(store, clock)
    heartbeats.beat()
    beaten = (store.root / "beats/lab-1").stat().st_mtime
    assert heartbeats.now() == beaten
    clock.time += 7.5
    assert heartbeats.now() == beaten + 7.5


def test_a_changed_report_is_read_again(store: Store) -> None:
    writer, reader = Heartbeats(store), Heartbeats(store)
    writer.beat()
    for number in range(5):
        report = Report("lab-1", "free", "boot", cleaned={f"b{number}": 7.25})
        writer.write(report)
        os.utime(store.root / "nodes/lab-1.json", (number, number))
        assert reader.read(["lab-1"])["lab-1"].report == report


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 3}', '{"version": 2}', '{"version": 1}'])
def test_a_torn_report_counts_as_none(store: Store, text: str) -> None:
    heartbeats = Heartbeats(store)
    heartbeats.beat()
    (store.root / "nodes/lab-1.json").write_text(text)
    assert heartbeats.read(["lab-1"]) == {}


@pytest.mark.parametrize(("cleaned", "found"), [({}, {}), ({"a1": 1100.5}, {"a1": ANY_END})])
def test_a_report_of_version_1_confirms_a_booking_whatever_its_end(
    store: Store, cleaned: dict[str, float], found: dict[str, float]
) -> None:
    heartbeats = Heartbeats(store)
    heartbeats.beat()
    heartbeats.write(Report("lab-1", "free", "boot", cleaned=cleaned), version=1)
    raw = json.loads((store.root / "nodes/lab-1.json").read_text())
    assert (raw["version"], raw["cleaned"]) == (1, "a1" if cleaned else None)
    assert heartbeats.read(["lab-1"])["lab-1"].report.cleaned == found


def beat(store: Store, name: str, text: str, age: float = 0.0) -> None:
    """Let a machine's heartbeat be there that says `text`, `age` seconds old."""
    path = store.root / "beats" / name
    path.write_text(text)
    os.utime(path, (path.stat().st_mtime - age,) * 2)


@pytest.mark.parametrize(
    ("text", "age", "knows"),
    [
        pytest.param("2\n", 0, True, id="this version"),
        pytest.param("3\n", 0, True, id="a newer one"),
        pytest.param("", 0, False, id="version 1 writes nothing"),
        pytest.param("1\n", 0, False, id="older"),
        pytest.param("x", 0, False, id="nonsense"),
        pytest.param("\xff", 0, False, id="no text"),
        pytest.param("", DOWN + 5, True, id="old, and not there"),
        pytest.param("", DOWN - 5, False, id="old, and just there"),
    ],
)
def test_which_agents_do_not_know_this_version(store: Store, text: str, age: float, knows: bool) -> None:
    clock = Clock()
    heartbeats = Heartbeats(store, clock)
    heartbeats.beat()
    beat(store, "lab-2", text, age)
    assert heartbeats.outdated() == ([] if knows else ["lab-2"])


def test_an_agent_that_is_brought_up_to_date_says_so(store: Store) -> None:
    beat(store, "lab-1", "")
    heartbeats = Heartbeats(store)
    heartbeats.beat()
    assert (store.root / "beats/lab-1").read_text() == "2\n"
    (store.root / "beats/lab-1").unlink()
    heartbeats.beat()
    assert (store.root / "beats/lab-1").read_text() == "2\n"
