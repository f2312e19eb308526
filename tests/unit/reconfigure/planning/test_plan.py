"""Decisions, as tables: what is wished, what is observed, what is to be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconfigure.model.node import Node
from reconfigure.model.request import Request
from reconfigure.planning import plan
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.draft import FORGOTTEN
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import Machine
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.terraform.events import Instance

TOLD = (Do.LOST, Do.POWER_DOWN, Do.DRAIN, Do.REFUSE)
NAMES = {"login": "login", "cpu-1": "slurm", "cpu-2": "slurm", "cpu-3": "slurm", "lab-1": "booking"}
NODESET = {n: Node(n, role, n.split("-")[0], "10.0.0.1", "img", "small", ()) for n, role in NAMES.items()}


def observed(
    *names: str,
    dead: tuple[str, ...] = (),
    tainted: tuple[str, ...] = (),
    orphans: tuple[tuple[str, str], ...] = (),
    states: dict[str, str] | None = None,
    new: tuple[str, ...] = (),
    remade: tuple[str, ...] = (),
    running: tuple[str, ...] = (),
    identities: tuple[str, ...] = (),
    written: tuple[str, ...] | None = None,
    booked: dict[str, str] | None = None,
    silent: bool = False,
) -> Observed:
    """Machines of these names run; `dead` and `tainted` ones are in the state too. `silent`: no scheduler answers."""
    state = {n: Instance(f"id-{n}", f"addr-{n}", n in tainted) for n in (*names, *dead, *tainted)}
    machines = [Machine(n, f"id-{n}", "img", "stopped" if n in dead else "running", "") for n in state]
    machines += [Machine(name, instance, "img", "running", "") for name, instance in orphans]
    others = {"other-1": UP}  # Slurm answers, whatever it says of these nodes
    nodes = None if silent else {name: slurm_node(name, value) for name, value in (states or others).items()}
    jobs = dict.fromkeys(running, frozenset({7}))
    names_written = None if written is None else frozenset(written)
    marks = (frozenset(new), frozenset(remade), jobs, frozenset(identities))
    seen = Observed(state, tuple(machines), nodes, *marks, names_written)
    return replace(seen, bookings=None if silent else booked or {})


def slurm_node(name: str, text: str) -> SlurmNode:
    """A node of a text such as `IDLE+CLOUD+DRAIN Reason=disk swap`, which root set; `… by slurm`: another did."""
    state, _, said = text.partition(" Reason=")
    reason, _, user = said.partition(" by ")
    base, *flags = state.split("+")
    return SlurmNode(name, base, frozenset(flags), reason, (user or "root") if reason else "")


def shown(found: Plan) -> dict[str, object]:
    """Nodes by what is done with them; with the reason where people are told it, with the machine that is cleared."""
    result: dict[str, object] = {do.value: found.of(do) for do in Do if found.of(do)}
    result |= {do.value: found.reasons(do) for do in TOLD if found.reasons(do)}
    if cleared := tuple((a.node, a.instance) for a in found.actions if a.do is Do.CLEAR):
        result["clear"] = cleared
    return result | ({"rewrite": True} if found.rewrite else {})


UP, OFF, POWERING = "IDLE+CLOUD", "IDLE+CLOUD+POWERED_DOWN", "ALLOCATED+CLOUD+NOT_RESPONDING+POWERING_UP"


@pytest.mark.parametrize(
    ("wishes", "seen", "expected"),
    [
        pytest.param({}, observed("login"), {}, id="nothing"),
        pytest.param(
            {"cpu-2": "resume"}, observed("login"), {"create": ("cpu-2",), "configure": ("cpu-2",)}, id="resume"
        ),
        pytest.param({"cpu-2": "resume"}, observed("login", "cpu-2"), {}, id="resume of a healthy node"),
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", "cpu-2", new=("cpu-2",), states={"cpu-2": POWERING}),
            {"configure": ("cpu-2",), "register": ("cpu-2",)},
            id="made by a killed run: it may have registered before Slurm asked",
        ),
        pytest.param(
            {},
            observed("login", "cpu-2", new=("cpu-2",), states={"cpu-2": UP}),
            {"configure": ("cpu-2",)},
            id="killed before all of it was configured",
        ),
        pytest.param(
            {},
            observed("login", "cpu-2", new=("cpu-2",), states={"cpu-2": "ALLOCATED+CLOUD"}),
            {},
            id="killed before all of it was configured, and has a job",
        ),
        pytest.param(
            {},
            observed("login", "cpu-2", new=("cpu-2",), states={"cpu-2": "IDLE+CLOUD+POWERING_DOWN"}),
            {},
            id="killed before all of it was configured, and goes",
        ),
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", "cpu-2", states={"cpu-2": POWERING}),
            {"register": ("cpu-2",)},
            id="resume of a healthy node that Slurm waits for",
        ),
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", "cpu-2", states={"cpu-2": "IDLE+CLOUD+POWERING_DOWN"}),
            {},
            id="resume of a healthy node that Slurm has thought better of",
        ),
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", "cpu-2", new=("cpu-2",)),
            {"configure": ("cpu-2",)},
            id="resume of a node that a killed run never configured",
        ),
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", dead=("cpu-2",)),
            {"replace": ("cpu-2",), "configure": ("cpu-2",)},
            id="resume of a dead node",
        ),
        pytest.param(
            {"cpu-2": "resume"},
            observed("login", tainted=("cpu-2",)),
            {"replace": ("cpu-2",), "configure": ("cpu-2",)},
            id="resume of a half-made node",
        ),
        pytest.param(
            {"cpu-1": "reboot"},
            observed("login", "cpu-1", states={"cpu-1": "DOWN+CLOUD+DRAIN+REBOOT_ISSUED"}),
            {"replace": ("cpu-1",), "configure": ("cpu-1",)},
            id="reboot",
        ),
        pytest.param({"cpu-2": "suspend"}, observed("login", "cpu-2"), {"destroy": ("cpu-2",)}, id="suspend"),
        pytest.param({"cpu-2": "suspend"}, observed("login"), {}, id="suspend of nothing"),
        pytest.param(
            {"cpu-2": "resume_fail"},
            observed("login", "cpu-2", states={"cpu-2": "DOWN+CLOUD+POWERED_DOWN"}),
            {"destroy": ("cpu-2",), "power_down": {"cpu-2": "it did not come up within ResumeTimeout"}},
            id="resume_fail that Slurm has down",
        ),
        pytest.param({"cpu-2": "resume_fail"}, observed("login", "cpu-2"), {"destroy": ("cpu-2",)}, id="resume_fail"),
        pytest.param({}, observed("login", tainted=("cpu-2",)), {"destroy": ("cpu-2",)}, id="half-made, unwished"),
        pytest.param(
            {"cpu-2": "resume", "cpu-3": "suspend"},
            observed("login", "cpu-3"),
            {"create": ("cpu-2",), "destroy": ("cpu-3",), "configure": ("cpu-2",)},
            id="both ways",
        ),
        pytest.param(
            {},
            observed("login", orphans=(("cpu-2", "old"), ("x-9", "odd"))),
            {"clear": (("cpu-2", "old"), ("x-9", "odd"))},
            id="orphans",
        ),
        pytest.param(
            {"cpu-3": "resume"},
            observed("login", identities=("login", "cpu-2", "cpu-3")),
            {"create": ("cpu-3",), "configure": ("cpu-3",), "forget": ("cpu-2",)},
            id="keys of a node whose removal was killed at its end",
        ),
        pytest.param({}, observed("login", written=("login", "cpu-2")), {"rewrite": True}, id="names of a killed run"),
        pytest.param({}, observed("login", written=("login",)), {}, id="names as they are"),
    ],
)
def test_wishes(wishes: dict[str, str], seen: Observed, expected: dict[str, object]) -> None:
    assert shown(plan.plan(NODESET, seen, wishes)) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(
            observed("login", states={"cpu-2": POWERING}), {"create": ("cpu-2",), "configure": ("cpu-2",)}, id="lost"
        ),
        pytest.param(observed("login", "cpu-2", states={"cpu-2": POWERING}), {}, id="there, its slurmd will register"),
        pytest.param(observed("login", states={"cpu-2": f"{POWERING}+POWERING_DOWN"}), {}, id="given up"),
        pytest.param(observed("login", states={"cpu-2": OFF}), {}, id="off"),
    ],
)
def test_a_node_that_slurm_powers_up_is_made_without_a_wish(seen: Observed, expected: dict[str, object]) -> None:
    assert shown(plan.plan(NODESET, seen, {})) == expected
    assert shown(plan.plan(NODESET, seen, {}, by_hand=True)) == {}


def test_a_suspend_that_is_refused_undoes_no_resume() -> None:
    """It was the last wish of a burst, and the node that a job waited for was never made."""
    for seen, create in (
        (observed("login", states={"cpu-2": POWERING}), ("cpu-2",)),
        (observed("login", "cpu-2", new=("cpu-2",), states={"cpu-2": POWERING}), ()),  # a killed run made it
    ):
        found = plan.plan(NODESET, seen, {"cpu-2": "suspend"})
        assert (found.of(Do.CREATE), found.of(Do.CONFIGURE)) == (create, ("cpu-2",))
        assert "allocated" in found.reasons(Do.REFUSE)["cpu-2"]


def test_a_node_that_is_down_and_powered_up_is_made_and_not_removed() -> None:
    """Both were planned: its dead machine was to be replaced for Slurm, and destroyed for the wish."""
    seen = observed("login", dead=("cpu-2",), states={"cpu-2": "DOWN+CLOUD+POWERING_UP"})
    found = plan.plan(NODESET, seen, {"cpu-2": "suspend"})
    assert (found.made, found.of(Do.DESTROY)) == (("cpu-2",), ())
    assert "wants it up again" in found.reasons(Do.REFUSE)["cpu-2"]


@pytest.mark.parametrize(
    ("wishes", "seen", "said"),
    [
        pytest.param({"gpu-1": "resume"}, observed("login"), "unknown node", id="unknown"),
        pytest.param({"login": "suspend"}, observed("login"), "login node stays", id="login"),
        pytest.param({"cpu-1": "resume"}, observed(dead=("login",)), "login node does not run", id="no login"),
        pytest.param(
            {"lab-1": "reboot"}, observed("login", "lab-1"), "only nodes of Slurm", id="reboot of a booked node"
        ),
        pytest.param(
            {"cpu-1": "reboot"},
            observed("login", "cpu-1", states={"cpu-1": "MIXED+CLOUD"}),
            "allocated to a job",
            id="reboot of an allocated node",
        ),
        pytest.param(
            {"cpu-1": "reboot"},
            observed("login", dead=("cpu-1",), states={"cpu-1": "MIXED+CLOUD"}),
            "allocated to a job",
            id="reboot of an allocated node whose machine has died",
        ),
        pytest.param(
            {"cpu-2": "reboot"}, observed("login", states={"cpu-2": OFF}), "powered down", id="reboot of nothing"
        ),
        pytest.param(
            {"cpu-1": "suspend"},
            observed("login", "cpu-1", states={"cpu-1": "MIXED+CLOUD"}),
            "allocated to a job",
            id="allocated",
        ),
        pytest.param(
            {"cpu-2": "suspend"},
            observed("login", "cpu-2", states={"cpu-2": "IDLE+CLOUD+POWER_UP"}),
            "wants it up again",
            id="a suspend that Slurm has thought better of",
        ),
        pytest.param(
            {"cpu-1": "resume_fail"},
            observed("login", "cpu-1", states={"cpu-1": "ALLOCATED+CLOUD"}),
            "allocated to a job",
            id="a late resume_fail of a node that came after all",
        ),
    ],
)
def test_refusals(wishes: dict[str, str], seen: Observed, said: str) -> None:
    found = plan.plan(NODESET, seen, wishes)
    assert said in found.reasons(Do.REFUSE)[next(iter(wishes))]
    assert not found.changes


HELD = {"cpu-2": "the host is full; left alone until 17:40 UTC"}


@pytest.mark.parametrize(
    ("state", "held", "expected"),
    [
        pytest.param(f"{OFF} Reason=the host is full", HELD, {"drain": HELD}, id="off, so it can be drained"),
        pytest.param("IDLE+CLOUD+POWERING_DOWN Reason=x", HELD, {}, id="not off yet"),
        pytest.param("DOWN+CLOUD+POWERED_DOWN Reason=fan by root", HELD, {}, id="a person set it DOWN"),
        pytest.param(
            f"{OFF}+NOT_RESPONDING Reason=fan by root",
            {},
            {"power_down": {"cpu-2": FORGOTTEN}},
            id="undrained while off",
        ),
        pytest.param(f"{OFF}+NOT_RESPONDING+DRAIN Reason=fan by root", {}, {}, id="drained and off"),
        pytest.param(f"{OFF}+DRAIN Reason={HELD['cpu-2']} by slurm", HELD, {}, id="drained already"),
        pytest.param(f"{OFF}+DRAIN Reason={HELD['cpu-2']} by slurm", {}, {"undrain": ("cpu-2",)}, id="time is over"),
        pytest.param(f"{OFF}+DRAIN Reason={HELD['cpu-2']} by alice", {}, {}, id="an administrator used the same words"),
        pytest.param("IDLE+CLOUD+DRAIN+POWERED_DOWN Reason=disk swap", {}, {}, id="drained by an administrator"),
    ],
)
def test_a_node_that_failed_is_left_alone(state: str, held: dict[str, str], expected: dict[str, object]) -> None:
    seen = replace(observed("login", states={"cpu-2": state}), held=held)
    assert shown(plan.plan(NODESET, seen, {})) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param("DOWN+CLOUD Reason=Node unexpectedly rebooted by slurm", {"return": ("cpu-2",)}, id="a crash"),
        pytest.param("DOWN+CLOUD+NOT_RESPONDING Reason=Not responding by slurm", {}, id="its slurmd is silent"),
        pytest.param(
            "DOWN+CLOUD+POWERED_DOWN Reason=ResumeTimeout reached by slurm",
            {"power_down": {"cpu-2": "it is powered down, and may be made anew"}},
            id="off after a crash",
        ),
        pytest.param("DOWN+CLOUD+POWERING_DOWN Reason=Not responding by slurm", {}, id="not off yet"),
        pytest.param("DOWN+CLOUD+DRAIN Reason=Not responding by slurm", {}, id="drained before it crashed"),
        pytest.param("DOWN+CLOUD Reason=fan", {}, id="an administrator set it"),
        pytest.param("DOWN+CLOUD+POWERED_DOWN Reason=fan by alice", {}, id="off after an administrator set it"),
        pytest.param("DOWN+CLOUD+DRAIN+REBOOT_ISSUED Reason=new kernel", {}, id="it reboots"),
    ],
)
def test_what_a_crash_set_down_is_in_service_again(state: str, expected: dict[str, object]) -> None:
    assert shown(plan.plan(NODESET, observed("login", "cpu-2", states={"cpu-2": state}), {})) == expected


def test_wanted_is_what_exists_plus_minus_the_change() -> None:
    found = plan.plan(NODESET, observed("login", "cpu-1", "cpu-3"), {"cpu-2": "resume", "cpu-3": "suspend"})
    assert found.wanted == ("cpu-1", "cpu-2", "login")


def test_the_last_wish_for_a_node_wins() -> None:
    requests = [
        Request("1-1", "resume", "cpu-[1-3]", 1, None),
        Request("2-1", "suspend", "cpu-2", 2, None),
        Request("3-1", "resume_fail", "cpu-3", 3, None),
    ]
    assert plan.merge(requests) == {"cpu-1": "resume", "cpu-2": "suspend", "cpu-3": "resume_fail"}
