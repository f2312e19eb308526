"""What a program prints is read whatever its bytes and whatever the locale."""

from __future__ import annotations

import os

import pytest

from kiwi.common import process


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "nowhere"])
def test_bytes_that_are_no_utf8_stop_nothing(monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    assert process.run(["printf", r"caf\xe9 \xc3\xa9"]).out == "caf\ufffd é"
    with process.start(["printf", r"\xe9\n"], env=dict(os.environ)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "\ufffd\n"
