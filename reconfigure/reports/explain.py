"""`reconfigure why NODE|JOB`: why it is as it is, from the journal, from Slurm and from the machines.

Read (`explain_nodes`, `explain_job`: one call of Slurm each) → decide (`explain_node`, pure) → print (`text`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kiwi.common import hostlist
from kiwi.common.errors import UnreachableError, UsageError
from kiwi.common.words import one_line
from kiwi.slurm import job_reasons, jobs
from reconfigure.cluster import reach
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal, worker_pid
from reconfigure.clusterdir.journal import Event
from reconfigure.model.node import Node
from reconfigure.planning import cooldown
from reconfigure.planning.observed import Observed
from reconfigure.reports import failure_causes, snapshot, status
from reconfigure.reports.history import History, Step, last_change
from reconfigure.rounds import progress
from reconfigure.site.data import Site
from reconfigure.slurm.nodes import Power, SlurmNode

UNDRAIN = "scontrol update nodename={} state=undrain"
GIVE_BACK = "scontrol update nodename={} state=power_down_force"
HALTED = "the worker does not run, so nothing that Slurm asks for is done: reconfigure serve --detach starts it"


@dataclass(frozen=True)
class Explanation:
    """Of a node: one sentence, its states by who has them, its last change, what happens or is to be done next."""

    node: str
    headline: str
    now: Mapping[str, str]
    steps: Sequence[Step]
    next: str

    def data(self) -> dict[str, Any]:
        """Return it as --json prints it, where the steps are the `story`."""
        fields = asdict(self)
        return {"story" if name == "steps" else name: value for name, value in fields.items()}


@dataclass(frozen=True)
class Context:
    """What matters for every node: what is done now, whether the worker runs, how many requests wait, the site.

    `doing` has the step under the lock and that of each batch (rounds/progress.py).
    `persistent` are the nodes that are always up.
    `silent` is why Slurm does not answer, where that was asked and it does not.
    """

    doing: Sequence[Mapping[str, Any]]
    worker: bool
    waiting: int
    site: Site
    persistent: frozenset[str] = frozenset()
    silent: str = ""


def explain(cluster: Cluster, target: str) -> dict[str, Any]:
    """Return the explanation of a node or a job as --json prints it.

    Raise UsageError if there is no node or job of that name, UnreachableError if Slurm does not answer about a job,
    KiwiError if Terraform or the provider fails.
    """
    if target in cluster.nodeset:
        return {"kind": "node", **explain_nodes(cluster, [target])[0].data()}
    known = hostlist.fold(cluster.nodeset)
    if not cluster.has_slurm:
        raise UsageError(f"why: found {target!r}; needs a node of {known}: without a Slurm partition there are no jobs")
    if not jobs.is_job(target):
        raise UsageError(f"why: found {target!r}; needs a node of {known}, or the number of a job")
    return explain_job(cluster, target)


def explain_nodes(cluster: Cluster, names: Sequence[str]) -> list[Explanation]:
    """Read what is known of some nodes and explain each."""
    observed, events = snapshot.observe(cluster), journal.read(cluster.clusterdir)[0]
    doing, worker = progress.all_of(cluster.clusterdir), worker_pid.worker(cluster.clusterdir) is not None
    silent = reach.why_silent(cluster, observed) if cluster.has_slurm and observed.slurm is None else ""
    waiting = len(snapshot.waiting(cluster.clusterdir))
    context = Context(doing, worker, waiting, cluster.site, cluster.persistent(), silent)
    return [explain_node(cluster.nodeset[name], last_change(name, events), observed, context) for name in names]


def explain_job(cluster: Cluster, number: str) -> dict[str, Any]:
    """Return what Slurm says of a job, with an explanation of each node that it has, was promised or asked for.

    Of an array, or a heterogeneous job, the first part is the job, the `others` follow.
    Raise UsageError if Slurm does not know the job, UnreachableError if Slurm does not answer.
    """
    try:
        job, *others = jobs.find(number, lambda argv: cluster.controller.call(argv, snapshot.PATIENCE).out)
    except UnreachableError as exc:
        raise UnreachableError(str(exc), hint=reach.why_silent(cluster, snapshot.observe(cluster))) from exc
    names = [name for name in _nodes_of(job, journal.read(cluster.clusterdir)[0]) if name in cluster.nodeset]
    return {
        "kind": "job",
        "job": job._asdict(),
        "headline": job_reasons.sentence(job),
        "next": job_reasons.explain(job).todo,
        "others": [{"headline": job_reasons.sentence(it), "next": job_reasons.explain(it).todo} for it in others],
        "nodes": [explanation.data() for explanation in explain_nodes(cluster, names)],
    }


def _nodes_of(job: jobs.Job, events: Iterable[Event]) -> list[str]:
    """Return the nodes that a job has; if it is pending, those it asked for, lacks or had Slurm power up."""
    if job.nodes:
        return list(hostlist.expand(job.nodes))
    promised = [e["jobs"][job.id] for e in events if e["event"] == "request" and job.id in (e.get("jobs") or {})]
    lists = [job.asked, job.unavailable, *promised[-1:]] if job.state == "PENDING" else []
    return list(dict.fromkeys(name for text in lists if text for name in hostlist.expand(text)))


def explain_node(node: Node, history: History, observed: Observed, context: Context) -> Explanation:
    """Explain a node from what was read of it. Pure."""
    slurm = observed.slurm_node(node.name)
    found = next((m for m in observed.machines if m.name == node.name), None)
    machine = found.state if found else ""
    now = {"machine": f"{machine} ({found.fault})" if found and found.fault else machine or "none"}
    if node.role == "slurm":
        now["Slurm"] = slurm.state if slurm else ": ".join(filter(None, ("does not answer", context.silent)))
        if slurm and slurm.reason and not _is_failure(slurm.reason, history):
            now["Slurm's reason"] = _reason(slurm)
    if doing := _doing(node.name, context):
        now["at this moment"] = doing
    headline = f"{node.name} {_headline(node, history, slurm, machine)}"
    return Explanation(node.name, headline, now, history.steps, _next(node, history, slurm, machine, context))


def _reason(node: SlurmNode) -> str:
    """Return the reason of a node as one line, with who set it and when, where Slurm knows that."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(node.reason_time))
    return one_line(node.reason) + (f" [{one_line(node.reason_user)}, {when}]" if node.reason_user else "")


def _is_failure(reason: str, history: History) -> bool:
    """Return whether Slurm's reason, which was cut and quoted, is that of the failure in the history."""
    return history.failure is not None and reason[:50] == history.failure["reason"][:50]


def _doing(name: str, context: Context) -> str:
    """Return the step that a node is in and for how long; "" if it is in none."""
    steps = [said for said in context.doing if name in said["nodes"]]
    return "; ".join(f"{said['step']}, for {time.time() - said['since']:.0f} s" for said in steps)


def _headline(node: Node, history: History, slurm: SlurmNode | None, machine: str) -> str:
    """Return the predicate of the headline: the last failure unless the node is up since, else its state."""
    up = machine == "running" and (slurm is None or slurm.power is Power.UP)
    if history.failure is not None and not up:
        verb = "was refused" if history.failure["event"] == "refused" else "failed"
        when, reason = status.clock(history.failure["time"]), " ".join(history.failure["reason"].split())
        return f"is not up: what was last asked for it {verb} at {when}: {reason}"
    if slurm is None:
        words = {"": "is off: it has no machine", "running": "is up: its machine runs"}
        return words.get(machine, "is down: its machine does not run")
    if _lost(slurm, machine):
        job = "has a job there" if slurm.has_job else "counts on it"
        return f"is lost: Slurm {job}, and {'its machine does not run' if machine else 'it has no machine'}"
    if _unused(slurm, machine):
        return "is not used: Slurm has it powered down, though its machine runs"
    return next(words for holds, words in _states(slurm) if holds)


def _unused(slurm: SlurmNode, machine: str) -> bool:
    """Return whether a machine runs that Slurm has powered down: it came up in vain, or has not gone yet."""
    return slurm.power is Power.POWERED_DOWN and machine == "running"


def _lost(slurm: SlurmNode, machine: str) -> bool:
    """Return whether Slurm counts on a machine that is not there."""
    return slurm.power is Power.UP and not slurm.down and machine != "running"


def _states(node: SlurmNode) -> list[tuple[bool, str]]:
    """Return what Slurm's state of a node means, as a table of which the first row that holds counts."""
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


def _next(node: Node, history: History, slurm: SlurmNode | None, machine: str, context: Context) -> str:
    """Return what happens by itself, else what to do."""
    if not context.worker and node.role == "slurm":
        return HALTED
    if history.failure is not None and (machine != "running" or slurm is None or slurm.power is not Power.UP):
        todo = failure_causes.cause(history.failure.get("step", ""), history.failure["reason"]).todo
        return f"{todo}. Slurm starts it again for the next job that needs it"
    if slurm is None:
        return _next_without_slurm(node, machine)
    if not history.over and (context.doing or context.waiting):
        return "nothing to do: it is being worked on, or waits for the change before it"
    name, site, power = node.name, context.site.data, slurm.power
    left_alone = cooldown.MARK in slurm.reason
    choices = [
        (left_alone, f"mend the cause; it is tried again after that time, or now: {UNDRAIN.format(name)}"),
        (power.rising, f"it comes up, or Slurm gives it up after ResumeTimeout ({site['resume_timeout']} s)"),
        (power is Power.POWERING_DOWN, f"it can be used again after SuspendTimeout ({site['suspend_timeout']} s)"),
        (
            _unused(slurm, machine) and not (slurm.down or slurm.drained),
            f"the worker {'has Slurm power it up' if name in context.persistent else 'removes the machine'} within a "
            f"minute; at once, to use it: reconfigure resume {name}",
        ),
        (slurm.down and power is Power.POWERED_DOWN, f"put it back: {GIVE_BACK.format(name)}"),
        (power.off, f"nothing to do: Slurm powers it up for a job; by hand: reconfigure resume {name}"),
        (_lost(slurm, machine), "reconfigure sync: Slurm is told, so that its jobs start elsewhere"),
        (slurm.down, f"reconfigure sync; if it stays down: scontrol update nodename={name} state=resume"),
        (slurm.drained, f"when the reason is gone: {UNDRAIN.format(name)}"),
        (slurm.allocated, f"nothing to do; squeue -w {name} shows the job"),
        (name in context.persistent, "nothing to do: it is one of min_nodes, and stays"),
        (True, f"nothing to do: idle for {site['suspend_time']} s (suspend_time), it is removed"),
    ]
    return next(words for holds, words in choices if holds)


def _next_without_slurm(node: Node, machine: str) -> str:
    if machine == "running":
        return "nothing to do" if node.role != "booking" else "nothing to do; kiwi info shows who holds it"
    return "bin/up brings the cluster back" if node.role == "login" else f"reconfigure resume {node.name}, or bin/up"


def text(found: Mapping[str, Any]) -> str:
    """Return an explanation, as `explain` returned it, for people; of a job's nodes one line each."""
    if found["kind"] == "job":
        lines = [found["headline"], *(f"  {row['headline']}" for row in found["nodes"])]
        lines.append(f"next: {found['next']}")
        return "\n".join([*lines, *(f"{other['headline']}\nnext: {other['next']}" for other in found["others"])])
    lines = [found["headline"], *(f"  {what}: {value}" for what, value in found["now"].items()), ""]
    for step in found["story"]:
        took = "" if step["seconds"] is None else f" ({step['seconds']:.1f} s)"
        lines.append(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(step['time']))}  {step['text']}{took}")
    if not found["story"]:
        lines.append("the journal has nothing about it")
    return "\n".join([*lines, "", f"next: {found['next']}"])
