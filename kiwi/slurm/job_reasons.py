"""Explain in plain words why Slurm's jobs wait, and how they ended.

Reason codes: https://slurm.schedmd.com/job_reason_codes.html; states: man squeue.
"""

from __future__ import annotations

from typing import NamedTuple

from kiwi.slurm.jobs import Job


class Explanation(NamedTuple):
    """What keeps a job, and what its owner can do."""

    what: str
    todo: str


WAIT = "Nothing to do: it starts by itself. scontrol show job {number} has Slurm's own estimate (StartTime)."
LIMIT = "Wait until other jobs of yours end, or ask for less; an admin sees the limits with sacctmgr."
STATES = {
    "CONFIGURING": Explanation(
        "it has its nodes, which are being powered up", "Nothing to do: it starts when they are."
    ),
    "RUNNING": Explanation("it runs", "Nothing to do."),
    "COMPLETING": Explanation("it has ended, and its nodes are being tidied up", "Nothing to do."),
    "COMPLETED": Explanation("it has ended well", "Nothing to do."),
    "CANCELLED": Explanation("it was cancelled", "Submit it again if it was not meant to be."),
    "FAILED": Explanation("it has ended with an error ({reason})", "Read its output{output}."),
    "TIMEOUT": Explanation("it ran into its time limit", "Submit it again with more time (-t)."),
    "NODE_FAIL": Explanation("one of its nodes failed", "Submit it again; with --requeue Slurm does so by itself."),
    "OUT_OF_MEMORY": Explanation("it used more memory than it had asked for", "Submit it again with more (--mem)."),
    "PREEMPTED": Explanation(
        "it had to make room for another job", "Submit it again; with --requeue Slurm does so by itself."
    ),
    "SUSPENDED": Explanation("it is suspended", "An admin continues it: scontrol resume {number}"),
    "DEADLINE": Explanation("it could not end before its deadline", "Submit it again with a later one (--deadline)."),
    "BOOT_FAIL": Explanation("one of its nodes did not start", "Ask an admin for: reconfigure why NODE"),
}
# The longest prefix of the reason counts.
REASONS = {
    "None": Explanation("Slurm has not looked at it yet", "Look again in a few seconds."),
    "Resources": Explanation("it is next in line, and what it asks for is in use", WAIT),
    "Priority": Explanation("other jobs are before it in the line", WAIT),
    "Dependency": Explanation(
        "it waits for another job ({dependency})", "Nothing to do: it goes on when that one is through."
    ),
    "DependencyNeverSatisfied": Explanation(
        "the job that it waits for ended in another way ({dependency}), so it never starts",
        "scancel {number}, and submit it again without that dependency.",
    ),
    "BeginTime": Explanation(
        "it must not begin before {start}: it was asked so, or it is a job whose node failed to start "
        "(Slurm puts such a job back for a minute)",
        "Wait, or have it tried at once: scontrol update jobid={number} starttime=now",
    ),
    "JobHeldUser": Explanation("its owner holds it", "scontrol release {number}"),
    "JobHeldAdmin": Explanation("an admin holds it", "Ask the admin, who can: scontrol release {number}"),
    "job requeued in held state": Explanation("it was put back and is held", "scontrol release {number}"),
    "launch failed requeued held": Explanation(
        "it could not be launched on its node, was put back and is held", "scontrol release {number}"
    ),
    "PartitionNodeLimit": Explanation(
        "it asks for more nodes ({size}) than partition {partition} has or allows",
        "sinfo -p {partition}; then: scontrol update jobid={number} numnodes=N",
    ),
    "PartitionTimeLimit": Explanation(
        "its time limit is longer than partition {partition} allows",
        "sinfo -p {partition} -o %l; then: scontrol update jobid={number} timelimit=TIME",
    ),
    "PartitionDown": Explanation("partition {partition} takes jobs but starts none", "Ask an admin."),
    "PartitionInactive": Explanation("partition {partition} is closed", "Ask an admin, or use another partition (-p)."),
    "ReqNodeNotAvail": Explanation(
        "a node that it needs is down, drained, reserved or not free",
        "sinfo -R shows why nodes are out of service. Without -w the job takes any other node.",
    ),
    "ReqNodeNotAvail, May be reserved": Explanation(
        "the node that it names is in use, being powered down, reserved, or kept for a job before it", WAIT
    ),
    "ReqNodeNotAvail, Reserved for maintenance": Explanation(
        "the node that it names is reserved for maintenance", "scontrol show reservation says until when."
    ),
    "Nodes required for job are DOWN": Explanation(
        "nodes that it needs are down, drained or reserved", "sinfo -R shows why nodes are out of service."
    ),
    "NodeDown": Explanation("a node that it needs is down", "sinfo -R shows why nodes are out of service."),
    "BadConstraints": Explanation(
        "no node can ever be what it asks for ({size} nodes of partition {partition})",
        "scancel {number}; compare what it asks for with: sinfo -p {partition} -N -l",
    ),
    "Reservation": Explanation("it waits for its reservation to begin", "scontrol show reservation"),
    "ReservationDeleted": Explanation("its reservation is gone", "scancel {number}, and submit it again without it."),
    "Licenses": Explanation("the licences that it asks for are in use", WAIT),
    "JobArrayTaskLimit": Explanation("as many tasks of its array run as may run at once (%N in --array)", WAIT),
    "Prolog": Explanation("its nodes are being made ready", "Nothing to do."),
    "Cleaning": Explanation("it was put back, and its last run is being tidied up", "Nothing to do."),
    "InvalidAccount": Explanation("its account is not valid", "scontrol update jobid={number} account=NAME"),
    "InvalidQOS": Explanation("its quality of service (QOS) is not valid", "scontrol update jobid={number} qos=NAME"),
    "AccountNotAllowed": Explanation("its account may not use partition {partition}", "Use another one (-A)."),
    "QOSNotAllowed": Explanation("its QOS may not be used in partition {partition}", "Use another one (--qos)."),
    "QOS": Explanation("a limit of its QOS is reached ({reason})", LIMIT),
    "Assoc": Explanation("a limit of its account or user is reached ({reason})", LIMIT),
    "Max": Explanation("a limit is reached ({reason})", LIMIT),
}
GONE = Explanation(  # NODE_FAIL of a job that never had a node
    "the nodes or the partition that it asked for ({asks}) were taken out of the cluster",
    "Submit it again, for nodes that there are: sinfo -N",
)
UNKNOWN = Explanation(
    "Slurm says: {reason}", "man squeue explains the reason; scontrol show job {number} shows all of the job."
)


def explain(job: Job, output: str = "") -> Explanation:
    """Return what keeps a job, and what its owner can do; `output` is a file of its output that is there."""
    reason = job.reason.replace("_", " ")
    known = [key for key in REASONS if reason.lower().startswith(key.lower())]
    if job.state == "NODE_FAIL" and not job.nodes:
        found = GONE
    elif job.state in STATES:
        found = STATES[job.state]
    else:
        found = REASONS[max(known, key=len)] if known and job.state == "PENDING" else UNKNOWN
    words = {
        **job._asdict(),
        "number": job.number,
        "asks": job.asked or job.partition,
        "start": job.start.replace("T", " ") or "its time",
        "output": f": {output}" if output else ", where it wrote any",
    }
    return Explanation(found.what.format(**words), found.todo.format(**words))


def sentence(job: Job) -> str:
    """Return job, owner, state and what keeps it, as one sentence."""
    where = f" on {job.nodes}" if job.nodes else ""
    return f"job {job.id} of {job.user}, {job.state.lower()}{where}: {explain(job).what}."
