"""The record of a request: one call of a Slurm hook (docs/seams.md, section 3).

It comes from the cluster, where any process of user slurm can write one, so it
is hostile until it is parsed: `parse_request` is the door.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kiwi.common.errors import UsageError, shown
from kiwi.common.hostlist import expand

VERSION = 1
KINDS = ("resume", "suspend", "resume_fail", "reboot")
LONGEST = 16 << 20  # characters of one record: a resume file lists every job of its nodes (slurmscripts/follow)
ID = re.compile(r"[0-9]{1,20}-[0-9]{1,10}")
HIGHEST_JOB = 0xFFFFFFFF  # job ids have 32 bits


@dataclass(frozen=True)
class Request:
    """One call of a Slurm hook: `nodes` is a hostlist, `time` in unix seconds."""

    id: str
    kind: str
    nodes: str
    time: float
    detail: dict[str, Any] | None

    @property
    def order(self) -> tuple[int, int]:
        """When it was made: nanoseconds, then the process that made it."""
        made, _, pid = self.id.partition("-")
        return int(made), int(pid)

    @property
    def jobs(self) -> dict[str, str]:
        """Return hostlists by id of the job that waits for them (`nodes_resume` of a resume file; 22.05: `nodes`)."""
        asked = (self.detail or {}).get("jobs")
        jobs = [job for job in asked if isinstance(job, dict)] if isinstance(asked, list) else []
        found = {job.get("job_id"): job.get("nodes_resume") or job.get("nodes") or "" for job in jobs if _is_job(job)}
        return {str(number): nodes for number, nodes in found.items() if _is_hostlist(nodes)}

    def jobs_waiting_for(self, names: Collection[str]) -> frozenset[int]:
        """Return the ids of the jobs that wait for one of these nodes."""
        waiting = {int(job): expand(nodes) for job, nodes in self.jobs.items() if nodes}
        return frozenset(job for job, nodes in waiting.items() if not set(names).isdisjoint(nodes))


def _is_job(job: dict[str, Any]) -> bool:
    return type(job.get("job_id")) is int and 0 < job["job_id"] <= HIGHEST_JOB


def _is_hostlist(nodes: object) -> bool:
    """Return whether it is the hostlist of a job; a job that has none yet has ""."""
    try:
        return isinstance(nodes, str) and (not nodes or bool(expand(nodes)))
    except UsageError:
        return False


def parse_request(line: str) -> Request:
    """Parse one spool record. Raise UsageError, and nothing else, if it is none."""
    if len(line) > LONGEST:
        raise UsageError(key="request", found=line[:200], needs=f"at most {LONGEST} characters")
    try:
        data = json.loads(line)
        version = data["version"]
        found = Request(data["id"], data["kind"], data["nodes"], data["time"], data.get("detail"))
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise UsageError(f"not a request: {shown(line)} ({shown(exc)})") from exc
    if type(version) is not int or version != VERSION:
        raise UsageError(key="request version", found=version, needs=str(VERSION))
    return checked(found)


def checked(request: Request) -> Request:
    """Return the request. Raise UsageError for the first value that is wrong."""
    good = {
        "id": (isinstance(request.id, str) and ID.fullmatch(request.id), request.id, "<nanoseconds>-<pid>"),
        "kind": (request.kind in KINDS, request.kind, f"one of {', '.join(KINDS)}"),
        "time": (_is_time(request.time), request.time, "unix seconds"),
        "detail": (request.detail is None or isinstance(request.detail, dict), request.detail, "an object or null"),
        "nodes": (bool(request.nodes) and _is_hostlist(request.nodes), request.nodes, "a hostlist such as cpu-[1-3]"),
    }
    for key, (holds, found, needs) in good.items():
        if not holds:
            raise UsageError(key=f"request {key}", found=found, needs=needs)
    return request


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53
