"""The steps of a round (LOCKED), of a wave of its batch (WAVE), and after failures of that (AFTER), in their order.

Each takes the Context and returns its Result. A step leaves out the nodes that failed in one before it. Its failures
are noted when it ends, or by itself where it goes on after them. A step's
name is what the journal's `failed` events carry, and what `failure_causes` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from kiwi.common import hostlist, waiting
from kiwi.common.errors import KiwiError
from kiwi.common.process import CommandError
from reconfigure.clusterdir import batches
from reconfigure.planning import cooldown, guard
from reconfigure.planning.actions import Do
from reconfigure.rounds import failures, machines, playbook, slurm_states
from reconfigure.rounds.context import Context, Result
from reconfigure.slurm import controller
from reconfigure.ssh import authority
from reconfigure.terraform import client as terraform


class Step(NamedTuple):
    """One step: its name, and what it does."""

    name: str
    run: Callable[[Context], Result]


def ask_again(context: Context) -> Result:
    """Have the guard judge once more what is to be removed: somebody may have got it since the plan was made."""
    plan, cluster = context.plan, context.cluster
    running = {machine.instance for machine in context.observed.machines if machine.state == "running"}
    names = {action.node for action in plan.actions if action.do is Do.CLEAR and action.instance in running}
    names |= {name for name in plan.of(Do.DESTROY) if context.observed.runs(name)}
    names -= set(plan.of(Do.FORCE))
    if not names:
        return Result()
    now = cluster.ask(context.observed)
    stops = {name: found for name in sorted(names) if (found := guard.stop(cluster.nodeset, now, name))}
    return Result(failed={name: f"not removed: {found.why}" for name, found in stops.items()})


def clear(context: Context) -> Result:
    """Remove machines that Terraform does not know of; one that cannot be removed is its node's failure."""
    found = [action for action in context.plan.actions if action.do is Do.CLEAR and action.node not in context.failed]
    failed = dict[str, str]()
    for action in found:
        with context.step("clear", [action.node]) as notes:
            notes["instance"] = action.instance
            failed |= _cleared(context, action.node, action.instance)
    return Result(bool(found), failed)


def _cleared(context: Context, name: str, instance: str | None) -> dict[str, str]:
    """Remove a node's machine; return why that failed, by node."""
    try:
        context.cluster.provider.clear(name, instance)
    except (CommandError, OSError) as exc:
        why = exc.stderr.strip() if isinstance(exc, CommandError) else str(exc)
        return {name: f"its machine could not be removed: {why.splitlines()[-1] if why else 'no reason given'}"}
    return {}


def forget_keys(context: Context) -> Result:
    """Remove the keys of nodes that have no machine."""
    authority.forget(context.cluster.clusterdir, context.plan.of(Do.FORGET))
    return Result()


def drop(context: Context) -> Result:
    """Have batches let go of nodes that are to be removed."""
    batches.drop(context.cluster.clusterdir, context.plan.of(Do.DROP))
    return Result()


def configure(context: Context) -> Result:
    """Make the new machines nodes, by the playbook."""
    names, cluster = context.well(context.plan.of(Do.CONFIGURE)), context.cluster
    if not names:
        return Result()
    with context.step("playbook", names) as notes:
        variables = {**cluster.site.data, "slurm_booting": sorted(context.booting)}
        if context.claim is None:
            raise KiwiError(f"nobody holds {hostlist.fold(names)}; a fault of the driver")
        run = playbook.run(context.claim, "node.yml", variables, limit=",".join(names))
        notes["failed"] = run.failed
    missed = {name: run.failed.get("", "the playbook did not reach it") for name in set(names) - run.reached}
    failed = {name: why for name, why in {**missed, **run.failed}.items() if name}
    failures.note(context, "playbook", Result(failed=failed))  # before anything that a full disk stops
    configured = set(names) - failed.keys()
    authority.mark_configured(cluster.clusterdir, configured)
    cooldown.well(cluster.clusterdir, configured)
    return Result(True)


def register(context: Context) -> Result:
    """Have slurmd of running nodes register anew, but none that Slurm has up by now: a job may start there.

    That job would be lost: Slurm takes a slurmd that says it has booted for a crash. A slurmd that has just begun
    (configured in this round, or by one that was killed) is given the time to register.
    """
    names = _not_up(context, context.well(context.plan.of(Do.REGISTER)))
    if not names:
        return Result()
    clusterdir, nodeset = context.cluster.clusterdir, context.cluster.nodeset
    with context.step("register", names):
        found = controller.register(clusterdir, [nodeset[name] for name in names], context.booting)
        left = sorted(found.just_began)
        if left:
            left = waiting.until(lambda: _not_up(context, left), controller.YOUNG, done=lambda n: not n, pause=0.5)
        nodes = [nodeset[name] for name in left]
        again = controller.register(clusterdir, nodes, context.booting, young_too=True).failed if left else {}
        return Result(True, {**found.failed, **again})


def _not_up(context: Context, names: Collection[str]) -> list[str]:
    """Return those of the nodes that Slurm does not have up and in service now; all where it does not answer."""
    nodes = (context.cluster.controller.nodes() if names else None) or {}
    return [name for name in names if name not in nodes or not nodes[name].in_service]


def clean_up(context: Context) -> Result:
    """Remove what failed to be made, so that the state holds whole machines only."""
    broken, cluster = sorted((context.failed.keys() & context.plan.brought) - context.guarded), context.cluster
    if not broken:
        return Result()
    with context.step("cleanup", broken) as notes:
        state = cluster.terraform.instances()
        stays = _used(context, set(broken) - set(context.plan.made))
        for name in (name for name in broken if name not in stays):
            stays |= _cleared(context, name, state[name].id if name in state else None)
        notes["failed"] = stays
        gone = [name for name in broken if name not in stays]
        context.write_names(state.keys() - set(gone))
        if there := [name for name in gone if name in state]:
            terraform.check(cluster.terraform.plan(there), (), there)
            cluster.terraform.apply(there)
        authority.forget(cluster.clusterdir, gone)
    return Result()


def _used(context: Context, names: Collection[str]) -> dict[str, str]:
    """Return why machines that were there before this round stay, though their configuration failed."""
    if not names:
        return {}
    now, nodeset = context.cluster.ask(context.observed), context.cluster.nodeset
    return {name: found.why for name in names if (found := guard.stop(nodeset, now, name))}


def forget_remade(context: Context) -> Result:
    """Note that Slurm now knows of the lost jobs of nodes that were made anew while it was away."""
    if context.observed.slurm is not None:
        authority.unmark_remade(context.cluster.clusterdir, context.observed.remade - context.observed.busy)
    return Result()


AFTER = (
    Step("cleanup", clean_up),
    Step("end jobs", slurm_states.end_jobs),
    Step("drain again", slurm_states.drain_again),
    Step("start jobs", slurm_states.start_jobs_again),
)
LOCKED = (
    Step("slurm", slurm_states.set_states),
    Step(failures.GUARD, ask_again),
    Step("drop", drop),
    Step("clear", clear),
    Step("forget", forget_keys),
    Step("terraform", machines.make_and_remove),
    *AFTER,
    Step("remade", forget_remade),
)
WAVE = (
    Step("playbook", configure),
    Step("register", register),
)
