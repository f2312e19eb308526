"""`reconfigure why NODE|JOB`: what keeps it, from the journal, from Slurm and from the machines.

Read (`of_nodes`, `of_job`: one call of Slurm each) → decide (`node_answer`, pure) → print (`text`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kiwi.common.errors import UnreachableError, UsageError
from kiwi.slurm import job_reasons
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal, worker_pid
from reconfigure.clusterdir.journal import Event
from reconfigure.model import hostlist
from reconfigure.model.node import Node
from reconfigure.planning import cooldown
from reconfigure.planning.observed import Observed
from reconfigure.reports import failure_causes, snapshot, status
from reconfigure.reports.history import Line, Story, story
from reconfigure.rounds import progress
from reconfigure.site.data import Site
from reconfigure.slurm.nodes import Power, SlurmNode

UNDRAIN = "scontrol update nodename={} state=resume"
GIVE_BACK = "scontrol update nodename={} state=power_down_force"
HALTED = "the worker does not run, so nothing that Slurm asks for is done: reconfigure serve --detach starts it"


@dataclass(frozen=True)
class Answer:
    """About a node: in one sentence, what it is now, what happened, what happens next or is to be done."""

    node: str
    headline: str
    now: Mapping[str, str]
    story: Sequence[Line]
    next: str


@dataclass(frozen=True)
class Around:
    """What else matters for any node: what is done now, does the worker run, how many requests wait, the site."""

    doing: Mapping[str, Any] | None
    worker: bool
    waiting: int
    site: Site


def answer(cluster: Cluster, target: str) -> dict[str, Any]:
    """Everything about a node or a job, as --json prints it; UsageError where there is none of that name."""
    if target in cluster.nodeset:
        return {"kind": "node", **asdict(of_nodes(cluster, [target])[0])}
    if not target[:1].isdigit():
        known = hostlist.fold(cluster.nodeset)
        raise UsageError(f"why: found {target!r}; needs a node of {known}, or the number of a job")
    return of_job(cluster, target)


def of_nodes(cluster: Cluster, names: Sequence[str]) -> list[Answer]:
    observed, events = snapshot.observe(cluster), journal.read(cluster.clusterdir)[0]
    doing, worker = progress.now(cluster.clusterdir), worker_pid.worker(cluster.clusterdir) is not None
    around = Around(doing, worker, len(snapshot.waiting(cluster.clusterdir)), cluster.site)
    return [node_answer(cluster.nodeset[name], story(name, events), observed, around) for name in names]


def of_job(cluster: Cluster, number: str) -> dict[str, Any]:
    """About a job: what Slurm says, and each node that it has, was promised or named."""
    try:
        job = job_reasons.find(number, lambda argv: cluster.controller.call(argv, snapshot.PATIENCE).out)
    except UnreachableError as exc:
        raise UnreachableError(str(exc), hint="reconfigure status shows whether the login node runs") from exc
    names = [name for name in _nodes_of(job, journal.read(cluster.clusterdir)[0]) if name in cluster.nodeset]
    why = job_reasons.explain(job)
    return {
        "kind": "job",
        "job": job._asdict(),
        "headline": job_reasons.sentence(job),
        "next": why.todo,
        "nodes": [asdict(found) for found in of_nodes(cluster, names)],
    }


def _nodes_of(job: job_reasons.Job, events: Iterable[Event]) -> list[str]:
    """Nodes that a job has, else those that it named, lacks or had Slurm ask for."""
    if job.nodes:
        return list(hostlist.expand(job.nodes))
    promised = [e["jobs"][job.id] for e in events if e["event"] == "request" and job.id in (e.get("jobs") or {})]
    lists = [job.asked, job.unavailable, *promised[-1:]] if job.state == "PENDING" else []
    return list(dict.fromkeys(name for text in lists if text for name in hostlist.expand(text)))


def node_answer(node: Node, told: Story, observed: Observed, around: Around) -> Answer:
    """Pure: everything that was read becomes an answer."""
    slurm = observed.slurm_node(node.name)
    found = next((m for m in observed.machines if m.name == node.name), None)
    machine = found.state if found else ""
    now = {"machine": f"{machine} ({found.fault})" if found and found.fault else machine or "none"}
    if node.role == "slurm":
        now["Slurm"] = slurm.state if slurm else "does not answer"
        if slurm and slurm.reason and not _told(slurm.reason, told):
            now["Slurm's reason"] = slurm.reason
    if doing := _doing(node.name, around):
        now["at this moment"] = doing
    headline = f"{node.name} {_headline(node, told, slurm, machine)}"
    return Answer(node.name, headline, now, told.lines, _next(node, told, slurm, machine, around))


def _told(reason: str, told: Story) -> bool:
    """Whether Slurm's reason, which is cut and quoted, is the one of the failure that is told anyway."""
    return told.failure is not None and reason[:50] == told.failure["reason"][:50]


def _doing(name: str, around: Around) -> str:
    if around.doing is None or name not in around.doing["nodes"]:
        return ""
    return f"{around.doing['step']}, for {time.time() - around.doing['since']:.0f} s"


def _headline(node: Node, told: Story, slurm: SlurmNode | None, machine: str) -> str:
    up = machine == "running" and (slurm is None or slurm.power is Power.UP)
    if told.failure is not None and not up:
        verb = "was refused" if told.failure["event"] == "refused" else "failed"
        when, reason = status.clock(told.failure["time"]), " ".join(told.failure["reason"].split())
        return f"is not up: what was last asked for it {verb} at {when}: {reason}"
    if slurm is None:
        words = {"": "is off: it has no machine", "running": "is up: its machine runs"}
        return words.get(machine, "is down: its machine does not run")
    return next(words for holds, words in _states(slurm) if holds)


def _states(node: SlurmNode) -> list[tuple[bool, str]]:
    """What Slurm's state of a node means; the first that holds counts."""
    return [
        (node.power.rising, "is being powered up"),
        (node.power is Power.POWERING_DOWN, "is being powered down"),
        (node.power is Power.POWERED_DOWN and node.down, "is powered down, and down: no job is sent there"),
        (node.power is Power.POWERED_DOWN, "is powered down: no job needs it"),
        (node.down, "is down: no job is sent there"),
        (node.drained, "is drained: no new job is sent there"),
        ("NOT_RESPONDING" in node.flags, "does not answer Slurm"),
        (node.has_job, "is up, and a job runs there"),
        (True, "is up, and idle"),
    ]


def _next(node: Node, told: Story, slurm: SlurmNode | None, machine: str, around: Around) -> str:
    """What happens by itself, or what to do."""
    if not around.worker and node.role == "slurm":
        return HALTED
    if told.failure is not None and (machine != "running" or slurm is None or slurm.power is not Power.UP):
        todo = failure_causes.cause(told.failure.get("step", ""), told.failure["reason"]).todo
        return f"{todo}. Slurm starts it again for the next job that needs it"
    if slurm is None:
        return _next_without_slurm(node, machine)
    if not told.over and (around.doing or around.waiting):
        return "nothing to do: it is being worked on, or waits for the change before it"
    name, site, power = node.name, around.site.data, slurm.power
    left_alone = cooldown.MARK in slurm.reason
    choices = [
        (left_alone, f"mend the cause; it is tried again after that time, or now: {UNDRAIN.format(name)}"),
        (power.rising, f"it comes up, or Slurm gives it up after ResumeTimeout ({site['resume_timeout']} s)"),
        (
            slurm.power is Power.POWERING_DOWN,
            f"it can be used again after SuspendTimeout ({site['suspend_timeout']} s)",
        ),
        (
            slurm.down and slurm.power is Power.POWERED_DOWN,
            f"put it back: scontrol update nodename={name} state=power_down_force",
        ),
        (power.off, f"nothing to do: Slurm powers it up for a job; by hand: reconfigure resume {name}"),
        (slurm.down, f"reconfigure sync; if it stays down: scontrol update nodename={name} state=resume"),
        (slurm.drained, f"when the reason is gone: {UNDRAIN.format(name)}"),
        (slurm.allocated, f"nothing to do; squeue -w {name} shows the job"),
        (name in around.site.persistent(), "nothing to do: it is one of min_nodes, and stays"),
        (True, f"nothing to do: idle for {site['suspend_time']} s (suspend_time), it is removed"),
    ]
    return next(words for holds, words in choices if holds)


def _next_without_slurm(node: Node, machine: str) -> str:
    if machine == "running":
        return "nothing to do" if node.role != "booking" else "nothing to do; kiwi info shows who holds it"
    return "bin/up brings the cluster back" if node.role == "login" else f"reconfigure resume {node.name}, or bin/up"


def text(found: Mapping[str, Any]) -> str:
    """The same in words; of a job's nodes one line each."""
    if found["kind"] == "job":
        lines = [found["headline"], *(f"  {row['headline']}" for row in found["nodes"])]
        return "\n".join([*lines, f"next: {found['next']}"])
    lines = [found["headline"], *(f"  {what}: {value}" for what, value in found["now"].items()), ""]
    for line in found["story"]:
        took = "" if line["seconds"] is None else f" ({line['seconds']:.1f} s)"
        lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(line['time']))}  {line['text']}{took}")
    if not found["story"]:
        lines.append("the journal has nothing about it")
    return "\n".join([*lines, "", f"next: {found['next']}"])
