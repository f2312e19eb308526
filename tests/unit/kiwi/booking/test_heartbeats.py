"""Heartbeats, reports and the file server's clock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.booking.heartbeats import Reports
from kiwi.booking.rules import Report
from kiwi.booking.store import State


class Clock:
    """A boot clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = 500.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def state(tmp_path: Path) -> State:
    State(tmp_path, "lab-1").create()
    return State(tmp_path, "lab-1")


def test_report_and_age(state: State) -> None:
    clock = Clock()
    reports = Reports(state, clock)
    report = Report("lab-1", "booked", "boot", open="a1")
    reports.beat()
    reports.write(report)
    clock.time += 31
    seen = reports.read(["lab-1", "lab-2"])
    assert list(seen) == ["lab-1"]
    assert seen["lab-1"].report == report
    assert seen["lab-1"].age == pytest.approx(31, abs=0.1)


def test_the_servers_time_follows_the_boot_clock_between_beats(state: State) -> None:
    clock = Clock()
    reports = Reports(state, clock)
    reports.beat()
    beaten = (state.root / "beats/lab-1").stat().st_mtime
    assert reports.now() == beaten
    clock.time += 7.5
    assert reports.now() == beaten + 7.5


def test_a_changed_report_is_read_again(state: State) -> None:
    writer, reader = Reports(state), Reports(state)
    writer.beat()
    for number in range(5):
        report = Report("lab-1", "free", "boot", cleaned=f"b{number}")
        writer.write(report)
        os.utime(state.root / "nodes/lab-1.json", (number, number))
        assert reader.read(["lab-1"])["lab-1"].report == report


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1}'])
def test_a_torn_report_counts_as_none(state: State, text: str) -> None:
    reports = Reports(state)
    reports.beat()
    (state.root / "nodes/lab-1.json").write_text(text)
    assert reports.read(["lab-1"]) == {}
