"""The record of a request: one call of a Slurm hook (docs/seams.md, section 3)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kiwi.common.errors import UsageError
from reconfigure.model.hostlist import expand

KINDS = ("resume", "suspend", "resume_fail", "reboot")


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
        """Return hostlists by id of the job that waits for them (`nodes_resume` of a resume file; 22.05: `nodes`)."""
        asked = (self.detail or {}).get("jobs")
        found = {}
        for job in asked if isinstance(asked, list) else ():
            if isinstance(job, dict) and isinstance(job.get("job_id"), int):
                found[str(job["job_id"])] = str(job.get("nodes_resume") or job.get("nodes") or "")
        return found

    def jobs_waiting_for(self, names: Collection[str]) -> frozenset[int]:
        """Return the ids of the jobs that wait for one of these nodes."""
        return frozenset(int(job) for job, nodes in self.jobs.items() if not set(names).isdisjoint(expand(nodes)))


def parse_request(line: str) -> Request:
    """Parse one spool record. Raise UsageError if it is none."""
    try:
        data = json.loads(line)
        if data["version"] != 1 or data["kind"] not in KINDS:
            raise UsageError(f"request with unknown version or kind: {line[:200]}")
        found = Request(str(data["id"]), data["kind"], str(data["nodes"]), float(data["time"]), data.get("detail"))
    except (ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"not a request: {line[:200]!r} ({exc!r})") from exc
    if not found.id.replace("-", "").isdigit():
        raise UsageError(key="request id", found=found.id, needs="<nanoseconds>-<pid>")
    return found
