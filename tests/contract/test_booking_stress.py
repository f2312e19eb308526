"""Many processes book, give back and make longer while some of them are killed: their history is one and linear.

What it cannot prove: that a file system of the network keeps link(2) as a local one does. bench/booking does the same
with 100,000 operations.
"""

from __future__ import annotations

from pathlib import Path

from bench import linear, stress


def test_two_thousand_operations_under_kills_are_one_linear_history(tmp_path: Path) -> None:
    found = stress.run(tmp_path / "state", stress.Plan(operations=2000, kills=6.0))
    assert linear.check(found.lines, found.told, found.last, found.now) == []
    assert len(found.told) == 2000
    assert found.killed > 0
    events = {one.event for one in found.told}
    assert {"booked", "released|cancelled"} <= events
    assert found.last["generation"] >= 100, "enough of them changed something"
