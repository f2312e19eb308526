"""Plans of anything that may be observed are sound: no node is both made and destroyed, nothing is decided twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconfigure.model.request import KINDS
from reconfigure.planning import plan, repair
from reconfigure.planning.actions import MADE, OF_BUSY, Action, Do, Plan, PlanError, check
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import STATES, Machine
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.terraform.events import Instance
from tests.unit.reconfigure.planning.test_plan import NODESET

NAMES = st.sampled_from([*NODESET, "gone-1"])
FLAGS = ("CLOUD", "DRAIN", "COMPLETING", "POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN", "POWERING_UP", "POWER_UP")
REASONS = st.sampled_from(["", "disk swap", repair.DISK_FULL, "no host; left alone until 12:00 UTC"])


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    """Any observation of the nodes of NODESET and of one that is in no nodeset."""
    state = draw(st.dictionaries(NAMES, st.booleans().map(lambda tainted: Instance("id", "address", tainted))))
    machines = draw(
        st.lists(
            st.builds(
                Machine, NAMES, st.sampled_from(["id", "old"]), st.just("i"), st.sampled_from(STATES), st.just("")
            )
        )
    )
    bases = st.sampled_from(["IDLE", "ALLOCATED", "MIXED", "DOWN", "UNKNOWN"])
    flags = st.frozensets(st.sampled_from(FLAGS))
    users = st.sampled_from(["", "slurm", "root", "alice"])
    slurm = draw(st.none() | st.dictionaries(NAMES, st.tuples(bases, flags, REASONS, users)))
    new, remade, identities = [draw(st.frozensets(NAMES)) for _ in range(3)]
    running = draw(st.dictionaries(NAMES, st.just(frozenset({7}))))
    return Observed(
        {name: Instance(f"{i.id}-{name}", i.address, i.tainted) for name, i in state.items()},
        tuple(Machine(m.name, f"{m.instance}-{m.name}", m.image, m.state, m.fault) for m in machines),
        None if slurm is None else {name: SlurmNode(name, *node) for name, node in slurm.items()},
        new,
        remade,
        running,
        identities,
        draw(st.none() | st.frozensets(NAMES)),
        draw(st.dictionaries(NAMES, st.just("no host; left alone until 12:00 UTC"))),
        drains=draw(st.dictionaries(NAMES, st.sampled_from(["fan", repair.DISK_FULL]))),
        busy=draw(st.frozensets(NAMES)),
    )


def sound(found: Plan, observed: Observed) -> None:
    assert check(found) is found
    assert set(found.made).isdisjoint(found.of(Do.DESTROY))
    assert len({(a.node, a.do, a.instance) for a in found.actions}) == len(found.actions)
    assert all(action.why for action in found.actions)
    assert set(found.of(Do.DESTROY, Do.REPLACE)) <= observed.state.keys()
    assert set(found.of(Do.CREATE)).isdisjoint(observed.state)
    assert {action.do for action in found.actions if action.node in observed.busy} <= set(OF_BUSY)


@given(observations(), st.dictionaries(NAMES, st.sampled_from(KINDS)), st.booleans())
def test_a_plan_of_wishes_is_sound(observed: Observed, wishes: dict[str, str], by_hand: bool) -> None:
    found = plan.plan(NODESET, observed, wishes, by_hand=by_hand)
    sound(found, observed)
    asked = {name for name, kind in wishes.items() if kind != "resume"}
    whole = {name for name, entry in observed.state.items() if not entry.tainted and name in NODESET}
    assert set(found.of(Do.DESTROY)) & whole <= asked  # nothing whole is removed that nobody named


@given(observations(), st.frozensets(st.sampled_from(list(NODESET))), st.booleans())
def test_a_plan_of_sync_is_sound(observed: Observed, persistent: frozenset[str], alone: bool) -> None:
    found = repair.sync(NODESET, observed, persistent | {"login"}, alone=alone)
    sound(found, observed)
    whole = {name for name in persistent | {"login"} if not alone or observed.healthy(name)}
    off = {n for n, node in (observed.slurm or {}).items() if node.power.off and (node.drained or node.kept)}
    whole -= {n for n in off & observed.state.keys() if n.startswith("cpu") and observed.state[n].tainted}
    assert set(found.of(Do.DESTROY)).isdisjoint(whole)


@given(observations(), st.frozensets(st.sampled_from(list(NODESET))), st.booleans())
def test_what_a_person_set_is_taken_back_by_nobody_else(
    observed: Observed, persistent: frozenset[str], alone: bool
) -> None:
    plans = (plan.plan(NODESET, observed, {}), repair.sync(NODESET, observed, persistent, alone=alone))
    for name, node in (observed.slurm or {}).items():
        if node.reason_user not in ("", "slurm") and node.reason != repair.DISK_FULL:
            assert not any(name in found.of(Do.UNDRAIN, Do.RETURN) for found in plans)


@pytest.mark.parametrize("made", MADE)
def test_a_plan_that_contradicts_itself_is_refused(made: Do) -> None:
    actions = (Action("cpu-1", made, "a"), Action("cpu-1", Do.DESTROY, "b"))
    with pytest.raises(PlanError, match=f"{made.value} and destroy cpu-1"):
        check(Plan(actions))
    with pytest.raises(PlanError, match="about cpu-1"):
        check(Plan((Action("cpu-1", Do.DESTROY, "b"),), wanted=("cpu-1",)))
