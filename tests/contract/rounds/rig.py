"""A cluster whose Terraform is real and whose machines, playbook and Slurm are not: what rounds are tried on."""

from __future__ import annotations

from typing import Any

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir.batches import Claim
from reconfigure.planning import plan
from reconfigure.providers.base import Machine
from reconfigure.rounds import playbook
from reconfigure.rounds import round as rounds

NAMES = ("login", "cpu-1", "cpu-2", "cpu-3")


class FakeProvider:
    """Machines are what the state holds; remembers what was cleared."""

    def __init__(self) -> None:
        self.cleared: list[tuple[str, str | None]] = []
        self.terraform: Any = None

    def prepare(self) -> tuple[str, ...]:
        return ()

    def elsewhere(self) -> str:
        return ""

    def teardown(self) -> None: ...

    def observe(self) -> tuple[Machine, ...]:
        return tuple(Machine(n, i.id, "", "running", "") for n, i in self.terraform.instances().items())

    def clear(self, name: str, instance: str | None = None) -> None:
        self.cleared.append((name, instance))


def configured(**failed: str) -> Any:
    """A playbook that reaches every host of its limit but the failed ones."""

    def run(claim: Claim, name: str, variables: object, limit: str) -> playbook.Run:
        hosts = set(limit.split(","))
        reasons = {host.replace("_", "-"): why for host, why in failed.items()}
        return playbook.Run(failed={host: why for host, why in reasons.items() if host in hosts}, reached=hosts)

    return run


def do(cluster: Cluster, wishes: dict[str, str]) -> rounds.Outcome:
    observed = cluster.observe()
    return rounds.Round(cluster, plan.plan(cluster.nodeset, observed, wishes), observed).carry_out().complete()


def made(cluster: Cluster) -> set[str]:
    return set(cluster.terraform.instances())
