"""Read and write times as users do: `[[D:]H:]M:S` or seconds in, short words out."""

from __future__ import annotations

import re
import time

from kiwi.common.errors import UsageError

FORM = re.compile(r"[0-9]+(:[0-9]+){0,3}", re.ASCII)
UNITS = (1, 60, 3600, 86400)  # seconds in each place, from the right
LIMITS = (60, 60, 24)  # what each place but the first must be below
LONGEST_TEXT = 40
GOOD = "seconds or [[D:]H:]M:S, such as 3600, 30:00 or 1:12:00:00"
CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}", re.ASCII)
MOMENT = "a time that is to come, such as 18:00, 2026-12-01T18:00 or +2:00:00"
CARRY = "at most 59 seconds, 59 minutes and 23 hours in their places, such as 1:12:00:00"


def parse(text: str) -> int:
    """Return the seconds that `text` means. Raise UsageError if it is not a time."""
    if len(text) > LONGEST_TEXT or not FORM.fullmatch(text):
        raise UsageError(key="time", found=text, needs=GOOD)
    parts = [int(p) for p in reversed(text.split(":"))]
    if any(value >= limit for value, limit in zip(parts[:-1], LIMITS)):
        raise UsageError(key="time", found=text, needs=CARRY)
    return sum(value * unit for value, unit in zip(parts, UNITS))


def check(seconds: int, longest: int) -> None:
    """Raise UsageError unless `seconds` is a length that may be booked: 1 to `longest`."""
    if not 1 <= seconds <= longest:
        raise UsageError(key="time", found=seconds, needs=f"1 to {longest} seconds ({short(longest)})")


def short(seconds: float) -> str:
    """Return seconds as a person reads them, in their two largest units: `2d 03h`, `59m 05s`, `7s`."""
    left = max(0, int(seconds))
    days, left = divmod(left, 86400)
    hours, left = divmod(left, 3600)
    minutes, left = divmod(left, 60)
    if days:
        return f"{days}d {hours:02d}h"
    if hours:
        return f"{hours}h {minutes:02d}m"
    return f"{minutes}m {left:02d}s" if minutes else f"{left}s"


def moment(text: str, now: float, key: str = "at") -> float:
    """Return the UTC seconds of a time to come, as this machine's zone has it. Raise UsageError if it is none.

    `HH:MM` is the next such time of the day, `+TIME` so long from `now`; `key` names the option in the error.
    """
    if text.startswith("+"):
        return now + parse(text[1:])
    today = time.localtime(now)
    for days in (0, 1):
        day = time.strftime("%Y-%m-%d", time.localtime(time.mktime((*today[:2], today[2] + days, 12, 0, 0, 0, 0, -1))))
        found = _read_moment(f"{day}T{text}" if CLOCK.fullmatch(text) else text)
        if found is not None and found >= now - 60:
            return found
    raise UsageError(key=key, found=text, needs=MOMENT)


def _read_moment(text: str) -> float | None:
    """Return the UTC seconds of a local time in full, None if it is none, as on the night when the clock is put on."""
    for form in ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"):
        try:
            parts = time.strptime(text.replace(" ", "T", 1), form)
            found = time.mktime((*parts[:8], -1))
        except (ValueError, OverflowError):
            continue
        return found if time.localtime(found)[:6] == parts[:6] else None
    return None


def local(moment: float) -> str:
    """Return UTC seconds as local time with its zone: `2026-11-21 15:00:00 CET`."""
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(moment))
