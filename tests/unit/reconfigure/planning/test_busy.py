"""Nodes that a batch brings up: nothing is decided about them, and their wishes wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconfigure.planning import plan, repair
from reconfigure.planning.actions import Do
from tests.unit.reconfigure.planning.test_plan import NODESET, OFF, POWERING, observed, shown

COMING = replace(observed("login", "cpu-2", new=("cpu-2",), states={"cpu-2": POWERING}), busy=frozenset({"cpu-2"}))
GOING = "IDLE+CLOUD+POWERING_DOWN"
QUEUED = {"queued": ("cpu-2",)}
ASKED = {"create": ("cpu-3",), "configure": ("cpu-3",)}


def slurm_has(state: str) -> object:
    found = observed("login", "cpu-2", new=("cpu-2",), states={"cpu-2": state})
    return replace(COMING, slurm=found.slurm)


@pytest.mark.parametrize(
    ("wishes", "seen", "expected"),
    [
        pytest.param({}, COMING, {}, id="nobody asks: it is left to its batch"),
        pytest.param({"cpu-2": "resume"}, COMING, QUEUED, id="a resume waits"),
        pytest.param({"cpu-2": "reboot"}, COMING, QUEUED, id="a reboot waits"),
        pytest.param({"cpu-2": "resume", "cpu-3": "resume"}, COMING, QUEUED | ASKED, id="others do not wait"),
        pytest.param({"cpu-2": "suspend"}, COMING, QUEUED, id="a suspend from before Slurm wanted it up"),
        pytest.param({"cpu-2": "suspend"}, slurm_has(GOING), QUEUED | {"dropped": ("cpu-2",)}, id="a suspend"),
        pytest.param({"cpu-2": "resume_fail"}, slurm_has("DOWN+CLOUD"), QUEUED | {"dropped": ("cpu-2",)}, id="late"),
        pytest.param({"cpu-2": "suspend"}, replace(COMING, slurm=None), QUEUED, id="a suspend while Slurm is silent"),
    ],
)
def test_a_wish_waits_for_the_end_of_the_bring_up(wishes: dict[str, str], seen: object, expected: object) -> None:
    assert shown(plan.plan(NODESET, seen, wishes)) == expected  # type: ignore[arg-type]


def test_afterwards_it_is_followed() -> None:
    seen = replace(slurm_has(GOING), busy=frozenset())  # type: ignore[type-var]
    assert plan.plan(NODESET, seen, {"cpu-2": "suspend"}).of(Do.DESTROY) == ("cpu-2",)  # type: ignore[arg-type]


def test_nobody_mends_it_meanwhile() -> None:
    """Not what was made and is not configured, nor what Slurm has powered down while it comes up by hand."""
    for state in (POWERING, OFF, "DOWN+CLOUD"):
        assert not repair.sync(NODESET, slurm_has(state), {"login", "cpu-2"}, alone=True).changes  # type: ignore[arg-type]
    assert repair.strays(slurm_has(OFF), ()) == frozenset()  # type: ignore[arg-type]
