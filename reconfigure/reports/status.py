"""What `reconfigure status` shows: each node as Terraform, its provider and Slurm see it, and what is done now."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from kiwi.common import hostlist
from reconfigure.cluster import reach
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal, waiting_edit, worker_pid
from reconfigure.clusterdir import sizes as sizes_file
from reconfigure.clusterdir.journal import Event
from reconfigure.model.node import Node
from reconfigure.planning import sizes
from reconfigure.planning.observed import Observed
from reconfigure.reports import snapshot
from reconfigure.rounds import progress

TITLES = ("node", "role", "address", "terraform", "machine", "slurm", "event")
SPARE = ("address", "role", "terraform")  # left out where the terminal is too narrow, in this order
FAILURES = 5  # failures that are shown
MANY = 20  # nodes without a machine that are shown one by one


@dataclass(frozen=True)
class Row:
    """One node; a field is empty if nothing is known of it."""

    node: str
    role: str
    address: str
    terraform: str
    machine: str
    slurm: str
    event: str


def rows(nodeset: Mapping[str, Node], observed: Observed, events: Sequence[Event]) -> tuple[Row, ...]:
    """Return one row for each node of the nodeset, as it is sorted in tables."""
    last = journal.last_events(events)
    machines = {m.name: f"{m.state} ({m.fault})" if m.fault else m.state for m in observed.machines}
    found = []
    for name, node in sorted(nodeset.items(), key=_order):
        entry, slurm = observed.state.get(name), observed.slurm_node(name)
        made = "" if entry is None else "tainted" if entry.tainted else "made"
        state = slurm.state.lower() if slurm else ""
        event = _event(last.get(name, {}))
        found.append(Row(name, node.role, node.address, made, machines.get(name, ""), state, event))
    return tuple(found)


def _order(item: tuple[str, Node]) -> tuple[bool, str, int]:
    """Return the sort key of a node: the login node first, then by partition and number."""
    name, node = item
    return (node.role != "login", node.partition, int(name.rpartition("-")[2] or 0) if node.partition else 0)


def _event(event: Mapping[str, Any]) -> str:
    return f"{clock(event['time'])} {event['event']}" if event else ""


def clock(at: float) -> str:
    """Return a time (unix s) as hours, minutes and seconds of the local day."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def failures(events: Sequence[Event]) -> list[dict[str, Any]]:
    """Return the last FAILURES events that say why something was not done, oldest first."""
    found = [event for event in events if event["event"] in ("failed", "refused", "round failed")]
    keys = ("time", "event", "nodes", "step", "reason")
    return [{key: event.get(key) for key in keys} for event in found[-FAILURES:]]


def data(cluster: Cluster) -> dict[str, Any]:
    """Return the status of a cluster as --json prints it. Raise KiwiError if Terraform or the provider fails."""
    clusterdir = cluster.clusterdir
    pid, asked, events = worker_pid.worker(clusterdir), snapshot.waiting(clusterdir), journal.read(clusterdir)[0]
    observed = snapshot.observe(cluster)
    return {
        "cluster": clusterdir.cluster,
        "nodes": [vars(row) for row in rows(cluster.nodeset, observed, events)],
        "slurm": None if not cluster.has_slurm else observed.slurm is not None,
        "silent": reach.why_silent(cluster, observed) if cluster.has_slurm and observed.slurm is None else "",
        "queue": len(asked),
        "oldest": min((request.time for request in asked), default=None),
        "worker": {"alive": pid is not None, "pid": pid},
        "doing": progress.now(clusterdir),
        "batches": progress.of_batches(clusterdir),
        "edit": _used(waiting_edit.read(clusterdir).get("nodes", {}), observed),
        "sizes": _sizes(cluster),
        "failures": failures(events),
    }


def _sizes(cluster: Cluster) -> dict[str, Any]:
    """Return which nodes are always up, by partition, which leave, and where that is not what the site data says."""
    noted = sizes_file.read(cluster.clusterdir)
    return {
        "always_up": {part.name: list(sizes.always_up(part, noted)) for part in cluster.site.partitions},
        "leaving": sorted(noted.leaving.keys() - sizes.persistent(cluster.site, noted)),
        "differ": sizes.sentences(cluster.site, noted),
    }


def _used(waits: Mapping[str, str], observed: Observed) -> dict[str, str]:
    """Return the nodes that an edit of the site data waits for, with who has each, as far as it is known now."""
    nodes = {name: observed.slurm_node(name) for name in waits}
    free = {name for name, node in nodes.items() if node is not None and not (node.has_job or node.completing)}
    return {name: "free now" if name in free else why for name, why in waits.items()}


def cells(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return one row a node under TITLES, or one for many that follow each other; `found` is what `data` returned."""
    return [cell for _, alike in groupby(found["nodes"], _alike) for cell in _cells(list(alike))]


def _alike(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what nodes have in common that are shown as one: those without a machine, of the same partition."""
    apart = row["node"] if row["terraform"] or row["machine"] else row["node"].rpartition("-")[0]
    return (apart, *(str(row[title]) for title in TITLES if title not in ("node", "address")))


def _cells(alike: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    if len(alike) > MANY:
        one = {**alike[0], "node": hostlist.fold(row["node"] for row in alike), "address": ""}
        return _cells([one])
    return [tuple(str(row[title]) or "-" for title in TITLES) for row in alike]


def summary(found: Mapping[str, Any]) -> list[str]:
    """Return lines about the queue, the worker, what is done now and the last failures."""
    leaving, differ = found["sizes"]["leaving"], found["sizes"]["differ"]
    goes = (
        [f"being taken away: {hostlist.fold(leaving)} (reconfigure resize --cancel has them stay)"] if leaving else []
    )
    return [*_work(found), *differ, *goes, *waiting_edit.sentences(found["edit"]), *_failures(found["failures"])]


def _work(found: Mapping[str, Any]) -> list[str]:
    """Return lines about the queue, the worker and what is done now."""
    worker = f"runs (process {found['worker']['pid']})" if found["worker"]["alive"] else "does not run"
    waits = f", the oldest since {clock(found['oldest'])}" if found["oldest"] else ""
    lines = [f"queue: {found['queue']} requests{waits}; worker: {worker}"]
    if doing := found["doing"]:
        lines.append(f"now: {doing['step']} of {hostlist.fold(doing['nodes'])}, since {clock(doing['since'])}")
    for batch in found["batches"]:
        lines.append(f"batch: {batch['step']} of {hostlist.fold(batch['nodes'])}, since {clock(batch['since'])}")
    if found["slurm"] is False:
        lines.append(f"Slurm does not answer: {found['silent']}")
    return lines


def _failures(events: Sequence[Mapping[str, Any]]) -> list[str]:
    if not events:
        return []
    lines = ["", "last failures (reconfigure why NODE says more):"]
    for event in events:
        who = hostlist.fold(event["nodes"]) if event["nodes"] else "round"
        when, reason = time.localtime(event["time"]), " ".join(event["reason"].split())
        lines.append(f"  {time.strftime('%m-%d %H:%M:%S', when)}  {who}: {reason}")
    return lines
