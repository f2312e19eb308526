"""Why the login node's Slurm cannot be asked: the first thing that is wrong on the way there, in one sentence."""

from __future__ import annotations

import socket
from contextlib import closing

from kiwi.common.errors import UnreachableError
from kiwi.common.process import CommandError
from reconfigure.cluster.cluster import Cluster
from reconfigure.planning.observed import Observed

PORT = 22
TIMEOUT = 2.0  # seconds for each look
GREETING = b"SSH-"  # RFC 4253, 4.2
MENDS = "bin/up mends it"


def why_silent(cluster: Cluster, observed: Observed) -> str:
    """Return why Slurm does not answer, and what to do. Takes up to three times TIMEOUT seconds."""
    node = cluster.nodeset["login"]
    return (
        _machine(observed)
        or cluster.provider.unreachable(node.address)
        or _ssh(node.address)
        or _slurmctld(cluster)
        or "the login node's slurmctld runs and does not answer (journalctl -u slurmctld there); bin/up restarts it"
    )


def _machine(observed: Observed) -> str:
    """Return what is wrong with the login node's machine; "" if it runs."""
    if observed.runs("login"):
        return ""
    faults = [machine.fault for machine in observed.machines if machine.name == "login"]
    return f"the login node's machine does not run: {faults[0] if faults else 'there is none'}; bin/up brings it back"


def _ssh(address: str) -> str:
    """Return what is wrong with the way to a machine's sshd; "" if it greets."""
    try:
        with closing(socket.create_connection((address, PORT), TIMEOUT)) as connection:
            greeting = connection.recv(len(GREETING))
    except ConnectionRefusedError:
        return f"no sshd listens at {address} (port {PORT}): look at the console log of its machine (status --paths)"
    except TimeoutError:
        return f"nothing answers at {address} (port {PORT}) within {TIMEOUT:.0f} s, though its machine runs; {MENDS}"
    except OSError as exc:
        return f"{address} (port {PORT}) cannot be reached: {exc.strerror or exc}; {MENDS}"
    return "" if greeting == GREETING else f"what listens at {address} (port {PORT}) is no SSH server"


def _slurmctld(cluster: Cluster) -> str:
    """Return the state of slurmctld where it is not active; "" where it is."""
    try:
        state = cluster.controller.call(["systemctl", "is-active", "slurmctld"], TIMEOUT).out.strip()
    except UnreachableError as exc:
        return f"SSH to the login node fails: {exc.args[0]}"
    except CommandError as exc:  # is-active ends with 3 for anything but active
        state = "inactive" if exc.code == 3 else f"unknown ({exc.stderr.strip()})"
    if state == "active":
        return ""
    return f"slurmctld is {state} on the login node: see journalctl -u slurmctld there; bin/up starts it"
