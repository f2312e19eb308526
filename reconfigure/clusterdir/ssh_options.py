"""How the control host's ssh proves who it talks to: the cluster's CA, nothing of the caller's own (ssh_config(5))."""

from __future__ import annotations

from collections.abc import Mapping

from reconfigure.clusterdir.paths import ClusterDir

# A peer that has nothing to say within these seconds is gone: one that accepts a connection and hangs, too.
CONNECT_TIMEOUT = 10
ALIVE = {"ConnectTimeout": CONNECT_TIMEOUT, "ServerAliveInterval": 5, "ServerAliveCountMax": 3}


def verified(clusterdir: ClusterDir) -> dict[str, str]:
    """Return the options of every connection to a node: its host key is signed by the cluster's CA, or it ends."""
    return {
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(clusterdir.known_hosts),
        "GlobalKnownHostsFile": "none",
        "IdentitiesOnly": "yes",
    }


def to_node(clusterdir: ClusterDir, name: str) -> dict[str, str]:
    """Return the options for one node by its name: its certificate names it, its address may be another's tomorrow."""
    return {**verified(clusterdir), "HostKeyAlias": name}


def arguments(options: Mapping[str, object]) -> list[str]:
    """Return options as arguments of ssh."""
    return [argument for key, value in options.items() for argument in ("-o", f"{key}={value}")]
