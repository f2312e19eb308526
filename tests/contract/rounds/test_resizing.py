"""Nodes that leave: drained at once, removed when nobody has them, brought back by nobody; killed, it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import files
from reconfigure.clusterdir import sizes as sizes_file
from reconfigure.clusterdir.sizes import Size, Sizes
from reconfigure.lifecycle import resizing as lifecycle
from reconfigure.planning import repair, sizes
from reconfigure.rounds import resizing
from reconfigure.rounds import round as rounds
from reconfigure.site import data as site_data
from reconfigure.slurm.jobs import Job
from reconfigure.slurm.nodes import SLURM_USER, SlurmNode
from tests.contract.rounds.rig import NAMES, do, made
from tests.contract.rounds.test_kills import Killed, kill

ALL = {"login", "cpu-1", "cpu-2", "cpu-3"}


class Slurm:
    """Slurm as far as a resize asks it: drains, jobs by node, SuspendExcNodes."""

    def __init__(self) -> None:
        self.jobs_of: dict[str, str] = {}
        self.drains: dict[str, tuple[str, str]] = {}
        self.exc = "cpu-[1-3]"
        self.gone: set[str] = set()

    def nodes(self) -> dict[str, SlurmNode]:
        return {name: self._node(name) for name in NAMES[1:]}

    def _node(self, name: str) -> SlurmNode:
        flags = {"CLOUD"} | ({"DRAIN"} if name in self.drains else set())
        flags |= {"POWERED_DOWN"} if name in self.gone else set()
        return SlurmNode(
            name,
            "ALLOCATED" if name in self.jobs_of else "IDLE",
            frozenset(flags),
            *self.drains.get(name, ("", "")),
        )

    def set_state(self, names: Any, state: str, reason: str = "", as_user: str = SLURM_USER) -> None:
        for name in names:
            if state == "drain":
                self.drains[name] = (reason, as_user)
            elif state == "undrain":
                self.drains.pop(name)
            elif state == "power_down":
                self.gone.add(name)
            elif state == "power_up":
                self.gone.discard(name)

    def jobs(self) -> tuple[Job, ...]:
        return tuple(
            Job(number, "RUNNING", "alice", ("cpu",), 1, frozenset(), frozenset({name}))
            for name, number in self.jobs_of.items()
        )

    def excluded(self) -> str:
        return self.exc

    def exclude(self, nodes: str) -> bool:
        self.exc = nodes
        return True

    def running(self) -> dict[str, frozenset[int]]:
        return {}

    def start_now(self, jobs: object) -> None: ...


@pytest.fixture
def slurm(with_login: Cluster) -> Slurm:
    """Three nodes are up, by `min_nodes: 3`."""
    found = Slurm()
    with_login.controller = found  # type: ignore[assignment]
    data = dict(site_data.load(None).data)
    parts = [{**part, "min_nodes": 3 if part["name"] == "cpu" else 0} for part in data["partitions"]]
    files.write_json(with_login.clusterdir.site, {**data, "partitions": parts})
    with_login.site = site_data.freeze({**data, "partitions": parts})
    assert do(with_login, dict.fromkeys(NAMES[1:], "resume")).failed == {}
    assert made(with_login) == ALL
    return found


def begin(cluster: Cluster, count: int) -> None:
    lifecycle.begin(cluster, {"cpu": count}, cluster.site)


def test_idle_nodes_go_busy_ones_when_they_are_free(with_login: Cluster, slurm: Slurm) -> None:
    slurm.jobs_of = {"cpu-2": "7"}
    slurm.drains = {"cpu-3": ("fan", "root")}
    begin(with_login, 1)
    assert resizing.advance(with_login).waits == {"cpu-2": "job 7 of alice"}
    assert made(with_login) == {"login", "cpu-1", "cpu-2"}
    assert slurm.drains["cpu-2"] == (sizes.DRAINED, SLURM_USER)
    assert slurm.drains["cpu-3"] == ("fan", "root"), "what a person drained stays so"
    assert slurm.exc == "cpu-1"
    slurm.jobs_of = {}
    assert resizing.advance(with_login).done
    assert made(with_login) == {"login", "cpu-1"}
    assert slurm.drains == {"cpu-3": ("fan", "root")}
    assert sizes_file.read(with_login.clusterdir) == Sizes({"cpu": Size(("cpu-1",), 3)})


def test_a_slurm_that_forgets_who_drained_it_gives_it_back_too(with_login: Cluster, slurm: Slurm) -> None:
    """22.05 after a reconfigure: the end of the round takes the drain for a person's and sets it again."""
    slurm.jobs_of = {"cpu-2": "7"}
    begin(with_login, 2)
    begin(with_login, 1)
    resizing.advance(with_login)
    slurm.drains["cpu-2"] = (sizes.DRAINED, "root")
    slurm.jobs_of = {}
    assert resizing.advance(with_login).done
    assert (slurm.drains, made(with_login)) == ({}, {"login", "cpu-1"})


def test_nobody_brings_back_what_leaves(with_login: Cluster, slurm: Slurm) -> None:
    begin(with_login, 1)
    observed = with_login.observe()
    assert not repair.sync(with_login.nodeset, observed, with_login.persistent(), alone=True).changes
    resizing.advance(with_login)
    observed = with_login.observe()
    assert not repair.sync(with_login.nodeset, observed, with_login.persistent(), alone=True).brought


@pytest.mark.parametrize("before", range(len(rounds.LOCKED) + 1))
def test_killed_in_the_middle_the_next_step_goes_on(
    with_login: Cluster, slurm: Slurm, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    begin(with_login, 1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        steps = rounds.LOCKED
        patch.setattr(rounds, "LOCKED", (*steps[:before], rounds.LOCKED[0]._replace(run=kill), *steps[before:]))
        resizing.advance(with_login)
    assert resizing.advance(with_login).done
    assert made(with_login) == {"login", "cpu-1"}
    assert slurm.drains == {}


def test_a_cancel_gives_back_what_is_still_there(with_login: Cluster, slurm: Slurm) -> None:
    slurm.jobs_of = {"cpu-2": "7"}
    begin(with_login, 1)
    resizing.advance(with_login)
    assert lifecycle.cancel(with_login) == ("cpu-2",)
    assert resizing.advance(with_login).done
    assert (slurm.drains, slurm.exc) == ({}, "cpu-[1-2]")
    assert made(with_login) == {"login", "cpu-1", "cpu-2"}
    assert with_login.persistent() == {"login", "cpu-1", "cpu-2"}


def test_more_nodes_come_and_one_that_was_to_go_stays(with_login: Cluster, slurm: Slurm) -> None:
    slurm.jobs_of = {"cpu-2": "7"}
    begin(with_login, 1)
    resizing.advance(with_login)
    begin(with_login, 3)
    found = resizing.advance(with_login, ["cpu-1", "cpu-2", "cpu-3"])
    assert (found.coming, found.batch is not None and found.batch.carry_out()) == (("cpu-3",), {})
    assert resizing.advance(with_login, ["cpu-1", "cpu-2", "cpu-3"]).done
    assert (slurm.drains, slurm.exc, made(with_login)) == ({}, "cpu-[1-3]", ALL)
    assert sizes_file.read(with_login.clusterdir) == Sizes()


def test_a_silent_slurm_keeps_all(with_login: Cluster, slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(with_login, 1)
    monkeypatch.setattr(slurm, "nodes", lambda: None)
    assert set(resizing.advance(with_login).waits) == {"cpu-2", "cpu-3"}
    assert made(with_login) == ALL
