"""What follows at once from a node that failed: Slurm gives it up, its jobs start elsewhere, it is left alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping

from kiwi.common import hostlist
from reconfigure.model.node import Node
from reconfigure.planning import cooldown
from reconfigure.rounds.context import Context, Result

log = logging.getLogger(__name__)
GUARD = "guard"  # the step in which nodes are left out that somebody got meanwhile
SHOWN = 200  # characters of a reason that Slurm is given


def note(context: Context, step: str, result: Result) -> None:
    """Note the failures of a step, those of one reason together; of each node the first one in a round counts.

    Raise Abandoned, before anything is noted, if what failed may have failed of the end of this process.
    """
    context.require()
    fresh = {name: reason for name, reason in result.failed.items() if name not in context.failed}
    if step == GUARD:  # they are well, and somebody has them: neither Slurm nor the cooldown is told
        context.failed |= fresh
        context.guarded |= fresh.keys()
        for name, reason in fresh.items():
            context.write("refused", [name], reason=reason)
        return
    impossible = {name: reason for name, reason in fresh.items() if name in result.impossible}
    for permanent, reasons in ((True, impossible), (False, {n: r for n, r in fresh.items() if n not in impossible})):
        context.failed |= reasons
        _leave_alone(context, reasons, permanent)
        for reason in dict.fromkeys(reasons.values()):
            _report(context, step, sorted(name for name in reasons if reasons[name] == reason), reason)
        names = set(context.cluster.slurm(context.plan.brought & reasons.keys()))
        start_jobs(context, names, {job for request in context.requests for job in request.jobs_waiting_for(names)})


def _report(context: Context, step: str, names: list[str], reason: str) -> None:
    log.error("%s: failed: %s", hostlist.fold(names), reason)
    context.write("failed", names, step=step, reason=reason)
    awaited = [name for name in names if name in context.plan.brought]
    nodes = {name: context.observed.slurm_node(name) for name in awaited}
    kept = [name for name, node in nodes.items() if node is not None and node.kept]  # a person's reason stays
    context.set_state(dict.fromkeys(kept, ""), "power_down_force")
    reasons = dict.fromkeys((n for n in awaited if n not in kept), reason[:SHOWN].replace('"', "'"))
    context.set_state(reasons, "power_down_force")


def _leave_alone(context: Context, reasons: Mapping[str, str], permanent: bool) -> None:
    """Begin or prolong the cooldown of nodes that did not come up, and of their like where it is permanent."""
    failed = {name: reasons[name] for name in context.plan.brought & reasons.keys()}
    if permanent:
        failed |= _like(context, failed)
    if failed:
        cooldown.failed(context.cluster.clusterdir, failed, time.time(), permanent=permanent)


def _like(context: Context, reasons: Mapping[str, str]) -> dict[str, str]:
    """Return the nodes without a machine that would be made in the same way as those that cannot be."""
    nodes, there = context.cluster.nodeset, context.observed.state.keys() | context.plan.brought
    causes = {_recipe(nodes[name]): why for name, why in reasons.items()}
    return {n: causes[_recipe(nodes[n])] for n in nodes.keys() - there if _recipe(nodes[n]) in causes}


def _recipe(node: Node) -> tuple[str, str, str]:
    """Return what the making of a node's machine depends on."""
    return node.partition, node.image, node.flavor


def start_jobs(context: Context, names: Iterable[str], jobs: Collection[int]) -> None:
    """Have requeued jobs start at once: Slurm delays them by a minute, but what failed was a node, not the job."""
    if jobs:
        with context.step("requeue", names) as notes:
            notes["jobs"] = sorted(jobs)
            context.cluster.controller.start_now(jobs)
        context.requeued.update(jobs)
