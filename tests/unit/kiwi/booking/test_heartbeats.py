"""Heartbeats, reports and the file server's clock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.rules import Report
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
        report = Report("lab-1", "free", "boot", cleaned=f"b{number}")
        writer.write(report)
        os.utime(store.root / "nodes/lab-1.json", (number, number))
        assert reader.read(["lab-1"])["lab-1"].report == report


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1}'])
def test_a_torn_report_counts_as_none(store: Store, text: str) -> None:
    heartbeats = Heartbeats(store)
    heartbeats.beat()
    (store.root / "nodes/lab-1.json").write_text(text)
    assert heartbeats.read(["lab-1"]) == {}
