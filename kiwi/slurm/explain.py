"""Explain to anybody, in plain words, why a job waits or a node cannot be had: `kiwi why NODE|JOB`.

Asks Slurm and the agent as the user who calls it; an admin learns more from
`reconfigure why` on the control host.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kiwi.agent.protocol import Request, ask
from kiwi.common import process, tables
from kiwi.common.errors import KiwiError, UnreachableError, UsageError
from kiwi.common.process import CommandError
from kiwi.slurm import job_reasons, jobs, nodes

MOST = 10  # nodes of a partition that are named
TIMEOUT = 10.0  # seconds that Slurm has to answer once
DEADLINE = 15.0  # seconds for all that is asked of it
GLANCE = 2.0  # likewise, where it is only asked to say more of a fault
# What a user's environment may not change about the answers.
OURS = ("SINFO_", "SQUEUE_", "SLURM_TIME_FORMAT", "SLURM_BITSTR_LEN", "SLURM_CLUSTERS")


def explain(target: str) -> str:
    """Return what keeps a job (a number) or a node, as lines for a person.

    Raise UsageError if it is neither or there is no Slurm here, UnreachableError if Slurm does not answer.
    """
    call = caller(DEADLINE)
    return _job(target, call) if jobs.is_job(target) else _node(target, call)


def nodes_of_slurm(names: Sequence[str]) -> list[str]:
    """Return those of some nodes that Slurm has; none if it does not answer within GLANCE seconds."""
    try:
        found = caller(GLANCE)(["sinfo", "-a", "-h", "-N", "-o", "%N", "-n", ",".join(names)]) if names else ""
    except KiwiError:
        return []
    return [name for name in names if name in found.split()]


def caller(seconds: float) -> jobs.Call:
    """Return what runs a command of Slurm and returns its output; all of its calls end within so many seconds."""
    end = time.monotonic() + seconds
    env = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}

    def call(argv: list[str]) -> str:
        left = end - time.monotonic()
        if left <= 0:
            raise UnreachableError(f"Slurm did not answer within {seconds:.0f} s")
        return process.run(argv, timeout=min(TIMEOUT, left), env=env).out

    return call


def _job(number: str, call: jobs.Call) -> str:
    lines = []
    for job in jobs.find(number, call):
        why = job_reasons.explain(job, _output(job, call))
        lines += [job_reasons.sentence(job), *(f"  {line}" for line in _nodes(job, call)), f"next: {why.todo}"]
    return "\n".join(lines)


def _output(job: jobs.Job, call: jobs.Call) -> str:
    """Return the file with what a failed job printed; "" if it is not there, or whoever asks may not see it."""
    if job.state != "FAILED":
        return ""
    mark = f"@{secrets.token_hex(8)}"
    try:
        named = call(["squeue", "-h", "-a", "--states=all", "-j", job.id, "-O", f"STDOUT:{mark}"]).partition(mark)[0]
    except (CommandError, UnreachableError):
        return ""
    number, _, task = job.id.partition("_")
    known = {"%A": number, "%a": task, "%u": job.user, **({} if task else {"%j": number, "%J": number})}
    path = re.sub("%[AajJu]", lambda sign: known.get(sign[0], sign[0]), named)
    return path if path.isprintable() and os.path.isabs(path) and Path(path).is_file() else ""


def _nodes(job: jobs.Job, call: jobs.Call) -> list[str]:
    """Return a line for each node that a job has or wants; if it takes any, an overview of its partition."""
    if job.state not in ("PENDING", "CONFIGURING"):
        return []
    if named := job.nodes or job.unavailable or job.asked:
        return _described(nodes.find(call, "-n", named), call)
    found = nodes.find(call, "-p", job.partition)
    return overview(found, _described(found, call))


def _described(found: list[nodes.Node], call: jobs.Call) -> list[str]:
    return list(dict.fromkeys(nodes.describe(found, nodes.reservations(call, found))))


def overview(found: list[nodes.Node], lines: list[str]) -> list[str]:
    """Return the nodes of a partition that have a reason, MOST of them, and how many nodes are in each state.

    `lines` say how each node is.
    """
    states = Counter(nodes.in_words(node.state) for node in found)
    odd = [line for line in lines if line.endswith(")")]
    return [*odd[:MOST], *(f"{count} of {len(found)} nodes: {state}" for state, count in states.items())]


def _node(name: str, call: jobs.Call) -> str:
    lines = _booking(name)
    try:
        lines += _described(nodes.find(call, "-n", name), call)
    except jobs.NoSlurmError:
        pass
    except UnreachableError:
        if not lines:
            raise
    if not lines:
        needs = "a node (kiwi info and sinfo list them) or the number of a job"
        raise UsageError(key="why", found=name, needs=needs)
    return "\n".join(lines)


def _booking(name: str) -> list[str]:
    """Return the lines of `kiwi info` for one node; none if it is no node for booking, or nobody answers."""
    try:
        known: list[dict[str, Any]] = ask(Request("info", None, ()))["nodes"]
    except KiwiError:
        return []
    rows = [node for node in known if node["node"] == name]
    return [tables.as_table(rows)] if rows else []
