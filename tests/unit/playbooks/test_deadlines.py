"""No play waits for ever: each of its tasks has a deadline, which the play gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
PLAYS = [
    pytest.param(play, id=f"{path.stem}: {play['name']}")
    for path in sorted(PLAYBOOKS.glob("*.yml"))
    for play in yaml.safe_load(path.read_text())
    if "hosts" in play
]


@pytest.mark.parametrize("play", PLAYS)
def test_every_play_has_a_deadline(play: dict[str, object]) -> None:
    """A machine that hung in any but node.yml held bin/up for ever."""
    assert isinstance(play.get("timeout"), int) and play["timeout"]
