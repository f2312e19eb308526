"""Who holds which node, as the login node's agent tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconfigure.cluster import bookings

ROW = {"node": "lab-1", "holder": None, "until": None}
LATER = {"next_holder": "bob", "next_start": 1795867200.0, "next_until": 1795870800.0}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kiwi.common.durations.local", lambda moment: f"{moment:.0f}")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        pytest.param({}, None, id="free, by an older agent"),
        pytest.param({"next_holder": None}, None, id="free"),
        pytest.param({"holder": "alice", "until": 7.0}, "alice has booked it until 7", id="held"),
        pytest.param({"holder": "alice", "until": 7.0, **LATER}, "alice has booked it until 7", id="held, and later"),
        pytest.param(LATER, "bob has booked it from 1795867200 until 1795870800", id="later"),
        pytest.param({"holder": "x\ny", "until": -1}, "somebody has booked it", id="nonsense"),
        pytest.param(
            {**LATER, "next_holder": 7, "next_start": 1e99}, "somebody has booked it until 1795870800", id="more"
        ),
    ],
)
def test_sentences(row: dict[str, Any], sentence: str | None) -> None:
    assert bookings.parse(json.dumps([{**ROW, **row}])) == ({"lab-1": sentence} if sentence else {})
