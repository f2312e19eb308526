"""What the steps of a round share: the cluster, the plan, what has happened so far; how a step is journaled."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import drains, journal, nodeset
from reconfigure.clusterdir.batches import Claim
from reconfigure.model.request import Request
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds import progress
from reconfigure.slurm.nodes import SLURM_USER

log = logging.getLogger(__name__)
POWERS_DOWN = ("power_down", "power_down_force")  # what has Slurm forget that a node is drained


@dataclass(frozen=True)
class Result:
    """What a step did: whether anything changed, and why nodes failed.

    `impossible` are those of the failed ones whose machines could not even be planned.
    """

    changed: bool = False
    failed: Mapping[str, str] = field(default_factory=dict)
    impossible: frozenset[str] = frozenset()


@dataclass
class Context:
    """One round under way, used under the lock; or a wave of its batch, which has `claim` (batch.py).

    `failed` is why by node, of the steps so far. `guarded` are those of them that somebody got
    meanwhile. `given_up` are nodes of which
    Slurm was told `power_down_force`, with the reason; `requeued` are the ids of
    jobs that Slurm put back because one of their nodes failed.
    """

    cluster: Cluster
    plan: Plan
    observed: Observed
    requests: Sequence[Request] = ()
    id: str = field(default_factory=journal.new_round)
    failed: dict[str, str] = field(default_factory=dict)
    guarded: set[str] = field(default_factory=set)
    given_up: dict[str, str] = field(default_factory=dict)
    requeued: set[int] = field(default_factory=set)
    claim: Claim | None = None

    @property
    def booting(self) -> frozenset[str]:
        """Nodes whose slurmd has to say that it has booted: Slurm powers them up, or waits for their reboot."""
        nodes = {name: self.observed.slurm_node(name) for name in self.plan.brought}
        asked = self.plan.of(Do.POWER_UP)
        return frozenset(n for n, node in nodes.items() if node and (node.power.rising or node.rebooting or n in asked))

    def well(self, names: Iterable[str]) -> list[str]:
        """Return those of the names that have not failed so far."""
        return [name for name in names if name not in self.failed]

    def require(self) -> None:
        """Raise Abandoned if this is of a batch whose process is about to end."""
        if self.claim is not None:
            self.claim.require()

    def write(self, event: str, nodes: Iterable[str], **details: object) -> None:
        """Write an event of this round to the journal; its id joins it to the requests it is for."""
        ids = [request.id for request in self.requests]
        if self.claim is not None:
            details["batch"] = self.claim.id
        journal.write(self.cluster.clusterdir, event, nodes, round=self.id, requests=ids, **details)

    @contextmanager
    def step(self, event: str, nodes: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Journal what is done in the block, with its duration; what the caller puts into the mapping goes along."""
        began, notes = time.monotonic(), dict[str, Any]()
        try:
            with progress.doing(self.cluster.clusterdir, event, nodes, self.id, batch=self.claim is not None):
                yield notes
        finally:
            self.write(event, nodes, seconds=round(time.monotonic() - began, 3), **notes)

    def set_state(self, reasons: Mapping[str, str], state: str, *, as_user: str = SLURM_USER) -> bool:
        """Have Slurm set a state of nodes, those of one reason in one call; return whether it did so for any.

        Nodes that are not Slurm's are passed over, and so are all where Slurm does not answer.
        """
        changed = False
        for why in sorted(set(reasons.values())):
            names = self.cluster.slurm(sorted(name for name, reason in reasons.items() if reason == why))
            if names and self.observed.slurm is not None:
                changed |= self._set_state(names, state, why, as_user)
        return changed

    def _set_state(self, names: Sequence[str], state: str, reason: str, as_user: str) -> bool:
        with self.step("slurm", names) as notes:
            notes.update(state=state, reason=reason)
            if state in POWERS_DOWN:
                self._note_drains(names)
            if state == "power_down_force":
                self.given_up |= dict.fromkeys(names, reason)
            return self.cluster.controller.set_state(names, state, reason, as_user=as_user) is None

    def _note_drains(self, names: Iterable[str]) -> None:
        """Note drains of persons before Slurm forgets them; a full disk keeps no node up that failed."""
        nodes = {name: self.observed.slurm_node(name) for name in names}
        reasons = {name: node.reason for name, node in nodes.items() if node and node.kept and node.drained}
        try:
            drains.note(self.cluster.clusterdir, reasons)
        except OSError as exc:
            log.warning("the drain of %s is not noted: %s", ", ".join(reasons), exc)

    def write_names(self, names: Iterable[str]) -> None:
        """Tell Terraform which nodes shall exist."""
        nodeset.wish(self.cluster.clusterdir, names, self.cluster.nodeset)
