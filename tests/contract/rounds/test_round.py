"""A plan carried out: what fails is removed, told and reported; the others go on.

Terraform is real; machines are folders' worth of nothing: the provider, SSH and
the playbook are small fakes.
"""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from typing import Any

import pytest

from kiwi.common.process import CommandError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal, nodeset
from reconfigure.clusterdir.batches import Claim
from reconfigure.clusterdir.nodeset import wish
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.model.request import Request
from reconfigure.planning import plan, repair
from reconfigure.planning.actions import Do
from reconfigure.providers.base import Machine
from reconfigure.rounds import machines, playbook, progress, wait_ssh
from reconfigure.rounds import round as rounds
from reconfigure.slurm import controller
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.ssh import authority
from tests.contract.rounds.rig import configured, do, made


def test_made_then_removed(with_login: Cluster) -> None:
    assert do(with_login, {"cpu-1": "resume", "cpu-2": "resume"}) == rounds.Outcome({}, True)
    assert made(with_login) == {"login", "cpu-1", "cpu-2"}
    assert authority.unconfigured(with_login.clusterdir) == set()
    off = SlurmNode("cpu-1", "IDLE", frozenset({"CLOUD", "POWERING_DOWN"}))
    with_login.controller.nodes = lambda: {"cpu-1": off}  # type: ignore[method-assign]
    do(with_login, {"cpu-1": "suspend"})
    assert made(with_login) == {"login", "cpu-2"}
    assert not with_login.clusterdir.identity("cpu-1").exists()


def test_terraform_is_given_the_records_of_wanted_nodes_alone(with_login: Cluster) -> None:
    do(with_login, {"cpu-1": "resume"})
    told = json.loads(with_login.clusterdir.names.read_text())
    assert told == {
        "nodes": ["cpu-1", "login"],
        "nodeset": {name: with_login.nodeset[name].data() for name in ("cpu-1", "login")},
    }


def test_a_node_that_vanished_from_the_input_is_not_removed_by_that(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever wrote the wish without it: Terraform would remove it beside a target, and the saved plan is refused."""
    do(with_login, {"cpu-1": "resume"})
    before = with_login.terraform.instances()["cpu-1"]
    monkeypatch.setattr(nodeset, "wish", lambda clusterdir, names, known: wish(clusterdir, {*names} - {"cpu-1"}, known))
    outcome = do(with_login, {"cpu-2": "resume"})
    assert 'Terraform would delete module.node["cpu-1"]' in outcome.failed["cpu-2"]
    assert with_login.terraform.instances()["cpu-1"] == before


def test_what_left_the_nodeset_keeps_its_record_in_the_wish(with_login: Cluster) -> None:
    """`terraform apply` by hand must not remove a node that only waits until its job has ended."""
    do(with_login, {"cpu-1": "resume"})
    left = {name: node for name, node in with_login.nodeset.items() if name != "cpu-1"}
    assert not wish(with_login.clusterdir, {"login", "cpu-1"}, left)
    assert not with_login.terraform.plan(["login", "cpu-1"])


def test_the_login_node_is_left_to_main_yml(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbook, "run", None)
    observed = cluster.observe()
    todo = repair.sync(cluster.nodeset, observed, ["login", "cpu-1"])
    assert rounds.Round(cluster, todo, observed).carry_out().complete() == rounds.Outcome({}, True)
    assert authority.unconfigured(cluster.clusterdir) == set()


@pytest.mark.parametrize("where", ["terraform", "start", "playbook"])
def test_one_that_fails_is_removed_and_told(with_login: Cluster, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    reason = "the host is full"
    if where == "terraform":
        (with_login.clusterdir.local / "bad.auto.tfvars").write_text('bad = "cpu-2"\n')
    if where == "start":
        monkeypatch.setattr(wait_ssh, "greeting", lambda addresses, timeout=1.0: addresses.keys() - {"cpu-2"})
        monkeypatch.setattr(wait_ssh, "faults", lambda machines, ids: dict.fromkeys(ids, reason))
    if where == "playbook":
        monkeypatch.setattr(playbook, "run", configured(cpu_2=reason))
    outcome = do(with_login, {"cpu-1": "resume", "cpu-2": "resume"})
    assert outcome.failed == {"cpu-2": reason}
    assert made(with_login) == {"login", "cpu-1"}
    assert with_login.controller.told == [(("cpu-2",), "power_down_force", reason)]  # type: ignore[attr-defined]
    names = json.loads((with_login.clusterdir.local / "nodes.auto.tfvars.json").read_text())["nodes"]
    assert names == ["cpu-1", "login"]
    assert not with_login.clusterdir.identity("cpu-2").exists()
    assert do(with_login, {"cpu-1": "resume"}).failed == {}


SUSPENDED = "suspended by hand (reconfigure suspend)"
DETAIL = {
    "jobs": [{"job_id": 7, "nodes_resume": "cpu-[1-2]"}, {"job_id": 8, "nodes_resume": "cpu-1"}],
    "all_nodes_resume": "cpu-[1-2]",
}


def resumed(cluster: Cluster, nodes: str, detail: dict[str, Any] | None = None) -> rounds.Outcome:
    """A round for one request of a hook."""
    observed, request = cluster.observe(), Request("1-1", "resume", nodes, 1, detail)
    todo = plan.plan(cluster.nodeset, observed, plan.merge([request]))
    return rounds.Round(cluster, todo, observed, [request]).carry_out().complete()


def test_jobs_of_a_failed_node_start_at_once(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbook, "run", configured(cpu_2="munge does not start"))
    resumed(with_login, "cpu-[1-2]", DETAIL)
    assert with_login.controller.started == [{7}, {7}]  # type: ignore[attr-defined]


def test_slurm_does_not_wait_for_the_end_of_a_job_whose_machine_was_removed(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "munge does not start"
    ending = SlurmNode("cpu-2", "IDLE", frozenset({"CLOUD", "COMPLETING", "POWER_DOWN"}))
    monkeypatch.setattr(playbook, "run", configured(cpu_1=reason, cpu_2=reason))
    observed = with_login.observe()
    todo = plan.plan(with_login.nodeset, observed, {"cpu-1": "resume", "cpu-2": "resume"})
    with_login.controller.nodes = lambda: {"cpu-2": ending}  # type: ignore[method-assign]
    rounds.Round(with_login, todo, observed).carry_out().complete()
    assert with_login.controller.told == [  # type: ignore[attr-defined]
        (("cpu-1", "cpu-2"), "power_down_force", reason),
        (("cpu-2",), "down", reason),
        (("cpu-2",), "resume", ""),
        (("cpu-2",), "power_down_force", reason),
    ]


DOWN = frozenset({"CLOUD"})


def mended(cluster: Cluster, node: SlurmNode, jobs: frozenset[int] = frozenset()) -> rounds.Outcome:
    """A round of sync in which Slurm has one node, whose machine is not there."""
    observed = replace(cluster.observe(), slurm={node.name: node}, running={node.name: jobs} if jobs else {})
    todo = repair.sync(cluster.nodeset, observed, ["login"])
    return rounds.Round(cluster, todo, observed).carry_out().complete()


def test_jobs_whose_node_died_under_them_start_at_once(with_login: Cluster) -> None:
    """Slurm delayed them by a minute, but not those whose node failed to start."""
    mended(with_login, SlurmNode("cpu-2", "ALLOCATED", DOWN), frozenset({7, 8}))
    assert with_login.controller.told == [  # type: ignore[attr-defined]
        (("cpu-2",), "down", "Not responding"),
        (("cpu-2",), "resume", ""),
        (("cpu-2",), "power_down_force", "its machine is gone (reconfigure sync)"),
    ]
    assert with_login.controller.started == [{7, 8}, {7, 8}]  # type: ignore[attr-defined]


def test_a_drain_of_a_persons_outlives_the_end_of_the_machine(with_login: Cluster) -> None:
    """Slurm forgets a drain where it is told to power a node down; the reason stays whole, and a person's."""
    mended(with_login, SlurmNode("cpu-2", "ALLOCATED", DOWN | {"DRAIN"}, "fan", "alice"), frozenset({7}))
    assert with_login.controller.told == [  # type: ignore[attr-defined]
        (("cpu-2",), "down", "fan by root"),
        (("cpu-2",), "power_down_force", ""),
        (("cpu-2",), "drain", "fan by root"),
    ]


def test_what_a_person_set_down_stays_so_when_its_machine_goes(with_login: Cluster) -> None:
    mended(with_login, SlurmNode("cpu-2", "DOWN", DOWN, "fan", "root"))
    assert with_login.controller.told == [(("cpu-2",), "power_down_force", "")]  # type: ignore[attr-defined]


def test_what_a_crash_set_down_is_in_service_again(with_login: Cluster) -> None:
    mended(with_login, SlurmNode("cpu-2", "DOWN", DOWN | {"POWERED_DOWN"}, "ResumeTimeout reached", "slurm"))
    assert with_login.controller.told == [
        (("cpu-2",), "resume", ""),
        (("cpu-2",), "power_down_force", "it is powered down, and may be made anew"),
    ]  # type: ignore[attr-defined]


def test_the_login_node_is_configured_where_nobody_runs_main_yml(cluster: Cluster) -> None:
    observed = cluster.observe()
    todo = repair.sync(cluster.nodeset, observed, ["login", "cpu-1"], alone=True)
    assert todo.of(Do.CONFIGURE) == ("cpu-1", "login")
    assert rounds.Round(cluster, todo, observed).carry_out().complete() == rounds.Outcome({}, True)
    assert authority.unconfigured(cluster.clusterdir) == set()


@pytest.mark.parametrize(
    ("flags", "booted"), [({"POWERING_UP"}, True), (set(), False), ({"DRAIN", "REBOOT_ISSUED"}, True)]
)
def test_slurmd_says_that_it_has_booted_only_where_slurm_waits_for_that(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch, flags: set[str], booted: bool
) -> None:
    """Slurm ends the jobs of a node that says so at another time."""
    given: list[object] = []

    def run(claim: Claim, name: str, variables: dict[str, object], limit: str) -> playbook.Run:
        given.append(variables["slurm_booting"])
        return playbook.Run(reached=set(limit.split(",")))

    monkeypatch.setattr(playbook, "run", run)
    observed = replace(with_login.observe(), slurm={"cpu-2": SlurmNode("cpu-2", "IDLE", frozenset(flags))})
    rounds.Round(
        with_login, plan.plan(with_login.nodeset, observed, {"cpu-2": "resume"}), observed
    ).carry_out().complete()
    assert given == [["cpu-2"] if booted else []]


def test_a_node_that_fails_twice_is_left_alone(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbook, "run", configured(cpu_2="munge does not start"))
    resumed(with_login, "cpu-2")
    assert with_login.observe().held == {}
    resumed(with_login, "cpu-2")
    assert set(with_login.observe().held) == {"cpu-2"}
    assert "munge does not start; left alone until " in with_login.observe().held["cpu-2"]
    monkeypatch.setattr(playbook, "run", configured())
    resumed(with_login, "cpu-2")
    assert with_login.observe().held == {}


def test_what_cannot_be_planned_holds_its_like(with_login: Cluster) -> None:
    node = (with_login.clusterdir.local / "node" / "main.tf").read_text()
    (with_login.clusterdir.local / "node" / "main.tf").write_text(node.replace('"never"', '"cpu-3"'))
    assert "there is no image" in resumed(with_login, "cpu-3").failed["cpu-3"]
    assert set(with_login.observe().held) == {"cpu-1", "cpu-2", "cpu-3"}


def test_a_full_disk_makes_nothing(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "ROOM", 1 << 60)
    outcome = do(with_login, {"cpu-1": "resume"})
    assert "the disk of the control host is full" in outcome.failed["cpu-1"]
    assert made(with_login) == {"login"}


def test_a_disk_that_fills_meanwhile_is_told(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(clusterdir: ClusterDir, node: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "identity/cpu-1")

    monkeypatch.setattr(authority, "make_identity", full)
    assert do(with_login, {"cpu-1": "resume"}).failed == {"cpu-1": "No space left on device (identity/cpu-1)"}


def test_a_broken_state_is_taken_from_its_copy(with_login: Cluster) -> None:
    do(with_login, {"cpu-1": "resume"})
    with_login.clusterdir.state.write_text(with_login.clusterdir.state.read_text()[:100])
    assert with_login.terraform.mend()
    assert made(with_login) == {"login", "cpu-1"}
    assert not with_login.terraform.mend()


@pytest.mark.parametrize("how", ["gone", "empty", "another's"])
def test_a_lost_state_is_taken_from_its_copy(with_login: Cluster, how: str) -> None:
    state = with_login.clusterdir.state
    before = json.loads(state.read_text())["resources"]
    if how == "gone":
        state.unlink()
    else:
        state.write_text("" if how == "empty" else json.dumps({"version": 4, "resources": []}))
    assert with_login.terraform.mend()
    assert json.loads(state.read_text())["resources"] == before


def test_a_job_that_comes_in_between_keeps_its_node(with_login: Cluster) -> None:
    """Slurm gave an idle node to a job between the plan and the end of its machine."""
    do(with_login, {"cpu-1": "resume", "cpu-2": "resume"})
    observed = with_login.observe()
    todo = plan.plan(with_login.nodeset, observed, {"cpu-1": "suspend", "cpu-2": "suspend"}, by_hand=True)
    taken = SlurmNode("cpu-1", "MIXED", frozenset({"CLOUD", "POWER_DOWN"}))
    with_login.controller.nodes = lambda: {"cpu-1": taken}  # type: ignore[method-assign]
    outcome = rounds.Round(with_login, todo, observed).carry_out().complete()
    assert "allocated to a job" in outcome.failed["cpu-1"]
    assert made(with_login) == {"login", "cpu-1"}
    assert with_login.clusterdir.identity("cpu-1").exists()
    assert json.loads(with_login.clusterdir.names.read_text())["nodes"] == ["cpu-1", "login"]
    assert with_login.controller.told == [(("cpu-1", "cpu-2"), "power_down", SUSPENDED)]  # type: ignore[attr-defined]


def test_a_person_keeps_a_node_down_also_where_its_machine_cannot_be_made(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    fan = SlurmNode("cpu-1", "DOWN", frozenset({"CLOUD"}), "fan", "root")
    with_login.controller.nodes = lambda: {"cpu-1": fan}  # type: ignore[method-assign]
    monkeypatch.setattr(playbook, "run", configured(cpu_1="munge does not start"))
    assert "munge" in do(with_login, {"cpu-1": "resume"}).failed["cpu-1"]
    told = [(state, reason) for _, state, reason in with_login.controller.told]  # type: ignore[attr-defined]
    assert ("power_down_force", "") in told
    assert not [reason for _, reason in told if "munge" in reason]


def test_a_node_that_somebody_got_stays_where_its_configuration_fails(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(with_login, {"cpu-1": "resume"})
    (with_login.clusterdir.identity("cpu-1") / authority.NEW).touch()
    observed = with_login.observe()
    todo = repair.sync(with_login.nodeset, observed, ["login", "cpu-1"])
    assert todo.of(Do.CONFIGURE) == ("cpu-1",)
    monkeypatch.setattr(playbook, "run", configured(cpu_1="munge does not start"))
    taken = SlurmNode("cpu-1", "MIXED", frozenset({"CLOUD"}))
    with_login.controller.nodes = lambda: {"cpu-1": taken}  # type: ignore[method-assign]
    rounds.Round(with_login, todo, observed).carry_out().complete()
    assert made(with_login) == {"login", "cpu-1"}


def test_a_machine_that_cannot_be_cleared_is_its_nodes_failure(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended every later round of the worker."""

    def stuck(name: str, instance: str | None = None) -> None:
        raise CommandError(["machine.sh"], 1, "machine cpu-2: its processes do not end: 7 8\n")

    left = Machine("cpu-2", "old", "", "error", "the creation of cpu-2 did not finish")
    found = with_login.provider.observe()
    monkeypatch.setattr(with_login.provider, "observe", lambda: (*found, left))
    monkeypatch.setattr(with_login.provider, "clear", stuck)
    outcome = do(with_login, {"cpu-1": "resume", "cpu-2": "resume"})
    assert outcome.failed == {"cpu-2": "its machine could not be removed: machine cpu-2: its processes do not end: 7 8"}
    assert made(with_login) == {"login", "cpu-1"}


def test_one_that_cannot_be_planned_stops_no_other(with_login: Cluster) -> None:
    node = (with_login.clusterdir.local / "node" / "main.tf").read_text()
    (with_login.clusterdir.local / "node" / "main.tf").write_text(node.replace('"never"', '"cpu-3"'))
    outcome = do(with_login, {"cpu-1": "resume", "cpu-3": "resume"})
    assert set(outcome.failed) == {"cpu-3"}
    assert "there is no image" in outcome.failed["cpu-3"]
    assert made(with_login) == {"login", "cpu-1"}


def test_a_playbook_that_reaches_nobody_fails_all(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbook, "run", lambda *_, **__: playbook.Run(failed={"": "no inventory"}))
    assert do(with_login, {"cpu-1": "resume"}).failed == {"cpu-1": "no inventory"}
    assert made(with_login) == {"login"}


def test_every_step_is_journaled_with_seconds(with_login: Cluster) -> None:
    observed = with_login.observe()
    todo = plan.plan(with_login.nodeset, observed, {"cpu-1": "resume"})
    rounds.Round(with_login, todo, observed, [Request("17-1", "resume", "cpu-1", 1, None)]).carry_out().complete()
    events = [event for event in journal.read(with_login.clusterdir)[0][-6:] if event["nodes"]]
    assert [event["event"] for event in events] == ["round", "terraform", "machines", "playbook", "done"]
    assert [event.get("batch") for event in events] == [None, None, *[events[0]["round"]] * 3]
    assert all(event["requests"] == ["17-1"] for event in events)
    assert len({event["round"] for event in events}) == 1
    assert all(event["seconds"] >= 0 and event["nodes"] == ["cpu-1"] for event in events[1:])
    assert progress.now(with_login.clusterdir) is None


def test_a_node_that_does_not_register_is_given_up(with_login: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert do(with_login, {"cpu-1": "resume", "cpu-2": "resume"}).failed == {}
    slurm = with_login.controller
    states = {name: SlurmNode(name, "IDLE", frozenset({"CLOUD", "POWERING_UP"})) for name in ("cpu-1", "cpu-2")}
    slurm.nodes = lambda: states  # type: ignore[method-assign]
    asked: list[str] = []

    def register(clusterdir: ClusterDir, nodes: list[Node], booted: frozenset[str]) -> controller.Registration:
        assert booted == {"cpu-1", "cpu-2"}  # Slurm powers them up
        asked.extend(node.name for node in nodes)
        return controller.Registration({"cpu-1": "its slurmd could not be restarted"}, frozenset())

    monkeypatch.setattr(controller, "register", register)
    assert do(with_login, {"cpu-1": "resume", "cpu-2": "resume"}).failed.keys() == {"cpu-1"}
    assert asked == ["cpu-1", "cpu-2"]
    told = slurm.told  # type: ignore[attr-defined]
    assert [(names, state) for names, state, _ in told] == [(("cpu-1",), "power_down_force")]


def test_no_slurmd_is_restarted_once_slurm_has_its_node_up(
    with_login: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver was killed in an apply: cpu-1 is configured anew and registers, and at once a job starts there.

    cpu-2 registers while its slurmd has only just begun, cpu-3 never does.
    """
    assert do(with_login, {"cpu-1": "resume", "cpu-2": "resume", "cpu-3": "resume"}).failed == {}
    (with_login.clusterdir.identity("cpu-1") / "new").touch()
    slurm, asked = with_login.controller, list[tuple[list[str], bool]]()
    up = SlurmNode("", "ALLOCATED", frozenset({"CLOUD"}))
    rising = replace(up, base="IDLE", flags=frozenset({"CLOUD", "POWERING_UP"}))
    now = {"cpu-1": rising, "cpu-2": rising, "cpu-3": rising}
    slurm.nodes = lambda: dict(now)  # type: ignore[method-assign]

    def registers(*_: object, **__: object) -> playbook.Run:
        now["cpu-1"] = up
        return playbook.Run(reached={"cpu-1"})

    def register(
        _: ClusterDir, nodes: list[Node], booted: frozenset[str], *, young_too: bool = False
    ) -> controller.Registration:
        asked.append(([node.name for node in nodes], young_too))
        now["cpu-2"] = up
        return controller.Registration({}, frozenset() if young_too else frozenset({"cpu-2", "cpu-3"}))

    monkeypatch.setattr(playbook, "run", registers)
    monkeypatch.setattr(controller, "register", register)
    monkeypatch.setattr(controller, "YOUNG", 0.1)
    assert do(with_login, {"cpu-1": "resume", "cpu-2": "resume", "cpu-3": "resume"}).failed == {}
    assert asked == [(["cpu-2", "cpu-3"], False), (["cpu-3"], True)]
