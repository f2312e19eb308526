"""Hostlists: names of nodes as Slurm writes them, such as cpu-[1-3] (scontrol(1), "show hostnames")."""

from __future__ import annotations

from collections.abc import Iterable

from ClusterShell.NodeSet import NodeSet, NodeSetException

from kiwi.common.errors import UsageError


def expand(hostlist: str) -> tuple[str, ...]:
    """Return the names of a hostlist such as cpu-[1-3]. Raise UsageError if it is none."""
    try:
        return tuple(NodeSet(hostlist))
    except NodeSetException as exc:
        raise UsageError(key="nodes", found=hostlist, needs="a list such as cpu-[1-3],lab-1") from exc


def fold(names: Iterable[str]) -> str:
    """Return names as a hostlist, in its shortest form."""
    return str(NodeSet.fromlist(sorted(names)))
