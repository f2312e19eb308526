"""A driver killed before any step of a round or of its batch, or after the last: the next `sync` does what is left."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import batches, lock
from reconfigure.planning import plan, repair
from reconfigure.rounds import batch, playbook
from reconfigure.rounds import round as rounds
from reconfigure.rounds.context import Context, Result
from reconfigure.rounds.steps import AFTER, LOCKED, WAVE, Step
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.ssh import authority
from tests.contract.rounds.rig import configured, do, made

PERSISTENT = ("login", "cpu-1", "cpu-3")
LISTS = ((rounds, "LOCKED", LOCKED), (batch, "WAVE", WAVE), (batch, "AFTER", AFTER))
MOMENTS = [
    pytest.param(module, name, steps, number, id=f"{name}, {what}")
    for module, name, steps in LISTS
    for number, what in enumerate([*(f"before {step.name}" for step in steps), "after all"])
]


class Killed(BaseException):
    """Stands for kill -9: nothing that follows is done."""


def kill(context: Context) -> Result:
    raise Killed


def test_every_step_has_a_name_of_its_own() -> None:
    names = [step.name for step in (*LOCKED, *WAVE)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("module", "name", "steps", "number"), MOMENTS)
def test_killed_before_a_step(
    with_login: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    name: str,
    steps: tuple[Step, ...],
    number: int,
) -> None:
    cluster = with_login
    assert do(cluster, {"cpu-2": "resume"}).failed == {}
    observed = cluster.observe()
    todo = plan.plan(cluster.nodeset, observed, {"cpu-1": "resume", "cpu-3": "resume", "cpu-2": "suspend"})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if name == "AFTER":
            patch.setattr(playbook, "run", configured(cpu_1="munge does not start"))
        patch.setattr(module, name, (*steps[:number], Step("killed", kill), *steps[number:]))
        rounds.Round(cluster, todo, observed).carry_out().complete()
    assert batches.busy(cluster.clusterdir) == frozenset()
    with lock.locked(cluster.clusterdir, 1):
        observed = cluster.observe()
        outcome = rounds.Round(cluster, repair.sync(cluster.nodeset, observed, PERSISTENT), observed).carry_out()
    outcome.complete()
    assert {"login", "cpu-1", "cpu-3"} <= made(cluster) <= {"login", "cpu-1", "cpu-2", "cpu-3"}  # a node beyond stays
    observed = cluster.observe()
    assert not repair.sync(cluster.nodeset, observed, PERSISTENT).changes
    assert authority.unconfigured(cluster.clusterdir) == set()
    assert authority.identities(cluster.clusterdir) == made(cluster)
    assert observed.written == made(cluster)


def drain_at_risk(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], str, str]]:
    """Have Slurm know one node, drained by a person, and forget the drain when it is told to power it down."""
    node = {"cpu-2": SlurmNode("cpu-2", "IDLE", frozenset({"CLOUD", "DRAIN"}), "fan", "alice")}
    told = list[tuple[tuple[str, ...], str, str]]()

    def set_state(names: list[str], state: str, reason: str = "", as_user: str = "slurm") -> None:
        told.append((tuple(names), state, f"{reason} by {as_user}"))
        if "cpu-2" in names and state.startswith("power_down"):
            node["cpu-2"] = SlurmNode("cpu-2", "IDLE", frozenset({"CLOUD", "POWER_DOWN"}))
        if "cpu-2" in names and state == "drain":
            node["cpu-2"] = SlurmNode("cpu-2", "IDLE", frozenset({"CLOUD", "POWER_DOWN", "DRAIN"}), reason, as_user)

    monkeypatch.setattr(cluster.controller, "nodes", lambda: dict(node))
    monkeypatch.setattr(cluster.controller, "set_state", set_state)
    return told


def power_down(cluster: Cluster, *, by_hand: bool) -> None:
    """A round in which a drained node is powered down: suspended by a person, or its machine is gone."""
    observed = cluster.observe()
    if by_hand:
        todo = plan.plan(cluster.nodeset, observed, {"cpu-2": "suspend"}, by_hand=True)
    else:
        observed = replace(observed, machines=tuple(m for m in observed.machines if m.name != "cpu-2"))
        todo = repair.sync(cluster.nodeset, observed, ["login"])
    rounds.Round(cluster, todo, observed).carry_out()


@pytest.mark.parametrize("by_hand", [True, False], ids=["suspended", "gone"])
@pytest.mark.parametrize("step", ["guard", "drain again"])
def test_the_drain_of_a_person_outlives_a_killed_driver(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch, step: str, by_hand: bool
) -> None:
    """It was lost where the driver was killed between powering the node down and draining it again."""
    cluster = with_login
    assert do(cluster, {"cpu-2": "resume"}).failed == {}
    told = drain_at_risk(cluster, monkeypatch)
    before = [step.name for step in LOCKED].index(step)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(rounds, "LOCKED", (*LOCKED[:before], Step("killed", kill), *LOCKED[before:]))
        power_down(cluster, by_hand=by_hand)
    observed = cluster.observe()
    rounds.Round(cluster, plan.plan(cluster.nodeset, observed, {}), observed).carry_out()  # the worker's next round
    drains = [call for call in told if call[1] == "drain"]
    assert drains == [(("cpu-2",), "drain", "fan by root")]
    assert cluster.controller.nodes()["cpu-2"].kept  # type: ignore[index]
    assert not (cluster.clusterdir.path / "drains.json").exists()
    assert cluster.observe().drains == {}


def test_a_drain_that_a_person_took_back_is_not_set_again(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = with_login
    assert do(cluster, {"cpu-2": "resume"}).failed == {}
    told = drain_at_risk(cluster, monkeypatch)
    power_down(cluster, by_hand=True)
    free = SlurmNode("cpu-2", "IDLE", frozenset({"CLOUD", "POWERED_DOWN"}))
    monkeypatch.setattr(cluster.controller, "nodes", lambda: {"cpu-2": free})
    del told[:]
    observed = cluster.observe()
    assert not repair.sync(cluster.nodeset, observed, ["login"]).changes
