"""Waiting until a deadline, by a clock that moves only while one sleeps or looks."""

from __future__ import annotations

import math

import pytest

from kiwi.common import waiting
from kiwi.common.errors import UnreachableError


class Clock:
    """Time in seconds; notes each pause."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_is_there_already_costs_no_pause(clock: Clock) -> None:
    assert waiting.until(lambda: "x", 0, clock=clock, sleep=clock.sleep) == "x"
    assert clock.pauses == []


def test_the_first_value_that_is_true(clock: Clock) -> None:
    values = iter([None, "", "x", "y"])
    assert waiting.until(lambda: next(values), 60, pause=0.5, clock=clock, sleep=clock.sleep) == "x"
    assert clock.pauses == [0.5, 0.5]


def test_a_rule_of_ones_own(clock: Clock) -> None:
    values = iter([1, 2, 3])
    assert waiting.until(lambda: next(values), 60, done=lambda v: v > 2, clock=clock, sleep=clock.sleep) == 3


def test_the_deadline_is_met_exactly_with_a_last_look(clock: Clock) -> None:
    seen: list[float] = []
    assert waiting.until(lambda: seen.append(clock.time), 1, pause=0.4, clock=clock, sleep=clock.sleep) is None
    assert seen == pytest.approx([1000, 1000.4, 1000.8, 1001])


def test_no_time_is_one_look(clock: Clock) -> None:
    seen: list[int] = []
    waiting.until(lambda: seen.append(1), 0, clock=clock, sleep=clock.sleep)
    waiting.until(lambda: seen.append(1), -5, clock=clock, sleep=clock.sleep)
    assert (seen, clock.pauses) == ([1, 1], [])


def test_a_slow_look_is_part_of_the_time(clock: Clock) -> None:
    assert not waiting.until(lambda: clock.sleep(7), 10, pause=1, clock=clock, sleep=clock.sleep)
    assert clock.pauses == [7, 1, 7]


def test_pauses_that_grow(clock: Clock) -> None:
    waiting.until(lambda: False, 20, pause=1, growth=2, longest=5, clock=clock, sleep=clock.sleep)
    assert clock.pauses == [1, 2, 4, 5, 5, 3]


def test_late_knows_what_was_seen_last(clock: Clock) -> None:
    values = iter(["cold", "warm"] + ["warmer"] * 9)
    with pytest.raises(UnreachableError, match="still warmer"):
        waiting.until(
            lambda: next(values),
            0.5,
            done=lambda v: v == "hot",
            late=lambda v: UnreachableError(f"still {v}"),
            clock=clock,
            sleep=clock.sleep,
        )


def test_for_ever(clock: Clock) -> None:
    assert waiting.until(lambda: clock.time > 1e6, math.inf, pause=1e5, clock=clock, sleep=clock.sleep)


def test_an_error_ends_the_wait(clock: Clock) -> None:
    def look() -> bool:
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError, match="gone"):
        waiting.until(look, 60, clock=clock, sleep=clock.sleep)
    assert clock.pauses == []
