"""What a round leaves to its batch: others go on meanwhile, who greets late holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconfigure.cluster import inventory
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import batches, journal, lock
from reconfigure.clusterdir.batches import Abandoned, Claim
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.planning import cooldown, plan
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds import playbook, progress, wait_ssh
from reconfigure.rounds import round as rounds
from reconfigure.slurm import controller
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.ssh import authority
from tests.contract.rounds.rig import configured, do, made

PATIENCE = 20.0  # seconds, a bound for what must come


def begun(cluster: Cluster, *names: str) -> rounds.Outcome:
    """A round under the lock, whose batch has still to be carried out."""
    with lock.locked(cluster.clusterdir, 1):
        observed = cluster.observe()
        todo = plan.plan(cluster.nodeset, observed, dict.fromkeys(names, "resume"))
        return rounds.Round(cluster, todo, observed).carry_out()


def test_others_are_made_and_removed_while_a_batch_goes_on(with_login: Cluster) -> None:
    do(with_login, {"cpu-3": "resume"})
    outcome = begun(with_login, "cpu-1")
    assert batches.busy(with_login.clusterdir) == {"cpu-1"}
    observed = with_login.observe()
    wishes = {"cpu-1": "resume", "cpu-2": "resume", "cpu-3": "suspend"}
    off = {name: SlurmNode(name, "IDLE", frozenset({"CLOUD", "POWERED_DOWN"})) for name in ("cpu-1", "cpu-2", "cpu-3")}
    todo = plan.plan(with_login.nodeset, replace(observed, slurm=off), wishes)
    assert todo.of(Do.QUEUE) == ("cpu-1",)
    assert rounds.Round(with_login, todo, observed).carry_out().complete().failed == {}
    assert made(with_login) == {"login", "cpu-1", "cpu-2"}
    assert authority.unconfigured(with_login.clusterdir) == {"cpu-1"}
    assert outcome.complete().failed == {}
    assert authority.unconfigured(with_login.clusterdir) == set()
    assert batches.busy(with_login.clusterdir) == frozenset()


def test_a_batch_sees_its_own_nodes_and_the_login_node_alone(with_login: Cluster) -> None:
    """Another's clean-up may take what the inventory reads of a node, its keys and its release, in any moment."""
    do(with_login, {"cpu-3": "resume"})
    outcome = begun(with_login, "cpu-1")
    assert outcome.batch is not None
    assert inventory._state(with_login.clusterdir, outcome.batch.id).keys() == {"cpu-1", "login"}
    assert outcome.complete().failed == {}


def test_a_machine_that_greets_late_holds_up_none_of_its_batch(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run = list[str](), configured()

    def remember(claim: Claim, name: str, variables: object, limit: str) -> playbook.Run:
        runs.append(limit)
        found: playbook.Run = run(claim, name, variables, limit)
        return found

    def greeting(addresses: Mapping[str, str], timeout: float = 1.0) -> set[str]:
        return {name for name in addresses if name != "cpu-2" or runs}  # once another is a node

    monkeypatch.setattr(wait_ssh, "QUIET", 0.0)
    monkeypatch.setattr(wait_ssh, "greeting", greeting)
    monkeypatch.setattr(playbook, "run", remember)
    assert do(with_login, {"cpu-1": "resume", "cpu-2": "resume", "cpu-3": "resume"}).failed == {}
    assert runs == ["login", "cpu-1,cpu-3", "cpu-2"][-2:]
    assert authority.unconfigured(with_login.clusterdir) == set()


def test_one_that_never_greets_is_given_up_alone(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = begun(with_login, "cpu-1", "cpu-2")
    monkeypatch.setattr(wait_ssh, "greeting", lambda addresses, timeout=1.0: addresses.keys() - {"cpu-2"})
    monkeypatch.setattr(wait_ssh, "faults", lambda machines, ids: dict.fromkeys(ids, "it is silent"))
    with lock.locked(with_login.clusterdir, 1):  # its clean-up waits for this
        thread = threading.Thread(target=outcome.complete)
        thread.start()
        waits = with_login.clusterdir.path / "cooldown.json"
        wait_for(lambda: waits.exists() and batches.busy(with_login.clusterdir) == {"cpu-2"})
        assert made(with_login) == {"login", "cpu-1", "cpu-2"}
    thread.join(PATIENCE)
    assert made(with_login) == {"login", "cpu-1"}
    assert with_login.controller.told == [(("cpu-2",), "power_down_force", "it is silent")]  # type: ignore[attr-defined]


def wait_for(condition: Any) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if condition():
            return
        pause.wait(0.05)
    pytest.fail("it did not come")


def test_a_node_that_is_dropped_is_let_go_and_no_failure(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_ssh, "greeting", lambda addresses, timeout=1.0: set())
    monkeypatch.setattr(wait_ssh, "QUIET", 0.0)
    outcome = begun(with_login, "cpu-2")
    observed = with_login.observe()
    going = {"cpu-2": SlurmNode("cpu-2", "IDLE", frozenset({"CLOUD", "POWERING_DOWN"}))}
    todo = plan.plan(with_login.nodeset, replace(observed, slurm=going), {"cpu-2": "suspend"})
    rounds.Round(with_login, todo, observed).carry_out()
    assert outcome.complete().failed == {}
    assert batches.busy(with_login.clusterdir) == frozenset()
    assert cooldown.read(with_login.clusterdir) == {}
    todo = plan.plan(with_login.nodeset, replace(with_login.observe(), slurm=going), {"cpu-2": "suspend"})
    assert todo.of(Do.DESTROY) == ("cpu-2",)


def test_what_fails_because_the_worker_ends_is_no_failure(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(claim: Claim, *_: object, **__: object) -> playbook.Run:
        claim.abandoned = True
        return playbook.Run(failed={"": "Ansible was killed"})

    monkeypatch.setattr(playbook, "run", ended)
    outcome = begun(with_login, "cpu-1")
    with pytest.raises(Abandoned):
        outcome.complete()
    assert with_login.controller.told == []  # type: ignore[attr-defined]
    assert authority.unconfigured(with_login.clusterdir) == {"cpu-1"}
    assert batches.busy(with_login.clusterdir) == frozenset()


def half_made(cluster: Cluster) -> tuple[Plan, Observed]:
    """A plan for cpu-1, whose driver was killed before it was configured, and for which Slurm waits."""
    do(cluster, {"cpu-1": "resume"})
    (cluster.clusterdir.identity("cpu-1") / authority.NEW).touch()
    coming = {"cpu-1": SlurmNode("cpu-1", "ALLOCATED", frozenset({"CLOUD", "POWERING_UP"}))}
    observed = replace(cluster.observe(), slurm=coming)
    found = plan.plan(cluster.nodeset, observed, {"cpu-1": "resume"})
    assert (found.of(Do.CONFIGURE), found.of(Do.REGISTER)) == (("cpu-1",), ("cpu-1",))
    return found, observed


def test_a_machine_that_a_killed_driver_waited_for_is_waited_for(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    todo, observed = half_made(with_login)
    monkeypatch.setattr(wait_ssh, "greeting", lambda addresses, timeout=1.0: set())
    monkeypatch.setattr(wait_ssh, "faults", lambda machines, ids: dict.fromkeys(ids, "it is silent"))
    outcome = rounds.Round(with_login, todo, observed).carry_out()
    assert outcome.complete().failed == {"cpu-1": "it is silent"}


@pytest.mark.parametrize(("flags", "again"), [({"POWERING_UP"}, ["cpu-1"]), (set(), [])])
def test_one_that_registered_as_it_was_configured_is_not_asked_to_do_so_again(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch, flags: set[str], again: list[str]
) -> None:
    """Its job had begun, and Slurm took the restart for a crash of the node."""
    todo, observed = half_made(with_login)
    asked: list[str] = []
    now = {"cpu-1": SlurmNode("cpu-1", "ALLOCATED", frozenset({"CLOUD", *flags}))}
    with_login.controller.nodes = lambda: now  # type: ignore[method-assign, assignment]

    def register(_: ClusterDir, nodes: list[Node], booted: frozenset[str]) -> controller.Registration:
        asked.extend(node.name for node in nodes)
        return controller.Registration({}, frozenset())

    monkeypatch.setattr(controller, "register", register)
    assert rounds.Round(with_login, todo, observed).carry_out().complete().failed == {}
    assert asked == again


def test_a_playbook_sees_the_state_that_its_batch_began_with(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another round may be writing the state file; and main.yml leaves alone what a batch brings up."""
    outcome = begun(with_login, "cpu-1")
    assert outcome.batch is not None
    later = begun(with_login, "cpu-2")
    clusterdir = with_login.clusterdir
    assert inventory._state(clusterdir, outcome.batch.id).keys() == {"login", "cpu-1"}
    assert inventory._state(clusterdir, "").keys() == {"login"}
    assert [said["step"] for said in progress.of_batches(clusterdir)] == []
    outcome.complete()
    later.complete()
    assert inventory._state(clusterdir, "").keys() == {"login", "cpu-1", "cpu-2"}
    names = [(e["event"], e["nodes"]) for e in journal.read(clusterdir)[0] if e.get("batch") == outcome.batch.id]
    assert names == [("machines", ["cpu-1"]), ("playbook", ["cpu-1"]), ("done", ["cpu-1"])]
