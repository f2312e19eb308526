"""The edit of the site data that waits until nodes are free: waiting.json, while there is one.

{"version": 1, "since": unix s, "nodes": {NODE: who has it}, "drained": [NODE, …]}; `drained` are all nodes that an edit
takes away, also free ones. Without `nodes` none waits, and the drained ones are given back by the next `sync`. The role
`booking` reads it, so that nobody books what goes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kiwi.common import hostlist
from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir

WAITS = (
    "an edit of the site data waits (images, flavors, login and partitions stay as they are); bin/up applies it when"
)


def read(clusterdir: ClusterDir) -> dict[str, Any]:
    """Return the file; empty if there is none."""
    if not (path := _path(clusterdir)).exists():
        return {}
    with files.expected(path):
        found = files.read_json(path)
        return {**found, "nodes": dict(found["nodes"]), "drained": list(found["drained"])}


def note(clusterdir: ClusterDir, waits: Mapping[str, str], taken: Iterable[str]) -> None:
    """Note whom an edit waits for, and the nodes that are drained for one; without any there is no file."""
    drained = sorted(taken)
    if not drained:
        _path(clusterdir).unlink(missing_ok=True)
        return
    since = read(clusterdir).get("since") or time.time()
    files.write_json(_path(clusterdir), {"version": 1, "since": since, "nodes": dict(waits), "drained": drained})


def drained(clusterdir: ClusterDir) -> frozenset[str]:
    """Return the nodes that are drained for an edit."""
    return frozenset(read(clusterdir).get("drained", ()))


def sentences(nodes: Mapping[str, str]) -> list[str]:
    """Return lines that say what an edit waits for; none if nothing waits."""
    reasons = {why: hostlist.fold(name for name in nodes if nodes[name] == why) for why in nodes.values()}
    lines = [f"  {names}: {why}" for why, names in reasons.items()]
    return [f"{WAITS} these are free:", *lines] if lines else []


def _path(clusterdir: ClusterDir) -> Path:
    return clusterdir.path / "waiting.json"
