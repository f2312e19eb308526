"""Explain to anybody, in plain words, why a job waits or a node cannot be had: `kiwi why NODE|JOB`.

Asks Slurm and the agent as the user who calls it; an admin learns more from
`reconfigure why` on the control host.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from kiwi.agent.protocol import Request, ask
from kiwi.common import process, tables
from kiwi.common.errors import KiwiError, UsageError
from kiwi.common.process import CommandError
from kiwi.slurm import job_reasons

UNCONFIGURED = "Could not establish a configuration source"  # what Slurm's commands say without a slurm.conf
MOST = 10  # nodes of a partition that are named
TIMEOUT = 10.0  # seconds that Slurm has to answer
# What the sign behind a state means (man sinfo).
SIGNS = {
    "*": "does not answer",
    "~": "is powered down",
    "#": "is being powered up",
    "%": "is being powered down",
    "!": "is about to be powered down",
    "@": "is to be made anew when its jobs end",
    "^": "is being made anew",
    "$": "is reserved for maintenance",
    "+": "is being planned for",
    "-": "is planned for a job",
}
STATES = {
    "idle": "is up and free",
    "idle~": "is powered down; Slurm starts it for a job",
    "mixed": "is up and partly in use",
    "allocated": "is up and in use",
    "completing": "is being tidied up after a job",
    "drained": "takes no new job",
    "draining": "takes no new job; one still runs",
    "down": "is down: no job is sent there",
    "fail": "is about to fail: no job is sent there",
    "reserved": "is reserved",
    "maint": "is reserved for maintenance",
}


class NoSlurmError(UsageError):
    """This machine has no part in Slurm."""


def explain(target: str) -> str:
    """Return what keeps a job (a number) or a node, as lines for a person.

    Raise UsageError if it is neither or there is no Slurm here, CommandError if Slurm does not answer.
    """
    return _job(target) if target[:1].isdigit() else _node(target)


def _job(number: str) -> str:
    job = job_reasons.find(number, _slurm)
    why = job_reasons.explain(job)
    nodes = [f"  {line}" for line in _nodes(job)]
    return "\n".join([job_reasons.sentence(job), *nodes, f"next: {why.todo}"])


def _nodes(job: job_reasons.Job) -> list[str]:
    """Return a line for each node that a job has or wants; if it takes any, an overview of its partition."""
    if job.state not in ("PENDING", "CONFIGURING"):
        return []
    if named := job.nodes or job.unavailable or job.asked:
        return describe(_slurm([*SINFO, "-n", named]))
    return overview(_slurm([*SINFO, "-p", job.partition]))


SINFO = ["sinfo", "-h", "-N", "-o", "%N|%T|%E"]


def overview(text: str) -> list[str]:
    """Return the nodes of a partition that have a reason, MOST of them, and how many nodes are in each state.

    `text` is what `describe` reads, all of the partition.
    """
    lines = describe(text)
    states = Counter(_state(row.split("|")[1]) for row in dict.fromkeys(text.splitlines()) if row.count("|") > 1)
    odd = [line for line in lines if line.endswith(")")]
    return [*odd[:MOST], *(f"{count} of {len(lines)} nodes: {state}" for state, count in states.items())]


def describe(text: str) -> list[str]:
    """Return one sentence for each node of `sinfo -h -N -o '%N|%T|%E'`; a node of two partitions comes once."""
    rows = (line.split("|", 2) for line in dict.fromkeys(text.splitlines()) if line.count("|") > 1)
    return list(dict.fromkeys(f"{name} {_state(state)}{_reason(reason)}" for name, state, reason in rows))


def _state(state: str) -> str:
    if state in STATES:
        return STATES[state]
    base = state.rstrip("".join(SIGNS))
    words = [SIGNS[sign] for sign in state[len(base) :]]
    if not words or base not in ("idle", "mixed", "allocated"):
        words.insert(0, STATES.get(base, f"is {base}"))
    return ", ".join(words)


def _reason(reason: str) -> str:
    return "" if reason.strip() in ("", "none") else f" ({reason.strip()})"


def _node(name: str) -> str:
    lines = _booking(name)
    try:
        lines += describe(_slurm([*SINFO, "-n", name]))
    except NoSlurmError:
        pass
    except CommandError:
        if not lines:
            raise
    if not lines:
        needs = "a node (kiwi info and sinfo list them) or the number of a job"
        raise UsageError(key="why", found=name, needs=needs)
    return "\n".join(lines)


def _booking(name: str) -> list[str]:
    """Return the lines of `kiwi info` for one node; none if it is no node for booking, or nobody answers."""
    try:
        nodes: list[dict[str, Any]] = ask(Request("info", None, ()))["nodes"]
    except KiwiError:
        return []
    rows = [node for node in nodes if node["node"] == name]
    return [tables.as_table(rows)] if rows else []


def _slurm(argv: list[str]) -> str:
    """Return what a command of Slurm prints. Raise NoSlurmError if there is no Slurm here, CommandError if it fails."""
    try:
        return process.run(argv, timeout=TIMEOUT).out
    except CommandError as exc:
        if UNCONFIGURED not in exc.stderr:
            raise
        hint = (
            "ask on the login node; where the site has no Slurm partition there are no jobs (kiwi info has the nodes)"
        )
        raise NoSlurmError("this machine knows no Slurm", hint=hint) from exc
