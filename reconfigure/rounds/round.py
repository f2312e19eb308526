"""A round: one plan carried out on a cluster, step by step, each step in the journal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reconfigure.cluster.cluster import Cluster
from reconfigure.model.request import Request
from reconfigure.planning.actions import Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds import failures
from reconfigure.rounds.context import Context
from reconfigure.rounds.steps import STEPS


@dataclass(frozen=True)
class Outcome:
    """What a round did: reason by node that failed, whether anything changed."""

    failed: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False


class Round:
    """One plan; use under the lock. `requests` are those of Slurm's that it is for."""

    def __init__(self, cluster: Cluster, plan: Plan, observed: Observed, requests: Sequence[Request] = ()) -> None:
        self._context = Context(cluster, plan, observed, requests)

    def carry_out(self) -> Outcome:
        """Do all of the plan and return what came of it; a node that fails stops no other.

        Raise KiwiError or OSError where a step fails that is no node's: the next round does what is left.
        """
        context, began = self._context, time.monotonic()
        if context.plan.changes:
            context.write("round", context.plan.touched, command=" ".join(["reconfigure", *sys.argv[1:]]))
        changed = False
        for step in STEPS:
            result = step.run(context)
            changed |= result.changed
            failures.note(context, step.name, result)
        if context.plan.changes:
            seconds = round(time.monotonic() - began, 3)
            context.write("done", context.plan.touched, seconds=seconds, failed=sorted(context.failed))
        return Outcome(dict(context.failed), changed)
