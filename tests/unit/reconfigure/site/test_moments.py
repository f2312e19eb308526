"""Moments as people write them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from kiwi.common.errors import UsageError
from reconfigure.site import moments

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 28, 12, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18:00", datetime(2026, 11, 28, 18, 0, tzinfo=BERLIN)),
        ("12:30", datetime(2026, 11, 29, 12, 30, tzinfo=BERLIN)),
        ("08:00", datetime(2026, 11, 29, 8, 0, tzinfo=BERLIN)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=BERLIN)),
        ("2026-12-01T08:15", datetime(2026, 12, 1, 8, 15, tzinfo=BERLIN)),
        ("2027-07-01T08:15:30", datetime(2027, 7, 1, 8, 15, 30, tzinfo=BERLIN)),
    ],
)
def test_when(text: str, expected: datetime) -> None:
    assert moments.parse(text, NOW.timestamp(), BERLIN) == expected.timestamp()


@pytest.mark.parametrize("text", ["", "25:00", "18:00:00", "2026-11-28", "2020-01-01T00:00", "tomorrow", "3600"])
def test_what_is_none_or_over_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a moment to come"):
        moments.parse(text, NOW.timestamp(), BERLIN)
