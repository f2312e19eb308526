"""Moments as people write them, such as 18:00 or 2026-12-01T08:00, in the time zone of the site."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from kiwi.common.errors import UsageError

GOOD = "a moment to come: HH:MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM, such as 18:00 or 2026-12-01T08:00"
HOUR = "%H:%M"
DATES = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d")


def parse(text: str, now: float, zone: tzinfo | None = None) -> float:
    """Return the moment that `text` means, in unix seconds; an hour alone is the next one after `now`.

    `zone` is that of the words (None: this host's). Raise UsageError if it is none, or not to come.
    """
    today = datetime.fromtimestamp(now, zone)
    if (found := _read(text, HOUR)) is not None:
        at = today.replace(hour=found.hour, minute=found.minute, second=0, microsecond=0)
        days = 0 if at.timestamp() > now else 1
        return (at + timedelta(days=days)).timestamp()
    for form in DATES:
        if (found := _read(text, form)) is not None and found.replace(tzinfo=zone).timestamp() > now:
            return found.replace(tzinfo=zone).timestamp()
    raise UsageError(key="time", found=text, needs=GOOD)


def _read(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None
