"""All nodes that may ever exist, as terraform/nodeset worked them out: CLUSTERDIR/nodeset.json."""

from __future__ import annotations

from pathlib import Path

from kiwi.common.errors import UsageError
from reconfigure.clusterdir import files
from reconfigure.model.node import Node, parse_node


def load_nodeset(path: Path) -> dict[str, Node]:
    """Return all nodes of nodeset.json by name. Raise UsageError for another version or a bad record."""
    data = files.read_json(path)
    if data.get("version") != 1:
        raise UsageError(key=f"{path}: version", found=data.get("version"), needs="1")
    return {name: parse_node(record) for name, record in data["nodes"].items()}
