"""Commands that make and remove nodes: observe, plan, show; carried out unless it is a dry run."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable

from kiwi.common import hostlist
from kiwi.common.commandline import BY_HAND, complete
from kiwi.common.errors import FAILED, OK, UsageError
from reconfigure.cli import tables
from reconfigure.cli.common import DRY_RUN, Commands, Options, add, print_json
from reconfigure.cli.common import cluster as cluster_of
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import lock
from reconfigure.lifecycle import setup
from reconfigure.planning import plan, repair
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds.round import Round

log = logging.getLogger(__name__)


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare sync, resume and suspend."""
    command = add(commands, "sync", sync, "make Terraform, machines and Slurm agree", "sync --dry-run", BY_HAND)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    for name, does in (("resume", "make nodes"), ("suspend", "remove nodes that run no job")):
        command = add(commands, name, by_hand, does, f"{name} cpu-[2-3]", BY_HAND)
        text = "names as Slurm writes them, such as cpu-[2-3],lab-1"
        complete(command.add_argument("nodes", metavar="NODES", help=text), "_reconfigure_nodes")
        command.add_argument("--dry-run", action="store_true", help=DRY_RUN)


def sync(options: Options) -> int:
    """Make Terraform, machines and Slurm agree."""

    def decide(cluster: Cluster, observed: Observed) -> Plan:
        return repair.sync(cluster.nodeset, observed, cluster.site.persistent())

    cluster = cluster_of(options)
    if not options.dry_run:
        setup.refresh_images(cluster.clusterdir, cluster.site)
    return _change(cluster, decide, dry_run=options.dry_run, as_json=options.json)


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
        return plan.plan(cluster.nodeset, observed, wishes, by_hand=True)

    return _change(cluster, decide, dry_run=options.dry_run, as_json=False)


def _change(cluster: Cluster, decide: Callable[[Cluster, Observed], Plan], *, dry_run: bool, as_json: bool) -> int:
    """Observe, decide, show; under the lock and carried out unless it is a dry run."""
    if dry_run:
        _show(decide(cluster, cluster.observe()), as_json)
        return OK
    with tables.doing(cluster.clusterdir), lock.locked(cluster.clusterdir, lock.WAIT):
        cluster.terraform.mend()
        observed = cluster.observe()
        todo = decide(cluster, observed)
        outcome = Round(cluster, todo, observed).carry_out()
    if as_json:
        print_json({"changed": outcome.changed, **todo.data(), "failed": dict(outcome.failed)})
    else:
        _show(todo, as_json)
    refused = todo.reasons(Do.REFUSE)
    for name, reason in refused.items():
        print(f"reconfigure: {name}: refused: {reason}", file=sys.stderr)
    if "login" in todo.made and "login" not in outcome.failed:
        log.info("the login node is new: bin/up (main.yml) makes the machines a cluster")
    return FAILED if outcome.failed or refused else OK


WORDS = {Do.LOST: "down, its jobs are lost", Do.REFUSE: "refused"}


def _show(todo: Plan, as_json: bool) -> None:
    """Print a plan: one line for all nodes with which the same is done for the same reason."""
    if as_json:
        print_json(todo.data())
        return
    groups: dict[tuple[Do, str], list[str]] = {}
    for action in todo.actions:
        groups.setdefault((action.do, action.why), []).append(action.node)
    lines = [f"{WORDS.get(do, do.value)}: {hostlist.fold(names)} ({why})" for (do, why), names in groups.items()]
    print("\n".join(lines) or "nothing to do")
