"""One observation of a cluster: what Terraform, the machines and Slurm say, and what earlier runs noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from reconfigure.providers.base import Machine
from reconfigure.slurm.nodes import Power, SlurmNode
from reconfigure.terraform.events import Instance


@dataclass(frozen=True)
class Observed:
    """One observation: Terraform's state, machines, Slurm's nodes (None: not asked, or no answer).

    `new` are machines that were made and never configured, `remade` those that
    were made while Slurm was away; `running` are the ids of the jobs that Slurm
    believes to run, by node. `identities` are nodes that have keys here, `written` the names that
    Terraform is told shall exist (None: the same as the state), `held` nodes that
    failed and are left alone, with the reason. `bookings` are nodes that somebody
    holds, with a sentence that says who and until when (None: not asked, or no answer).
    `drains` are drains of persons that a killed driver may have had Slurm forget, with the reason.
    `busy` are nodes that a batch brings up at this moment: what else is seen of them is not final, and nothing is
    decided about them.
    """

    state: Mapping[str, Instance]
    machines: tuple[Machine, ...]
    slurm: Mapping[str, SlurmNode] | None = None
    new: frozenset[str] = frozenset()
    remade: frozenset[str] = frozenset()
    running: Mapping[str, frozenset[int]] = field(default_factory=dict)
    identities: frozenset[str] = frozenset()
    written: frozenset[str] | None = None
    held: Mapping[str, str] = field(default_factory=dict)
    bookings: Mapping[str, str] | None = None
    drains: Mapping[str, str] = field(default_factory=dict)
    busy: frozenset[str] = frozenset()

    def healthy(self, name: str) -> bool:
        """Return whether a node is in Terraform's state, whole, and its machine runs."""
        entry = self.state.get(name)
        return entry is not None and not entry.tainted and self._runs(name, entry.id)

    def _runs(self, name: str, instance: str) -> bool:
        return instance in self._running.get(name, ())

    def runs(self, name: str) -> bool:
        """Return whether any machine of that name runs, also one that Terraform does not know of."""
        return name in self._running

    @cached_property
    def _running(self) -> Mapping[str, frozenset[str]]:
        """The instances that run, by node name: looked up for each node that there may be."""
        found: dict[str, set[str]] = {}
        for machine in self.machines:
            if machine.state == "running":
                found.setdefault(machine.name, set()).add(machine.instance)
        return {name: frozenset(instances) for name, instances in found.items()}

    def slurm_node(self, name: str) -> SlurmNode | None:
        """Return a node as Slurm has it; None where it has none of that name, or does not answer."""
        return (self.slurm or {}).get(name)

    def awaited(self, name: str) -> bool:
        """Return whether Slurm is powering the node up and no configured machine is there.

        Its request was lost (a full disk, a login node made anew), or is on its way.
        """
        node = self.slurm_node(name)
        return node is not None and node.power is Power.POWERING_UP and not self.configured(name)

    def configured(self, name: str) -> bool:
        """Return whether its machine runs and was configured."""
        return self.healthy(name) and name not in self.new
