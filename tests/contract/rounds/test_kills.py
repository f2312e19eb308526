"""A driver killed before any step, or after the last: the next `sync` brings about the same."""

from __future__ import annotations

import pytest

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import lock
from reconfigure.planning import plan, repair
from reconfigure.rounds import round as rounds
from reconfigure.rounds.context import Context, Result
from reconfigure.rounds.steps import STEPS, Step
from reconfigure.ssh import authority
from tests.contract.rounds.rig import do, made

PERSISTENT = ("login", "cpu-1", "cpu-3")


class Killed(BaseException):
    """Stands for kill -9: nothing that follows is done."""


def kill(context: Context) -> Result:
    raise Killed


def test_every_step_has_a_name_of_its_own() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)


@pytest.mark.parametrize(
    "before", [*range(len(STEPS)), len(STEPS)], ids=[*(f"before {s.name}" for s in STEPS), "after all"]
)
def test_killed_before_a_step(with_login: Cluster, monkeypatch: pytest.MonkeyPatch, before: int) -> None:
    cluster = with_login
    assert do(cluster, {"cpu-2": "resume"}).failed == {}
    observed = cluster.observe()
    todo = plan.plan(cluster.nodeset, observed, {"cpu-1": "resume", "cpu-3": "resume", "cpu-2": "suspend"})
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(rounds, "STEPS", (*STEPS[:before], Step("killed", kill), *STEPS[before:]))
        rounds.Round(cluster, todo, observed).carry_out()
    with lock.locked(cluster.clusterdir, 1):
        observed = cluster.observe()
        rounds.Round(cluster, repair.sync(cluster.nodeset, observed, PERSISTENT), observed).carry_out()
    assert {"login", "cpu-1", "cpu-3"} <= made(cluster) <= {"login", "cpu-1", "cpu-2", "cpu-3"}  # a node beyond stays
    observed = cluster.observe()
    assert not repair.sync(cluster.nodeset, observed, PERSISTENT).changes
    assert authority.unconfigured(cluster.clusterdir) == set()
    assert authority.identities(cluster.clusterdir) == made(cluster)
    assert observed.written == made(cluster)
