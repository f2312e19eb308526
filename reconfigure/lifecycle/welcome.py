"""The end of `bin/up`: a job is run, or a node is booked and entered; three commands to try are printed."""

from __future__ import annotations

import json
import shlex

from kiwi.common import process, waiting
from kiwi.common.errors import OK
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import paths, waiting_edit

TIMEOUT = 120.0  # seconds that a job, or a booking, may take
SOON = 15.0  # seconds in which a node that was just made reports, or one that was given back is clean
BOOKED = 60  # seconds that a node is booked for, and given back before


def welcome(cluster: Cluster) -> int:
    """Run a job as the first user if a Slurm partition has a node up, else book a node that is free, and enter it.

    Root runs it in a partition with words of the site's own: they may keep that user out, but never root. Raise
    CommandError if it fails.
    """
    parts, users = cluster.site.partitions, cluster.site.users
    slurm = [p for p in parts if p.scheduler == "slurm"]
    booking = [p for p in parts if p.scheduler == "booking"]
    up = next((p for p in slurm if p.min_nodes), None)
    if waiting_edit.read(cluster.clusterdir).get("nodes"):
        print("An edit of the site data waits, so nothing is run to try the cluster: its nodes may be drained.\n")
    elif up is not None:
        own = any(part["name"] == up.name and part.get("slurm") for part in cluster.site.data["partitions"])
        _show(cluster, f"srun -p {up.name} hostname", "root" if own else _user(cluster))
    elif users and any(p.min_nodes for p in booking):
        _book(cluster)
    login = f"bin/login {_which(cluster)}{_user(cluster)}@login"
    tries = [login]
    tries += [f"{login} 'srun -p {p.name} -N {min(3, p.max_nodes)} hostname'" for p in slurm[:1]]
    tries += [f"{login} 'kiwi alloc -w {p.name}-1 -t 1:00:00'" for p in booking[:1]]
    tries += [f"bin/login {_which(cluster)}--ssh-config"]
    print(f"The cluster {cluster.clusterdir.cluster} is up. To try:\n  " + "\n  ".join(tries[:3]))
    return OK


def _book(cluster: Cluster) -> None:
    """Book the first free node for as long as one command takes; say so if none is free."""
    user = _user(cluster)
    free = waiting.until(lambda: _free(cluster), SOON, done=lambda found: found is not None, pause=0.5)
    if not free:
        print("No node is free, so none is booked to try it; kiwi info on the login node shows who has them.\n")
        return
    _show(cluster, f"kiwi alloc -w {free} -t {BOOKED}", user)
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


def _show(cluster: Cluster, command: str, user: str) -> None:
    """Run a command as a user, and print it with what it prints."""
    print(f"{user}@login $ {command}\n{_run(cluster, command, user)}\n")


def _run(cluster: Cluster, command: str, user: str) -> str:
    """Return what a command prints that a user runs on the login node. Raise CommandError if it fails.

    Root becomes that user there: whose public keys are their own, theirs alone is the private one.
    """
    config = str(cluster.clusterdir.path / "ssh_config")
    login = ["runuser", "-l", user, "-c", command]
    return process.run(["ssh", "-F", config, "root@login", shlex.join(login)], timeout=TIMEOUT).out.strip()


def _user(cluster: Cluster) -> str:
    return cluster.site.users[0].name if cluster.site.users else "root"


def _which(cluster: Cluster) -> str:
    """Return the option that names a cluster that is not the shipped one."""
    name = cluster.clusterdir.cluster
    return "" if name == paths.default_cluster({}) else f"--cluster {name} "
