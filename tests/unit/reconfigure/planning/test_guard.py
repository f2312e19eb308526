"""What asks for the end of a machine, what its node is doing, what happens: the table in docs/faults.md."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconfigure.planning import plan, repair
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.observed import Observed
from tests.unit.reconfigure.planning.test_plan import NODESET, OFF, POWERING, UP, observed

BOOKED = {"lab-1": "alice has booked it until 2026-11-29 12:00:00 UTC"}
ALWAYS = ("login", "cpu-1", "lab-1")
ADMIN_DRAIN = "IDLE+CLOUD+DRAIN"


def hook(kind: str) -> object:
    return lambda seen, force: plan.plan(NODESET, seen, {"cpu-2": kind}, force=force)


def hand(node: str) -> object:
    return lambda seen, force: plan.plan(NODESET, seen, {node: "suspend"}, by_hand=True, force=force)


def synced(seen: Observed, force: bool) -> Plan:
    return repair.sync(NODESET, seen, ALWAYS, force=force)


def cpu_2(state: str) -> Observed:
    return observed("login", "cpu-1", "cpu-2", "lab-1", states={"cpu-1": UP, "cpu-2": state})


SILENT = observed("login", "cpu-1", "cpu-2", "lab-1", silent=True)
LEFT = replace(
    cpu_2("MIXED+CLOUD"), state={n: i for n, i in cpu_2(UP).state.items() if n != "cpu-2"}
)  # unknown machine
OUT = observed("login", "cpu-1", "lab-1", "gpu-1", states={"cpu-1": UP, "gpu-1": "MIXED+CLOUD"})  # of no partition now


@pytest.mark.parametrize(
    ("ask", "seen", "node", "do"),
    [
        pytest.param(hook("suspend"), cpu_2("MIXED+CLOUD"), "cpu-2", Do.REFUSE, id="suspend, running a job"),
        pytest.param(
            hook("suspend"), cpu_2("MIXED+CLOUD+POWER_DOWN"), "cpu-2", Do.REFUSE, id="suspend, ends a job first"
        ),
        pytest.param(hook("suspend"), SILENT, "cpu-2", Do.WAIT, id="suspend, Slurm silent"),
        pytest.param(hook("suspend"), replace(SILENT, slurm={}), "cpu-2", Do.WAIT, id="suspend, Slurm names no node"),
        pytest.param(hook("suspend"), cpu_2("IDLE+CLOUD+POWERING_DOWN"), "cpu-2", Do.DESTROY, id="suspend, idle"),
        pytest.param(
            hook("suspend"),
            replace(cpu_2("IDLE+CLOUD+POWERING_DOWN"), bookings=None),
            "cpu-2",
            Do.DESTROY,
            id="suspend, idle, bookings silent: they are not Slurm's",
        ),
        pytest.param(hook("resume_fail"), cpu_2("MIXED+CLOUD"), "cpu-2", Do.REFUSE, id="resume_fail, running a job"),
        pytest.param(hook("resume_fail"), SILENT, "cpu-2", Do.WAIT, id="resume_fail, Slurm silent"),
        pytest.param(
            hook("resume_fail"), cpu_2("DOWN+CLOUD+POWERED_DOWN"), "cpu-2", Do.DESTROY, id="resume_fail, down"
        ),
        pytest.param(hook("reboot"), cpu_2("MIXED+CLOUD"), "cpu-2", Do.REFUSE, id="reboot, running a job"),
        pytest.param(hook("reboot"), SILENT, "cpu-2", Do.WAIT, id="reboot, Slurm silent"),
        pytest.param(hook("reboot"), cpu_2("DOWN+CLOUD+REBOOT_ISSUED"), "cpu-2", Do.REPLACE, id="reboot, idle"),
        pytest.param(hand("cpu-2"), cpu_2("ALLOCATED+CLOUD"), "cpu-2", Do.REFUSE, id="by hand, running a job"),
        pytest.param(
            hand("cpu-2"), cpu_2("MIXED+CLOUD+POWER_DOWN"), "cpu-2", Do.REFUSE, id="by hand, ends a job first"
        ),
        pytest.param(hand("cpu-2"), SILENT, "cpu-2", Do.WAIT, id="by hand, Slurm silent"),
        pytest.param(hand("cpu-2"), cpu_2(UP), "cpu-2", Do.DESTROY, id="by hand, idle"),
        pytest.param(hand("lab-1"), replace(cpu_2(UP), bookings=BOOKED), "lab-1", Do.REFUSE, id="by hand, booked"),
        pytest.param(hand("lab-1"), SILENT, "lab-1", Do.WAIT, id="by hand, bookings silent"),
        pytest.param(hand("lab-1"), cpu_2(UP), "lab-1", Do.DESTROY, id="by hand, not booked"),
        pytest.param(
            hand("lab-1"),
            replace(cpu_2(UP), slurm=None),
            "lab-1",
            Do.DESTROY,
            id="by hand, not booked, Slurm silent: it is not Slurm's",
        ),
        pytest.param(synced, OUT, "gpu-1", Do.WAIT, id="out of the site data, running a job"),
        pytest.param(synced, replace(OUT, slurm=None), "gpu-1", Do.WAIT, id="out of the site data, Slurm silent"),
        pytest.param(
            synced,
            replace(OUT, slurm=cpu_2(UP).slurm, bookings={"gpu-1": "x"}),
            "gpu-1",
            Do.WAIT,
            id="out of the site data, booked",
        ),
        pytest.param(synced, replace(OUT, slurm=cpu_2(UP).slurm), "gpu-1", Do.DESTROY, id="out of the site data, free"),
        pytest.param(synced, LEFT, "cpu-2", Do.REFUSE, id="unknown to Terraform, running a job"),
        pytest.param(synced, replace(LEFT, slurm=None), "cpu-2", Do.WAIT, id="unknown to Terraform, Slurm silent"),
        pytest.param(
            synced, replace(LEFT, slurm=cpu_2(OFF).slurm), "cpu-2", Do.CLEAR, id="unknown to Terraform, powered down"
        ),
        pytest.param(
            hook("resume"),
            replace(LEFT, slurm=None),
            "cpu-2",
            Do.WAIT,
            id="its name is to be made, unknown, Slurm silent",
        ),
        pytest.param(
            hook("resume"),
            replace(LEFT, slurm=cpu_2(POWERING).slurm, new=frozenset({"cpu-2"})),
            "cpu-2",
            Do.CREATE,
            id="its name is to be made, a killed run left it",
        ),
        pytest.param(
            hook("resume"),
            replace(LEFT, slurm=None, new=frozenset({"cpu-2"})),
            "cpu-2",
            Do.CREATE,
            id="its name is to be made, a killed run left it, Slurm silent",
        ),
        pytest.param(
            hook("reboot"),
            replace(SILENT, new=frozenset({"cpu-2"})),
            "cpu-2",
            Do.WAIT,
            id="reboot of a whole machine that is not configured, Slurm silent",
        ),
    ],
)
def test_the_table(ask: object, seen: Observed, node: str, do: Do) -> None:
    found: Plan = ask(seen, False)  # type: ignore[operator]
    assert do in {action.do for action in found.actions if action.node == node}
    if do in (Do.REFUSE, Do.WAIT):
        assert {action.do for action in found.actions if action.node == node} == {do}
        assert node not in found.touched
        assert node in found.wanted or node not in seen.state


@pytest.mark.parametrize(
    ("ask", "seen", "node", "said"),
    [
        (hand("cpu-2"), cpu_2("ALLOCATED+CLOUD"), "cpu-2", "allocated to a job"),
        (hand("cpu-2"), SILENT, "cpu-2", "Slurm does not answer"),
        (hand("lab-1"), replace(cpu_2(UP), bookings=BOOKED), "lab-1", "alice has booked it until 2026"),
        (synced, LEFT, "cpu-2", "allocated to a job"),
    ],
)
def test_a_person_may_force_it_and_is_told_what_is_lost(ask: object, seen: Observed, node: str, said: str) -> None:
    found: Plan = ask(seen, True)  # type: ignore[operator]
    assert said in found.reasons(Do.FORCE)[node]
    assert node in found.of(Do.DESTROY, Do.CLEAR)


def test_a_dead_machine_protects_nothing() -> None:
    seen = observed(
        "login", dead=("cpu-1", "cpu-2", "lab-1"), states={"cpu-1": "ALLOCATED+CLOUD", "cpu-2": "MIXED+CLOUD"}
    )
    found = synced(replace(seen, bookings=BOOKED), False)
    assert (found.of(Do.REPLACE), found.of(Do.DESTROY)) == (("cpu-1", "lab-1"), ("cpu-2",))


def test_a_booked_node_is_not_configured_anew() -> None:
    """Where that fails, its machine is given up, under the person who holds it."""
    seen = replace(cpu_2(UP), new=frozenset({"lab-1"}))
    assert synced(seen, False).of(Do.CONFIGURE) == ("lab-1",)
    assert synced(replace(seen, bookings=BOOKED), False).of(Do.CONFIGURE) == ()


def test_what_is_left_of_a_removal_goes_beside_a_node_with_a_job() -> None:
    seen = cpu_2("MIXED+CLOUD")
    left = replace(seen.machines[2], instance="old", state="error")
    found = synced(replace(seen, machines=(*seen.machines, left)), False)
    assert [(a.node, a.do, a.instance) for a in found.actions] == [("cpu-2", Do.CLEAR, "old")]


def test_a_lost_state_costs_no_machine() -> None:
    """Terraform's state was gone: the next round cleared every machine, and set every node down."""
    seen = replace(cpu_2(UP), state={}, slurm=None, bookings=None, identities=frozenset(ALWAYS))
    found = synced(seen, False)
    assert found.touched == frozenset()
    assert found.of(Do.FORGET) == ()
    assert all("state names no machine" in why for why in found.reasons(Do.REFUSE).values())
    assert all("sync --adopt" in why for why in found.reasons(Do.REFUSE).values())
    assert found.of(Do.REFUSE) == ("cpu-1", "cpu-2", "lab-1", "login")
    assert synced(seen, True).of(Do.CLEAR) == ("cpu-1", "cpu-2", "lab-1", "login")


def test_more_than_a_handful_of_unknown_machines_are_a_lost_state() -> None:
    names = [f"x-{number}" for number in range(4)]
    few, many = ([(name, f"id-{name}") for name in chosen] for chosen in (names[1:], names))
    assert synced(observed(*ALWAYS, orphans=tuple(few)), False).of(Do.CLEAR) == tuple(names[1:])
    found = synced(observed(*ALWAYS, orphans=tuple(many)), False)
    assert (found.of(Do.CLEAR), found.of(Do.REFUSE)) == ((), tuple(names))
    assert "state does not name them" in found.reasons(Do.REFUSE)["x-1"]
    killed = synced(observed(*ALWAYS, orphans=tuple(many), new=tuple(names)), False)
    assert killed.of(Do.CLEAR) == tuple(names)  # a killed run left them: none was ever a node
