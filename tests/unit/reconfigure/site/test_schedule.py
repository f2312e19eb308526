"""Which entry of a schedule holds."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from reconfigure.site import data as site_data
from reconfigure.site import schedule

BERLIN = ZoneInfo("Europe/Berlin")
ENTRIES = [
    {"at": "Mon-Fri 08:00", "min_nodes": 6},
    {"at": "18:00", "min_nodes": 1},
    {"at": "Sat,Sun 10:00", "min_nodes": 2},
]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-27T07:59", 1),  # a Friday: since Thursday 18:00
        ("2026-11-27T08:00", 6),
        ("2026-11-27T17:59", 6),
        ("2026-11-27T18:00", 1),
        ("2026-11-28T09:59", 1),
        ("2026-11-28T10:00", 2),
        ("2026-11-30T08:00", 6),
        ("2026-07-06T08:00", 6),  # summer time
        ("2026-07-06T07:59", 1),
    ],
)
def test_the_last_hour_that_came_holds(moment: str, expected: int) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=BERLIN).timestamp()
    assert schedule.number(ENTRIES, 9, now, BERLIN) == expected


def test_an_entry_of_one_day_holds_for_a_week() -> None:
    now = datetime(2026, 11, 29, 7, tzinfo=BERLIN).timestamp()
    assert schedule.number([{"at": "Sun 08:00", "min_nodes": 3}], 9, now, BERLIN) == 3
    assert schedule.number([], 9, now, BERLIN) == 9


def test_days_go_over_the_end_of_the_week() -> None:
    saturday = datetime(2026, 11, 28, 12, tzinfo=BERLIN).timestamp()
    entries = [{"at": "Fri-Mon 08:00", "min_nodes": 3}, {"at": "Tue-Thu 08:00", "min_nodes": 4}]
    assert schedule.number(entries, 9, saturday, BERLIN) == 3


@pytest.mark.parametrize("text", ["8:00", "24:00", "Mon 8", "mon 08:00", "Mon- 08:00", "Mon-Fri  08:00", "Mon,08:00"])
def test_what_is_no_hour_is_refused(text: str) -> None:
    assert not re.match(schedule.AT, text)


def test_the_words_of_the_examples_are_hours() -> None:
    assert all(re.match(schedule.AT, str(entry["at"])) for entry in ENTRIES)
    assert schedule.is_zone("")
    assert schedule.is_zone("Europe/Berlin")
    assert not schedule.is_zone("Berlin")


def test_min_nodes_is_what_the_schedule_says() -> None:
    data = dict(site_data.load(None).data)
    parts = [{**data["partitions"][0], "schedule": ENTRIES, "max_nodes": 8}]
    now = datetime(2026, 11, 27, 9, tzinfo=BERLIN).timestamp()
    found = site_data.freeze({**data, "partitions": parts, "time_zone": "Europe/Berlin"}, now)
    assert found.partitions[0].min_nodes == 6
    assert found.data["partitions"][0]["min_nodes"] == 1
