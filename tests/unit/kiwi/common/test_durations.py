"""Times on the command line."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kiwi.common import durations
from kiwi.common.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60), ("0", 0), ("90:00", 5400), ("1:30", 90), ("1:00:00", 3600), ("2:01:00:03", 176403), ("007", 7)],
)
def test_good_times(text: str, seconds: int) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "nan",
        "inf",
        "1e9",
        "1.5",
        " 5",
        "5 ",
        "5\n",
        ":5",
        "5:",
        "1:99",
        "1:60:00",
        "1:24:00:00",
        "1:2:3:4:5",
        "１２",
        "0x10",
        "1_0",
        "9" * 5000,
    ],
)
def test_wrong_times_are_one_message(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        durations.parse(text)
    assert (caught.value.key, caught.value.found) == ("time", text)
    assert caught.value.needs in (durations.GOOD, durations.CARRY)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("seconds", [0, -1, 101, 10**30])
def test_lengths_that_cannot_be_booked(seconds: int) -> None:
    with pytest.raises(UsageError, match=str(seconds)):
        durations.check(seconds, 100)
    durations.check(100, 100)
    durations.check(1, 100)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (59.9, "59s"), (61, "1m 01s"), (3600, "1h 00m"), (90061, "1d 01h")],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert durations.short(seconds) == text


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


NOW = 1795867200.0  # 2026-11-28 13:00 in Berlin


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("13:00", 0),
        ("18:30", 5.5 * 3600),
        ("9:00", 20 * 3600),
        ("12:00", 23 * 3600),
        ("2026-11-28T14:00", 3600),
        ("2026-11-28 14:00:30", 3630),
        ("2027-07-01T13:00", (215 * 24 - 1) * 3600),
        ("+90", 90),
        ("+1:00:00:00", 86400),
    ],
)
def test_moments(berlin: None, text: str, seconds: float) -> None:
    assert durations.moment(text, NOW) - NOW == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25:00",
        "12:60",
        "noon",
        "2026-11-27T18:00",
        "2027-02-30T12:00",
        "2027-03-28T02:30",
        "9999999-01-01T00:00",
        "x" * 99,
    ],
)
def test_what_is_no_moment_to_come(berlin: None, text: str) -> None:
    with pytest.raises(UsageError, match=r"^at: found"):
        durations.moment(text, NOW)


@pytest.mark.parametrize("text", ["+", "+x", "+-5"])
def test_what_is_no_time_from_now_on(text: str) -> None:
    with pytest.raises(UsageError, match=r"^time: found"):
        durations.moment(text, NOW)
