"""Write nodes for `kiwi info`: a table for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kiwi.common import durations

HEAD = ("NODE", "PARTITION", "STATE", "HOLDER", "UNTIL", "LEFT", "")


def as_json(nodes: Sequence[dict[str, Any]]) -> str:
    """Return `nodes`, objects of kiwi.engines.base.Node, as a list in JSON."""
    return json.dumps(list(nodes), indent=2)


def as_table(nodes: Sequence[dict[str, Any]]) -> str:
    """Return `nodes` as one line each under a head, in columns as wide as they need to be."""
    rows = [HEAD] + [_row(n) for n in nodes]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _row(node: dict[str, Any]) -> tuple[str, ...]:
    until = durations.local(node["until"]) if node["until"] else ""
    left = durations.short(node["remaining"]) if node["remaining"] else ""
    message = node["message"] or ("opening" if node["holder"] and not node["ready"] else "") or _next(node)
    return (node["node"], node["partition"], node["state"], node["holder"] or "", until, left, message)


def _next(node: dict[str, Any]) -> str:
    """Return who has the node next, and from when."""
    return f"{node['next_holder']} from {durations.local(node['next_start'])}" if node.get("next_holder") else ""
