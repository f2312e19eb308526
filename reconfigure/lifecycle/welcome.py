"""The end of `bin/up`: a job is run, or a node is booked and entered; three commands to try are printed."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from kiwi.common import process, waiting
from kiwi.common.errors import BUSY, OK, KiwiError, UnreachableError
from kiwi.common.process import CommandError
from reconfigure.cluster import reach
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import paths, waiting_edit
from reconfigure.planning.observed import Observed
from reconfigure.site.data import Partition
from reconfigure.slurm.nodes import Power, SlurmNode

TIMEOUT = 120.0  # seconds that a job, or a booking, may take
SOON = 15.0  # seconds in which a node that was just made reports, or one that was given back is clean
LATE = 124  # timeout(1)'s own
BOOKED = 60  # seconds that a node is booked for, and given back before


def welcome(cluster: Cluster) -> int:
    """Run a job as the first user if a Slurm partition has nodes up, else book a node that is free, and enter it.

    Root runs it in a partition with words of the site's own: they may keep that user out, but never root. Where nobody
    can have a node now, that is said. Raise CommandError if it fails, KiwiError as `_try_slurm` does.
    """
    parts, users = cluster.site.partitions, cluster.site.users
    slurm = [p for p in parts if p.scheduler == "slurm"]
    booking = [p for p in parts if p.scheduler == "booking"]
    if waiting_edit.read(cluster.clusterdir).get("nodes"):
        print("An edit of the site data waits, so nothing is run to try the cluster: its nodes may be drained.\n")
    elif any(p.min_nodes for p in slurm):
        _try_slurm(cluster, [p for p in slurm if p.min_nodes])
    elif users and any(p.min_nodes for p in booking):
        _book(cluster)
    login = f"bin/login {_which(cluster)}{_user(cluster)}@login"
    tries = [login]
    tries += [f"{login} 'srun -p {p.name} -N {min(3, p.max_nodes)} hostname'" for p in slurm[:1]]
    tries += [f"{login} 'kiwi alloc -w {p.name}-1 -t 1:00:00'" for p in booking[:1]]
    tries += [f"bin/login {_which(cluster)}--ssh-config"]
    print(f"The cluster {cluster.clusterdir.cluster} is up. To try:\n  " + "\n  ".join(tries[:3]))
    return OK


def _try_slurm(cluster: Cluster, parts: Sequence[Partition]) -> None:
    """Run a job in the first partition that has a node for it; say so where none has.

    It is cancelled where it does not end in time. Raise UnreachableError if Slurm does not answer, KiwiError if the
    job did not start although a node was there for it.
    """
    found = waiting.until(lambda: _with_room(cluster, parts), SOON, done=lambda found: found is not None, pause=0.5)
    if not found:
        names = " or ".join(p.name for p in parts)
        print(f"No node of {names} is idle or powered down, so no job is run to try the cluster; see sinfo there.\n")
        return
    own = any(part["name"] == found.name and part.get("slurm") for part in cluster.site.data["partitions"])
    user, name = "root" if own else _user(cluster), f"bin-up-{os.getpid()}"
    ended = False
    try:
        _show(cluster, f"srun -p {found.name} hostname", user, with_options=f" -J {name}")
        ended = True
    except CommandError as exc:
        if exc.code != LATE:
            raise
    finally:
        if not ended:
            with suppress(UnreachableError, CommandError):
                cluster.controller.call(["scancel", "--user", user, "--name", name])
    if not ended and _with_room(cluster, [found]):
        raise KiwiError(
            f"the job {name} of {user} in {found.name} did not end within {TIMEOUT:.0f} s, so it was cancelled",
            hint="reconfigure status shows the nodes, reconfigure why NODE why one is not up",
        )
    if not ended:
        print(f"Somebody else has the nodes of {found.name} by now, so the job {name} was cancelled.\n")


def _with_room(cluster: Cluster, parts: Sequence[Partition]) -> Partition | Literal[False] | None:
    """Return the first partition that has a node for a job, False if none has, None if one may soon have.

    Raise UnreachableError if Slurm does not answer.
    """
    nodes = cluster.controller.nodes()
    if nodes is None:
        raise UnreachableError(
            f"no job is run to try the cluster, since Slurm was not heard: {reach.why_silent(cluster, _seen(cluster))}"
        )
    soon = False
    for part in parts:
        own = [nodes[name] for name, node in cluster.nodeset.items() if node.partition == part.name and name in nodes]
        free = [node for node in own if node.base != "DOWN" and _may_take(node)]
        if any(node.in_service or node.power is Power.POWERED_DOWN for node in free):
            return part
        soon = soon or bool(free)
    return None if soon else False


def _seen(cluster: Cluster) -> Observed:
    return Observed({}, tuple(cluster.provider.observe()))


def _may_take(node: SlurmNode) -> bool:
    """Return whether nobody has a node, and nothing keeps jobs away from it for longer."""
    return not (node.has_job or node.drained or node.flags & {"RESERVED", "MAINTENANCE"})


def _book(cluster: Cluster) -> None:
    """Book the first free node for as long as one command takes; say so if none is free."""
    user = _user(cluster)
    free = waiting.until(lambda: _free(cluster), SOON, done=lambda found: found is not None, pause=0.5)
    if not free:
        print("No node is free, so none is booked to try it; kiwi info on the login node shows who has them.\n")
        return
    try:
        _show(cluster, f"kiwi alloc -w {free} -t {BOOKED}", user)
    except CommandError as exc:
        if exc.code != BUSY:
            raise
        print(f"Somebody else got {free} meanwhile, so none is booked to try it.\n")
        return
    try:
        _show(cluster, f"ssh {free} hostname", user)
    finally:
        _show(cluster, f"kiwi kill -w {free}", user)


def _free(cluster: Cluster) -> str | None:
    """Return a node that is free, "" if all are held or ill, None if one may soon be free."""
    found = json.loads(_run(cluster, "kiwi info --json", _user(cluster)))
    states = {row["node"]: row["state"] for row in found}
    soon = {"off", "cleaning"} & set(states.values())
    return next((name for name, state in states.items() if state == "free"), None if soon else "")


def _show(cluster: Cluster, command: str, user: str, with_options: str = "") -> None:
    """Run a command as a user, and print it with what it prints; `with_options` go behind its first word, unseen."""
    word, _, rest = command.partition(" ")
    print(f"{user}@login $ {command}\n{_run(cluster, f'{word}{with_options} {rest}', user)}\n")


def _run(cluster: Cluster, command: str, user: str) -> str:
    """Return what a command prints that a user runs on the login node. Raise CommandError if it fails.

    Root becomes that user there: whose public keys are their own, theirs alone is the private one. It is ended there
    after TIMEOUT seconds (with LATE), so that nothing stays.
    """
    config = str(cluster.clusterdir.path / "ssh_config")
    login = ["runuser", "-l", user, "-c", f"timeout --kill-after=5 {TIMEOUT:.0f} {command}"]
    argv = ["ssh", "-F", config, "root@login", shlex.join(login)]
    return process.run(argv, timeout=TIMEOUT + SOON).out.strip()


def _user(cluster: Cluster) -> str:
    return cluster.site.users[0].name if cluster.site.users else "root"


def _which(cluster: Cluster) -> str:
    """Return the option that names a cluster that is not the shipped one."""
    name = cluster.clusterdir.cluster
    return "" if name == paths.default_cluster({}) else f"--cluster {name} "
