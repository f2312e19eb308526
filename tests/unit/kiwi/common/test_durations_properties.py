"""Times come back however they are written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kiwi.common import durations


@given(st.integers(0, 10**9))
def test_a_time_comes_back_however_it_is_written(seconds: int) -> None:
    minutes, hours = seconds // 60, seconds // 3600
    written = [
        f"{seconds}",
        f"{minutes}:{seconds % 60}",
        f"{hours}:{minutes % 60:02}:{seconds % 60:02}",
        f"{hours // 24}:{hours % 24}:{minutes % 60}:{seconds % 60}",
    ]
    assert {durations.parse(text) for text in written} == {seconds}


@given(st.integers(0, 10**9))
def test_a_short_time_is_right_to_its_second_unit(seconds: int) -> None:
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    parts = [(int(part[:-1]), units[part[-1]]) for part in durations.short(seconds).split()]
    told = sum(count * unit for count, unit in parts)
    assert told <= seconds < told + parts[-1][1]
