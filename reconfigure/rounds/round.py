"""A round: one plan carried out on a cluster, step by step, each step in the journal; what takes long, by its batch."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import lock
from reconfigure.model.request import Request
from reconfigure.planning.actions import Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds import failures
from reconfigure.rounds.batch import Batch
from reconfigure.rounds.context import Context
from reconfigure.rounds.steps import LOCKED


@dataclass(frozen=True)
class Outcome:
    """What a round did: reason by node that failed, whether anything changed; the batch with what is left (or None)."""

    failed: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False
    batch: Batch | None = None

    def complete(self) -> Outcome:
        """Carry out what is left, and return what came of all. Not under the lock; raise as Batch.carry_out does."""
        if self.batch is None:
            return self
        return Outcome({**self.failed, **self.batch.carry_out()}, True)


class Round:
    """One plan; use under the lock. `requests` are those of Slurm's that it is for."""

    def __init__(self, cluster: Cluster, plan: Plan, observed: Observed, requests: Sequence[Request] = ()) -> None:
        self._context = Context(cluster, plan, observed, requests)

    def carry_out(self) -> Outcome:
        """Do what needs the lock and return what came of it, with a batch for the nodes that are to be brought up.

        The login node is brought up at once: without it nothing else can be done. A node that fails stops no other.
        Raise KiwiError or OSError where a step fails that is no node's: the next round does what is left.
        """
        context, began = self._context, time.monotonic()
        if context.plan.changes:
            context.write("round", context.plan.touched, command=" ".join(["reconfigure", *sys.argv[1:]]))
        changed = False
        for step in LOCKED:
            result = step.run(context)
            changed |= result.changed
            failures.note(context, step.name, result)
        done = Outcome(dict(context.failed), changed, self._batch())
        left = done.batch.nodes if done.batch else frozenset()
        if context.plan.changes:
            seconds, names = round(time.monotonic() - began, 3), context.plan.touched - left
            context.write("done", names, seconds=seconds, failed=sorted(context.failed))
        return done.complete() if "login" in left else done

    def _batch(self) -> Batch | None:
        context = self._context
        names = context.well(context.plan.brought)
        if not names:
            return None
        clusterdir = context.cluster.clusterdir
        return Batch(context, nullcontext if "login" in names else lambda: lock.locked(clusterdir, None))
