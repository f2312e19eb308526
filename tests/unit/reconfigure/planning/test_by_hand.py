"""Decisions about what a person asks for: Slurm has to be told."""

from __future__ import annotations

import pytest

from reconfigure.planning import plan
from reconfigure.planning.actions import Do
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
        pytest.param(
            {"cpu-2": "resume"}, observed("login", "cpu-2", states={"cpu-2": UP}), {}, id="resume of one that is up"
        ),
    ],
)
def test_by_hand_slurm_is_told(wishes: dict[str, str], seen: Observed, expected: dict[str, object]) -> None:
    assert shown(plan.plan(NODESET, seen, wishes, by_hand=True)) == expected


def test_a_forced_suspend_does_not_wait_for_the_job() -> None:
    """`suspend` waits for the end of what runs; a person said that it may be lost."""
    seen = observed("login", "cpu-2", states={"cpu-2": "MIXED+CLOUD"})
    found = plan.plan(NODESET, seen, {"cpu-2": "suspend"}, by_hand=True, force=True)
    assert (found.of(Do.DESTROY), found.of(Do.POWER_DOWN), found.of(Do.SUSPEND)) == (("cpu-2",), ("cpu-2",), ())


@pytest.mark.parametrize(
    ("kind", "there", "by_hand", "do", "why"),
    [
        ("resume", False, True, Do.CREATE, "asked for by hand"),
        ("resume", False, False, Do.CREATE, plan.ASKED),
        ("suspend", True, True, Do.DESTROY, "asked to be removed"),
        ("suspend", True, False, Do.DESTROY, "asked to be removed"),
        ("resume_fail", True, False, Do.DESTROY, "it did not come up within ResumeTimeout"),
    ],
)
def test_the_reason_says_who_asked(kind: str, there: bool, by_hand: bool, do: Do, why: str) -> None:
    seen = observed("login", *(["cpu-2"] if there else []))
    assert plan.plan(NODESET, seen, {"cpu-2": kind}, by_hand=by_hand).reasons(do) == {"cpu-2": why}


def test_nothing_is_made_that_slurm_cannot_be_told_of() -> None:
    """Its slurmd could not even start: it has its configuration from slurmctld."""
    silent = observed("login", silent=True)
    assert plan.plan(NODESET, silent, {"cpu-2": "resume"}, by_hand=True).reasons(Do.WAIT) == {"cpu-2": plan.UNHEARD}
    assert plan.plan(NODESET, silent, {"cpu-2": "resume"}).of(Do.CREATE) == ("cpu-2",), "Slurm itself asked"
    assert plan.plan(NODESET, silent, {"lab-1": "resume"}, by_hand=True).of(Do.CREATE) == ("lab-1",)
