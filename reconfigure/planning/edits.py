"""What an edit of the site data takes away, and from whom. Pure.

An edit that takes away a node which a job or a person has waits as far as it is about
machines: until that node is free, these keys (MACHINES) stay as they are in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kiwi.common import hostlist
from reconfigure.planning.draft import Nodeset
from reconfigure.planning.guard import SILENT, UNASKED
from reconfigure.planning.observed import Observed
from reconfigure.slurm.jobs import Job

MACHINES = ("images", "flavors", "login", "partitions")
DRAINED = "leaves, or gets smaller, by an edit of the site data"  # why Slurm is told to drain it
Data = Mapping[str, Any]


def taken(old: Data, new: Data) -> dict[str, str]:
    """Return the nodes that are taken away or made smaller, with what happens to each."""
    partitions = {partition["name"]: partition for partition in new["partitions"]}
    found: dict[str, str] = {}
    for before in old["partitions"]:
        after = partitions.get(before["name"])
        for name in names(before):
            if after is None or after["scheduler"] != before["scheduler"] or name not in names(after):
                found[name] = "goes"
            elif less := _less(_size(old, before), _size(new, after)):
                found[name] = f"gets less: {less}"
    return found


def names(partition: Data) -> tuple[str, ...]:
    """Return the names of all nodes of a partition."""
    return tuple(f"{partition['name']}-{number}" for number in range(1, partition["max_nodes"] + 1))


def _size(data: Data, partition: Data) -> dict[str, Any]:
    """Return what jobs ask for of a partition's nodes."""
    flavor = data["flavors"][partition["flavor"]]
    features = {*(partition.get("features") or ()), *(flavor.get("features") or ())}
    return {**{key: flavor[key] for key in ("cpus", "memory_mb")}, "gres": flavor.get("gres"), "features": features}


def _less(old: Data, new: Data) -> str:
    """Return what of a size is less than before, in the words of the site data; "" if nothing is."""
    keys = [key for key in ("cpus", "memory_mb") if new[key] < old[key]]
    keys += [key for key in ("gres", "features") if not set(old[key] or ()) <= set(new[key] or ())]
    return ", ".join(keys)


def in_use(nodes: Iterable[str], nodeset: Nodeset, observed: Observed, jobs: Sequence[Job] | None) -> dict[str, str]:
    """Return those of the nodes that somebody has, or may have, with a sentence that says who."""
    found = {name: _whose(name, nodeset[name].role, observed, jobs) for name in nodes if name in nodeset}
    return {name: why for name, why in found.items() if why}


def _whose(name: str, role: str, observed: Observed, jobs: Sequence[Job] | None) -> str:
    if role == "booking":
        if observed.bookings is None:
            return UNASKED if observed.runs(name) else ""
        return observed.bookings.get(name, "")
    node = observed.slurm_node(name)
    if observed.slurm is None or jobs is None:
        return SILENT if observed.runs(name) else ""
    mine = [f"job {job.id} of {job.user}" for job in jobs if name in job.nodes]
    busy = node is not None and (node.has_job or node.completing)
    return ", ".join(mine) or ("a job has it, or its end is awaited" if busy else "")


def cannot_run(old: Data, new: Data, jobs: Iterable[Job]) -> list[str]:
    """Return a sentence for each pending job that the edit leaves without the nodes it asks for."""
    gone = {name for name, what in taken(old, new).items() if what == "goes"}
    sizes = {p["name"]: p["max_nodes"] for p in new["partitions"] if p["scheduler"] == "slurm"}
    return [f"job {j.id} of {j.user}, pending, {why}" for j in jobs if j.pending and (why := _lacks(j, gone, sizes))]


def _lacks(job: Job, gone: set[str], sizes: Mapping[str, int]) -> str:
    """Return what a job asks for that there will not be; "" if nothing."""
    left = [partition for partition in job.partitions if partition in sizes]
    if not left:
        return f"asks for the partition {','.join(job.partitions)}, which goes"
    if named := sorted(job.required & gone):
        return f"asks for {hostlist.fold(named)}, which goes"
    most = max(sizes[partition] for partition in left)
    return f"asks for {job.count} nodes; {','.join(left)} will have {most}" if job.count > most else ""


def kept(old: Data, new: Data) -> dict[str, Any]:
    """Return the new site data with what it says of machines as it is in force."""
    return {**new, **{key: old[key] for key in MACHINES}}
