"""The record of a node: one machine that may ever exist (docs/seams.md, section 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kiwi.common.errors import UsageError

ROLES = ("login", "slurm", "booking")


@dataclass(frozen=True)
class Node:
    """One machine that may ever exist."""

    name: str
    role: str
    partition: str
    address: str
    image: str
    flavor: str
    features: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """Return the record as plain JSON."""
        return {**asdict(self), "features": list(self.features)}


def parse_node(data: Mapping[str, Any]) -> Node:
    """Parse a node record; unknown fields are ignored. Raise UsageError if one is missing or wrong."""
    try:
        found = Node(
            name=data["name"],
            role=data["role"],
            partition=data["partition"],
            address=data["address"],
            image=data["image"],
            flavor=data["flavor"],
            features=tuple(data["features"]),
        )
    except KeyError as exc:
        raise UsageError(f"node record without {exc}: {dict(data)}") from exc
    if found.role not in ROLES:
        raise UsageError(key=f"node record {found.name}: role", found=found.role, needs=f"one of {', '.join(ROLES)}")
    return found
