"""The records of the seams: node and request, and Slurm's way to write node names."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ClusterShell.NodeSet import NodeSet, NodeSetException

from kiwi.common.errors import UsageError
from reconfigure.clusterdir import paths

ROLES = ("login", "slurm", "booking")
KINDS = ("resume", "suspend", "resume_fail", "reboot")


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
        """The record as JSON knows it."""
        return {**asdict(self), "features": list(self.features)}


@dataclass(frozen=True)
class Request:
    """One call of a Slurm hook: `nodes` is a hostlist, `time` in unix seconds."""

    id: str
    kind: str
    nodes: str
    time: float
    detail: dict[str, Any] | None

    @property
    def jobs(self) -> dict[str, str]:
        """Nodes by id of the job that Slurm wants them for (`nodes` in 22.05's resume file, later nodes_resume)."""
        asked = (self.detail or {}).get("jobs")
        found = {}
        for job in asked if isinstance(asked, list) else ():
            if isinstance(job, dict) and isinstance(job.get("job_id"), int):
                found[str(job["job_id"])] = str(job.get("nodes_resume") or job.get("nodes") or "")
        return found

    def jobs_waiting_for(self, names: Collection[str]) -> frozenset[int]:
        """Ids of the jobs that wait for one of these nodes."""
        return frozenset(int(job) for job, nodes in self.jobs.items() if not set(names).isdisjoint(expand(nodes)))


def node(data: Mapping[str, Any]) -> Node:
    """Parse a node record; unknown fields are ignored, a missing one is named (UsageError)."""
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
        raise UsageError(f"node record {found.name}: role: found {found.role!r}; needs one of {', '.join(ROLES)}")
    return found


def nodeset(path: Path) -> dict[str, Node]:
    """All nodes of nodeset.json by name; UsageError for another version or a bad record."""
    data = paths.read_json(path)
    if data.get("version") != 1:
        raise UsageError(f"{path}: version: found {data.get('version')!r}; needs 1")
    return {name: node(record) for name, record in data["nodes"].items()}


def request(line: str) -> Request:
    """Parse one spool record; UsageError where it is not one."""
    try:
        data = json.loads(line)
        if data["version"] != 1 or data["kind"] not in KINDS:
            raise UsageError(f"request with unknown version or kind: {line[:200]}")
        found = Request(str(data["id"]), data["kind"], str(data["nodes"]), float(data["time"]), data.get("detail"))
    except (ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"not a request: {line[:200]!r} ({exc!r})") from exc
    if not found.id.replace("-", "").isdigit():
        raise UsageError(f"request id: found {found.id!r}; needs <nanoseconds>-<pid>")
    return found


def expand(hostlist: str) -> tuple[str, ...]:
    """The names of a hostlist such as cpu-[1-3]; UsageError where it is none."""
    try:
        return tuple(NodeSet(hostlist))
    except NodeSetException as exc:
        raise UsageError(f"nodes: found {hostlist!r}; needs a list such as cpu-[1-3],lab-1") from exc


def fold(names: Iterable[str]) -> str:
    """Names as a hostlist, the shortest form."""
    return str(NodeSet.fromlist(sorted(names)))
