"""Terraform's JSON, parsed at the border: state, saved plan, event stream of an apply."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_NODE = re.compile(r'module\.node\["([^"]+)"\]\.')
_SHELL = re.compile(r"(?s)^Error running command '.*': exit status (\d+)\. Output: ?")


@dataclass(frozen=True)
class Instance:
    """A machine in the state: its id, the address of its resource, whether its making failed."""

    id: str
    address: str
    tainted: bool = False


@dataclass(frozen=True)
class Change:
    """What a saved plan does to one resource: `actions` as create, update, delete."""

    address: str
    actions: tuple[str, ...]

    @property
    def node(self) -> str | None:
        """The node that the resource is part of, or None."""
        return node_of(self.address)


def node_of(address: str) -> str | None:
    """Return the node whose module a resource address lies in, or None."""
    found = _NODE.match(address)
    return found.group(1) if found else None


def instances(state: Mapping[str, Any]) -> dict[str, Instance]:
    """Return the machines by node name in `terraform show -json` of a state; an empty state has none."""
    modules = state.get("values", {}).get("root_module", {}).get("child_modules", [])
    found = {}
    for resource in (r for module in modules for r in module.get("resources", [])):
        name = node_of(resource["address"])
        if name is not None and resource["name"] == "machine":
            id_ = str(resource.get("values", {}).get("id", ""))
            found[name] = Instance(id_, resource["address"], bool(resource.get("tainted")))
    return found


def changes(plan: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what `terraform show -json PLAN` would do; resources that stay or are only read are left out."""
    all_changes = (Change(c["address"], tuple(c["change"]["actions"])) for c in plan.get("resource_changes", []))
    return tuple(c for c in all_changes if set(c.actions) - {"no-op", "read"})


def events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the events of `-json` output; a line that is no JSON becomes a diagnostic."""
    for line in filter(None, map(str.strip, lines)):
        try:
            event = json.loads(line)
        except ValueError:
            event = {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": line, "detail": ""}}
        if isinstance(event, dict):
            yield event


def node_in(kind: str, event: Mapping[str, Any]) -> str | None:
    """Return the node whose resource an event of this kind (apply_start, apply_complete) is about, else None."""
    if event.get("type") != kind:
        return None
    return node_of(str(event.get("hook", {}).get("resource", {}).get("addr", "")))


def fault(event: Mapping[str, Any]) -> tuple[str | None, str] | None:
    """Return (node or None, reason in plain words) of an event that reports an error, else None."""
    diagnostic = event.get("diagnostic", {})
    if event.get("type") != "diagnostic" or diagnostic.get("severity") != "error":
        return None
    detail = str(diagnostic.get("detail", "")).strip()
    output = _SHELL.sub("", detail).strip()
    reason = (output.splitlines() or [""])[-1] if output != detail else detail.replace("\n", " ")
    return node_of(str(diagnostic.get("address", ""))), reason or str(diagnostic.get("summary", "unknown error"))
