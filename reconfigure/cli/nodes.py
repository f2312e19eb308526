"""Commands that make and remove nodes: observe, plan, show; carried out unless it is a dry run."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Collection, Mapping
from functools import partial

from kiwi.common import hostlist, waiting
from kiwi.common.commandline import BY_HAND, complete
from kiwi.common.errors import FAILED, OK, UNREACHABLE, UsageError
from reconfigure.cli import tables
from reconfigure.cli.common import DRY_RUN, FORCE, Commands, Options, add, print_json
from reconfigure.cli.common import cluster as cluster_of
from reconfigure.cluster import reach
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import batches, journal, lock
from reconfigure.lifecycle import edits, setup
from reconfigure.planning import plan, repair
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds import resizing
from reconfigure.rounds.round import Round
from reconfigure.slurm.nodes import Power, SlurmNode

log = logging.getLogger(__name__)
REST = 15  # seconds that Slurm may take for what shall follow by itself: a registration, the end of powering down


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare sync, resume and suspend."""
    command = add(commands, "sync", sync, "make Terraform, machines and Slurm agree", "sync --dry-run", BY_HAND)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    command.add_argument("--force", action="store_true", help=FORCE)
    adopt = "first write machines that run into Terraform's state, where that was lost"
    text = "have Slurm use nodes again that were drained for an edit of the site data which is in force now"
    command.add_argument("--give-back", action="store_true", help=text)
    command.add_argument("--adopt", action="store_true", help=adopt)
    for name, does in (("resume", "make nodes"), ("suspend", "remove nodes that run no job")):
        command = add(commands, name, by_hand, does, f"{name} cpu-[2-3]", BY_HAND)
        text = "names as Slurm writes them, such as cpu-[2-3],lab-1"
        complete(command.add_argument("nodes", metavar="NODES", help=text), "_reconfigure_nodes")
        command.add_argument("--dry-run", action="store_true", help=DRY_RUN)
        if name == "suspend":
            command.add_argument("--force", action="store_true", help=FORCE)


def sync(options: Options) -> int:
    """Make Terraform, machines and Slurm agree."""

    def decide(cluster: Cluster, observed: Observed) -> Plan:
        return repair.sync(cluster.nodeset, observed, cluster.persistent(), force=options.force)

    cluster = cluster_of(options)
    if options.adopt and options.dry_run:
        raise UsageError("--adopt: found --dry-run beside it; needs to be alone: it writes the state, and nothing else")
    if not options.dry_run:
        setup.refresh_images(cluster.clusterdir, cluster.site)
    if options.adopt:
        _adopt(cluster)
    return _change(
        cluster, decide, dry_run=options.dry_run, as_json=options.json, mend=True, give_back=options.give_back
    )


def _mend_host(cluster: Cluster) -> tuple[str, ...]:
    """Make whole what the machines of the cluster share on this host; return what was made or mended."""
    mended = cluster.provider.prepare()
    if mended:
        log.info("made or mended on this host: %s", ", ".join(mended))
    return mended


def _adopt(cluster: Cluster) -> None:
    """Write the machines that run and that Terraform does not know of into its state."""
    with lock.locked(cluster.clusterdir, lock.WAIT):
        cluster.terraform.mend()
        known = cluster.terraform.instances()
        found = [machine for machine in cluster.provider.observe() if machine.state == "running"]
        lost = {m.name: m for m in found if m.name in cluster.nodeset and m.name not in known}
        resources = {name: cluster.provider.resource(cluster.nodeset[name], m) for name, m in lost.items()}
        cluster.terraform.adopt(resources)
        if lost:
            journal.write(cluster.clusterdir, "adopted", sorted(lost))
        log.info("adopted: %s", hostlist.fold(lost) or "no machine: Terraform's state has all that run")


def by_hand(options: Options) -> int:
    """Make or remove the named nodes."""
    cluster = cluster_of(options)
    names = hostlist.expand(options.nodes)
    unknown = [name for name in names if name not in cluster.nodeset]
    if unknown or not names:
        found = hostlist.fold(unknown) if unknown else "none"
        raise UsageError(f"nodes: found {found}; needs some of {hostlist.fold(cluster.nodeset)}")
    wishes = dict.fromkeys(names, options.command)

    def decide(cluster: Cluster, observed: Observed) -> Plan:
        return plan.plan(cluster.nodeset, observed, wishes, by_hand=True, force=force)

    force, resume = options.command == "suspend" and options.force, options.command == "resume"
    if batches.busy(cluster.clusterdir) & set(names) and not options.dry_run:
        with lock.locked(cluster.clusterdir, lock.WAIT):  # a batch may have ended since
            batches.drop(cluster.clusterdir, decide(cluster, cluster.observe()).of(Do.DROP))
    if resume and not options.dry_run:
        _await_off(cluster, names)
    code = _change(cluster, decide, dry_run=options.dry_run, as_json=False, wished=names, await_up=resume)
    kept = sorted(cluster.persistent().intersection(names) - {"login"})
    if options.command == "suspend" and kept:
        log.warning(
            "%s: always up (min_nodes): the worker makes it anew, unless Slurm has it drained", hostlist.fold(kept)
        )
    return code


def _await_off(cluster: Cluster, names: Collection[str]) -> None:
    """Wait until Slurm has powered down those of the nodes that it is powering down: before that none can come up."""
    falling = partial(_in, cluster, names, lambda node: node.power is Power.POWERING_DOWN and not node.has_job)
    if found := falling():
        seconds = cluster.site.data["suspend_timeout"] + REST
        log.info("%s: Slurm is powering it down; waits for that, %d s at most", hostlist.fold(found), seconds)
        waiting.until(falling, seconds, done=lambda left: not left, pause=1)


def _await_up(cluster: Cluster, todo: Plan) -> int:
    """Wait until Slurm has in service what was brought up; say it of nodes that it has not."""
    left = partial(_in, cluster, cluster.slurm(sorted(todo.brought)), lambda node: not node.in_service)
    found = waiting.until(left, REST, done=lambda left: not left, pause=0.5)
    for name, state in found.items():
        print(
            f"reconfigure: {name}: its machine is ready, and Slurm has it {state}; see reconfigure why {name}",
            file=sys.stderr,
        )
    return FAILED if found else OK


def _in(cluster: Cluster, names: Collection[str], holds: Callable[[SlurmNode], bool]) -> dict[str, str]:
    """Return those of the nodes for which something holds, with their states; none where Slurm does not answer."""
    nodes = (cluster.controller.nodes() if cluster.slurm(names) else None) or {}
    return {name: nodes[name].state for name in names if name in nodes and holds(nodes[name])}


def _change(
    cluster: Cluster,
    decide: Callable[[Cluster, Observed], Plan],
    *,
    dry_run: bool,
    as_json: bool,
    wished: Collection[str] = (),
    mend: bool = False,
    give_back: bool = False,
    await_up: bool = False,
) -> int:
    """Observe, decide, show; under the lock and carried out unless it is a dry run. `wished` must not wait.

    Wait for batches that bring up some of the wished nodes, or any (none wished), before; for our own afterwards.

    `mend`: first make whole what the machines share on this host; without it nobody could ask them. `await_up`: wait
    until Slurm has in service what was brought up.
    """
    if dry_run:
        observed = cluster.observe()
        todo = decide(cluster, observed)
        return _end(cluster, todo, observed, as_json=as_json, wished=wished, mend=mend)
    with tables.doing(cluster.clusterdir):
        with lock.locked_when_free(cluster.clusterdir, wished or None, lock.WAIT):
            cluster.terraform.mend()
            mended = _mend_host(cluster) if mend else ()
            observed = cluster.observe()
            todo = decide(cluster, observed)
            _say_forced(cluster, todo)
            outcome = Round(cluster, todo, observed).carry_out()
            given_back = edits.give_back(cluster, observed) if give_back else []
            settled = resizing.settle(cluster, observed) if mend else ()
        outcome = outcome.complete()
        for batch in settled:
            batch.carry_out()
    if as_json:
        changed = outcome.changed or bool(mended) or bool(given_back)
        print_json({"changed": changed, "host": mended, **todo.data(), "failed": dict(outcome.failed)})
    if "login" in todo.made and "login" not in outcome.failed:
        log.info("the login node is new: bin/up (main.yml) makes the machines a cluster")
    code = _end(cluster, todo, observed, failed=outcome.failed, as_json=False, wished=wished, mend=mend, said=as_json)
    return code if code != OK or not await_up else _await_up(cluster, todo)


def _end(
    cluster: Cluster,
    todo: Plan,
    observed: Observed,
    *,
    as_json: bool,
    wished: Collection[str],
    mend: bool,
    failed: Collection[str] = (),
    said: bool = False,
) -> int:
    """Print the plan, unless that was `said`, and what of it is not done; return the exit code."""
    silent = _silent(cluster, observed) if mend else ""
    if not said and (as_json or todo.actions or not silent):
        _show(todo, as_json, failed)
    refused, waits = todo.reasons(Do.REFUSE), todo.reasons(Do.WAIT)
    late = {name: why for name, why in waits.items() if name in wished}
    _complain("refused: ", {**refused, **late})
    _complain("stays for now: ", {name: why for name, why in waits.items() if name not in late})
    if silent:
        print(f"reconfigure: Slurm was not heard, so nothing was compared with it: {silent}", file=sys.stderr)
    if failed or refused:
        return FAILED
    return UNREACHABLE if late or silent else OK


def _silent(cluster: Cluster, observed: Observed) -> str:
    """Return why Slurm does not answer, where it should; "" where it does."""
    asked = cluster.has_slurm and observed.configured("login")
    return reach.why_silent(cluster, observed) if asked and observed.slurm is None else ""


WORDS = {Do.LOST: "down, its jobs are lost"}


def _say_forced(cluster: Cluster, todo: Plan) -> None:
    """Say what is lost before it is: the jobs by name, since a person forced it."""
    forced = todo.reasons(Do.FORCE)
    _complain("forced, although ", forced)
    for job in (cluster.controller.jobs() if cluster.slurm(forced) else None) or ():
        if lost := sorted(forced.keys() & job.nodes):
            print(f"reconfigure: job {job.id} of {job.user} loses {hostlist.fold(lost)}", file=sys.stderr)


def _complain(what: str, reasons: Mapping[str, str]) -> None:
    """Say something of nodes on standard error, a line for all that have the same reason."""
    for reason in dict.fromkeys(reasons.values()):
        names = hostlist.fold(name for name, why in reasons.items() if why == reason)
        print(f"reconfigure: {names}: {what}{reason}", file=sys.stderr)


def _show(todo: Plan, as_json: bool, failed: Collection[str] = ()) -> None:
    """Print a plan: one line for all nodes with which the same is done for the same reason; not what `failed`.

    What is not done is said of its nodes on standard error.
    """
    if as_json:
        print_json(todo.data())
        return
    groups: dict[tuple[Do, str], list[str]] = {}
    for action in todo.actions:
        if action.do not in (Do.REFUSE, Do.WAIT) and action.node not in failed:
            groups.setdefault((action.do, action.why), []).append(action.node)
    lines = [f"{WORDS.get(do, do.value)}: {hostlist.fold(names)} ({why})" for (do, why), names in groups.items()]
    if lines or not todo.actions:
        print("\n".join(lines) or "nothing to do")
