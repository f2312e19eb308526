"""Words of strangers are shown as one line that does nothing to a terminal."""

from __future__ import annotations

import pytest

from kiwi.common.words import LONGEST, one_line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the fan\n  is \t loud ", "the fan is loud"),
        ("x\ncpu-2 is down", "x cpu-2 is down"),
        ("\x1b[2J\x9b31mred\x07\x00\u202e", "[2J 31mred"),
        ("für \ufffd", "für \ufffd"),
        ("", ""),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert one_line(text) == expected


def test_it_is_bounded() -> None:
    assert len(one_line("x" * 100000)) == LONGEST
