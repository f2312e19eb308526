"""Other `min_nodes` at given hours: `schedule` of a partition. Pure.

An entry holds from its hour on, on each of its days (all, if it names none), until another one's hour comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from datetime import time as hour_of_day
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = f"({'|'.join(DAYS)})"
_SPAN = f"{_DAY}(-{_DAY})?"
AT = rf"^({_SPAN}(,{_SPAN})* )?([01][0-9]|2[0-3]):[0-5][0-9]$"
WEEK = 7  # days


def is_zone(name: str) -> bool:
    """Return whether a name is that of a time zone, or empty."""
    return not name or name in available_timezones()


def zone_of(name: str) -> tzinfo | None:
    """Return the time zone of that name; None, which is this host's, if it is empty."""
    return ZoneInfo(name) if name else None


def number(entries: Sequence[Mapping[str, Any]], otherwise: int, now: float, zone: tzinfo | None) -> int:
    """Return `min_nodes` of the entry that holds at `now` (unix s); `otherwise` if there is none."""
    today = datetime.fromtimestamp(now, zone).date()
    for back in range(WEEK + 1):
        day = today - timedelta(days=back)
        begun = [(at, n) for n, entry in enumerate(entries) if (at := _begin(entry["at"], day, zone)) and at <= now]
        if begun:
            return int(entries[max(begun)[1]]["min_nodes"])
    return otherwise


def _begin(text: str, day: date, zone: tzinfo | None) -> float | None:
    """Return when an entry begins to hold on a day, in unix seconds; None if that is not one of its days."""
    days, _, clock = text.rpartition(" ")
    if days and day.weekday() not in _days(days):
        return None
    return datetime.combine(day, hour_of_day.fromisoformat(clock), tzinfo=zone).timestamp()


def _days(text: str) -> set[int]:
    """Return the days of the week that `text` names, Monday being 0; Fri-Mon goes over the end of the week."""
    found: set[int] = set()
    for span in text.split(","):
        first, _, last = span.partition("-")
        begin = DAYS.index(first)
        found |= {(begin + n) % WEEK for n in range((DAYS.index(last or first) - begin) % WEEK + 1)}
    return found
