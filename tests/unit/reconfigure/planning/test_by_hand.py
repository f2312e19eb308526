"""Decisions about what a person asks for: Slurm has to be told."""

from __future__ import annotations

import pytest

from reconfigure.planning import plan
from reconfigure.planning.observed import Observed
from tests.unit.reconfigure.planning.test_plan import NODESET, OFF, UP, observed, shown


@pytest.mark.parametrize(
    ("wishes", "seen", "expected"),
    [
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", states={"cpu-2": OFF}),
            {"create": ("cpu-2",), "configure": ("cpu-2",), "power_up": ("cpu-2",)},
            id="resume",
        ),
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", "cpu-2", states={"cpu-2": OFF}),
            {"register": ("cpu-2",), "power_up": ("cpu-2",)},
            id="resume of one that runs though Slurm has it powered down",
        ),
        pytest.param(
            {"cpu-2": "suspend"},
            observed("login", "cpu-2", states={"cpu-2": UP}),
            {"destroy": ("cpu-2",), "suspend": ("cpu-2",)},
            id="suspend",
        ),
        pytest.param(
            {"cpu-2": "suspend"},
            observed("login", "cpu-2", states={"cpu-2": "IDLE+CLOUD+POWERING_DOWN"}),
            {"destroy": ("cpu-2",)},
            id="suspend that Slurm knows of",
        ),
    ],
)
def test_by_hand_slurm_is_told(wishes: dict[str, str], seen: Observed, expected: dict[str, object]) -> None:
    assert shown(plan.plan(NODESET, seen, wishes, by_hand=True)) == expected
