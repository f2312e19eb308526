"""All nodes that may ever exist, as terraform/nodeset worked them out (nodeset.json), and which of them shall exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kiwi.common.errors import UsageError
from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node, parse_node


def load_nodeset(path: Path) -> dict[str, Node]:
    """Return all nodes of nodeset.json by name. Raise UsageError where it is lost or holds anything else."""
    with files.expected(path):
        data = files.read_json(path)
        if data.get("version") != 1:
            raise UsageError(key=f"{path}: version", found=data.get("version"), needs="1")
        nodes = {name: parse_node(record) for name, record in data["nodes"].items()}
        if "login" not in nodes:
            raise UsageError(f"{path} has no login node")
    return nodes


def wished(clusterdir: ClusterDir) -> dict[str, Any]:
    """Return the nodes that Terraform is told shall exist, by name, with their records as it was told them.

    A file of an earlier release has no records: then they are empty.
    Raise UsageError where the file is broken.
    """
    if not clusterdir.names.exists():
        return {}
    with files.expected(clusterdir.names):
        found = files.read_json(clusterdir.names)
        known = found.get("nodeset", {})
        return {name: known.get(name, {}) for name in found["nodes"]}


def wish(clusterdir: ClusterDir, names: Iterable[str], nodeset: Mapping[str, Node]) -> bool:
    """Tell Terraform which nodes shall exist, with the records of these alone; return whether that is another wish.

    A node that is no longer in the nodeset keeps the record that it had: what leaves this file is no wish any more,
    and `terraform apply` by hand would remove it. One that never had a record is left out.
    """
    before = wished(clusterdir)
    each = {name: nodeset[name].data() if name in nodeset else before.get(name) for name in names}
    known = {name: record for name, record in each.items() if record}
    return files.write_json(clusterdir.names, {"nodes": sorted(known), "nodeset": known})
