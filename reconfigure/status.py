"""What `reconfigure status` shows: every node as Terraform, its machine and Slurm have it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from reconfigure import journal, serve
from reconfigure.plan import Observed
from reconfigure.queue import Queue
from reconfigure.records import Node
from reconfigure.work import Cluster


@dataclass(frozen=True)
class Row:
    """One node; empty strings where there is nothing to say."""

    node: str
    role: str
    address: str
    terraform: str
    machine: str
    slurm: str
    event: str


def rows(cluster: Cluster, observed: Observed) -> tuple[Row, ...]:
    """One row a node of the nodeset."""
    events = journal.last_events(journal.read(cluster.home)[0])
    machines = {m.name: f"{m.state} ({m.fault})" if m.fault else m.state for m in observed.machines}
    found = []
    for name, node in sorted(cluster.nodeset.items(), key=_order):
        entry, slurm = observed.state.get(name), observed.slurm_node(name)
        made = "" if entry is None else "tainted" if entry.tainted else "made"
        state = slurm.state.lower() if slurm else ""
        found.append(
            Row(name, node.role, node.address, made, machines.get(name, ""), state, _event(events.get(name, {})))
        )
    return tuple(found)


def _order(item: tuple[str, Node]) -> tuple[bool, str, int]:
    """Login first, then partitions, their nodes by number."""
    name, node = item
    return (node.role != "login", node.partition, int(name.rpartition("-")[2] or 0) if node.partition else 0)


def _event(event: dict[str, Any]) -> str:
    if not event:
        return ""
    at = time.strftime("%H:%M:%S", time.localtime(event["time"]))
    return f"{at} {event['event']}" + (f": {event['reason']}" if event.get("reason") else "")


def data(cluster: Cluster) -> dict[str, Any]:
    """Everything, as --json prints it."""
    queue = Queue(cluster.home.path / "queue.sqlite")
    pid = serve.worker(cluster.home)
    return {
        "cluster": cluster.home.cluster,
        "nodes": [asdict(row) for row in rows(cluster, cluster.observe())],
        "queue": len(queue.waiting()),
        "worker": {"alive": pid is not None, "pid": pid},
    }


def text(found: dict[str, Any]) -> str:
    """The same as a table."""
    titles = ("node", "role", "address", "terraform", "machine", "slurm", "event")
    lines = [titles, *(tuple(str(row[title]) or "-" for title in titles) for row in found["nodes"])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(titles))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    worker = f"runs (process {found['worker']['pid']})" if found["worker"]["alive"] else "does not run"
    return "\n".join([*shown, "", f"queue: {found['queue']} requests; worker: {worker}"])
