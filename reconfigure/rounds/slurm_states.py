"""The steps in which Slurm is told of nodes.

What a person set stays: its reason is set again in a person's name, and a node that a person
set DOWN is put back in service by nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconfigure.clusterdir import drains
from reconfigure.planning.actions import Do
from reconfigure.rounds import failures
from reconfigure.rounds.context import Context, Result
from reconfigure.slurm.nodes import PERSON

SAID = ((Do.RETURN, "resume"), (Do.POWER_UP, "power_up"), (Do.UNDRAIN, "undrain"))


def set_states(context: Context) -> Result:
    """Tell Slurm which nodes are lost, given up, brought, left alone or given back."""
    plan, lost = context.plan, context.plan.reasons(Do.LOST)
    changed = [_down(context, lost)]
    jobs = {job for name in lost for job in context.observed.running.get(name, ())}
    failures.start_jobs(context, lost, jobs)
    changed.append(_power_down(context, plan.reasons(Do.POWER_DOWN)))
    suspended = plan.reasons(Do.SUSPEND)
    kept = _kept(context, suspended)
    changed.append(_say(context, kept, "power_down"))
    changed.append(context.set_state({n: why for n, why in suspended.items() if n not in kept}, "power_down"))
    changed += [_say(context, plan.of(do), state) for do, state in SAID]
    changed.append(context.set_state(plan.reasons(Do.DRAIN), "drain"))
    # At once, since the node takes jobs; those that are powered down once more come at the end of the round.
    changed.append(_drain(context, set(plan.of(Do.DRAIN_AGAIN)) - context.given_up.keys() - suspended.keys()))
    return Result(any(changed))


def end_jobs(context: Context) -> Result:
    """Have Slurm not wait for the end of jobs whose machine was removed: nothing reports their end."""
    # Of a node that failed to be removed, the machine may still be there.
    gone = context.given_up.keys() - (context.failed.keys() - context.plan.brought)
    nodes = (gone and context.cluster.controller.nodes()) or {}
    reasons = {name: context.given_up[name] for name in gone & nodes.keys() if nodes[name].completing}
    changed = [_down(context, reasons), _power_down(context, reasons, down=reasons)]
    return Result(any(changed))


def drain_again(context: Context) -> Result:
    """Drain the nodes again that a person had drained, with their reason: Slurm forgets it where it powers one down."""
    nodes = {name: context.observed.slurm_node(name) for name in (*context.given_up, *context.plan.of(Do.SUSPEND))}
    drained = {name for name, node in nodes.items() if node is not None and node.drained}
    drains.forget(context.cluster.clusterdir, context.observed.drains.keys() - context.cluster.nodeset.keys())
    return Result(_drain(context, drained))


def start_jobs_again(context: Context) -> Result:
    """End the delay of requeued jobs once more: a job that ran is requeued only when its processes are gone."""
    if context.requeued:
        context.cluster.controller.start_now(context.requeued)
    return Result()


def _drain(context: Context, names: Iterable[str]) -> bool:
    """Set drains of persons again; the note of one that stands is taken away."""
    reasons, changed = _kept(context, names), False
    for why in dict.fromkeys(reasons.values()):
        some = {name: why for name in reasons if reasons[name] == why}
        if context.set_state(some, "drain", as_user=PERSON):
            drains.forget(context.cluster.clusterdir, some)
            changed = True
    return changed


def _kept(context: Context, names: Iterable[str]) -> dict[str, str]:
    """Return those of the names that a person took out of service, with their reason."""
    nodes = {name: context.observed.slurm_node(name) for name in names}
    return {name: node.reason for name, node in nodes.items() if node is not None and node.kept}


def _say(context: Context, names: Iterable[str], state: str) -> bool:
    return context.set_state(dict.fromkeys(names, ""), state)


def _down(context: Context, reasons: Mapping[str, str]) -> bool:
    """Have Slurm give up the jobs of these nodes."""
    kept = _kept(context, reasons)
    changed = context.set_state(kept, "down", as_user=PERSON)
    return context.set_state({name: why for name, why in reasons.items() if name not in kept}, "down") or changed


def _power_down(context: Context, reasons: Mapping[str, str], down: Iterable[str] = ()) -> bool:
    """Have Slurm power nodes down; `down` are some that were set DOWN meanwhile, which they are no longer then."""
    kept, lost = _kept(context, reasons), {*down, *context.plan.of(Do.LOST)}
    nodes = {name: context.observed.slurm_node(name) for name in reasons.keys() - kept.keys()}
    crashed = [name for name, node in nodes.items() if name in lost or (node is not None and node.down)]
    changed = [_say(context, crashed, "resume"), _say(context, kept, "power_down_force")]
    changed.append(context.set_state({name: reasons[name] for name in nodes}, "power_down_force"))
    return any(changed)
