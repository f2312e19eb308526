"""Files that name every node that may ever exist: written once, when the site data changes, and sent as they are.

Worked out on each round, or by templates, they would cost seconds where the site data has thousands of nodes.

CLUSTERDIR/names/hosts          /etc/hosts of each machine, so that a new one changes no file elsewhere
CLUSTERDIR/names/shosts.equiv   /etc/ssh/shosts.equiv: from where users come without being asked
"""

from __future__ import annotations

from collections.abc import Iterable

from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node

LOOPBACK = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n\n"


def write(clusterdir: ClusterDir, nodes: Iterable[Node]) -> bool:
    """Write them; return whether one changed."""
    listed = tuple(nodes)
    texts = {"hosts": hosts(clusterdir.cluster, listed), "shosts.equiv": shosts(clusterdir.cluster, listed)}
    return any([files.write(clusterdir.path / "names" / name, text) for name, text in texts.items()])


def hosts(cluster: str, nodes: Iterable[Node]) -> str:
    """Return the text of hosts(5)."""
    return LOOPBACK + "".join(f"{node.address} {node.name}.{cluster} {node.name}\n" for node in nodes)


def shosts(cluster: str, nodes: Iterable[Node]) -> str:
    """Return the text of shosts.equiv (sshd(8))."""
    return "".join(f"{node.name}.{cluster}\n{node.name}\n" for node in nodes)
