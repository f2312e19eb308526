"""Times on the command line."""

from __future__ import annotations

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
