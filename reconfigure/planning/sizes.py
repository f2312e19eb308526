"""How many nodes of a partition are always up, which ones, and which of them go where there shall be fewer. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kiwi.common import durations
from kiwi.common.errors import UsageError
from reconfigure.clusterdir.sizes import Size, Sizes
from reconfigure.model.node import Node
from reconfigure.planning.observed import Observed
from reconfigure.site.data import Partition, Site
from reconfigure.slurm.nodes import Power, SlurmNode

DRAINED = "is taken away (reconfigure resize)"  # why Slurm is told to drain it


@dataclass(frozen=True)
class Change:
    """The nodes of one partition that are always up, before and after; `down` are those that are taken away.

    Those beyond `before` go, too, where nobody but the driver would ever remove them: nodes to book.
    """

    partition: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    down: tuple[str, ...] = ()

    @property
    def up(self) -> tuple[str, ...]:
        """Nodes that are always up from now on, and were not."""
        return tuple(name for name in self.after if name not in self.before)

    def data(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"partition": self.partition, "before": len(self.before), "after": len(self.after)} | {
            "up": list(self.up),
            "down": list(self.down),
        }


def number(name: str) -> int:
    """Return the number of a node in its partition."""
    return int(name.rpartition("-")[2])


def in_force(partition: Partition, sizes: Sizes) -> tuple[str, ...]:
    """Return the nodes of a partition that are always up: what was said by hand, else the first `min_nodes`."""
    size = sizes.partitions.get(partition.name)
    if size is None or size.site != partition.min_nodes:
        return partition.persistent()
    return tuple(name for name in size.nodes if number(name) <= partition.max_nodes)


def always_up(partition: Partition, sizes: Sizes) -> tuple[str, ...]:
    """Return the nodes of a partition that are always up, those among them that somebody keeps (`reconfigure keep`)."""
    kept = sizes.kept.keys() & partition.names() if sizes.kept else set()
    return tuple(sorted({*in_force(partition, sizes), *kept}, key=number))


def persistent(site: Site, sizes: Sizes) -> frozenset[str]:
    """Return the names of all nodes that are always up, the login node among them."""
    return frozenset({"login"}.union(*(always_up(partition, sizes) for partition in site.partitions)))


def excluded(site: Site, sizes: Sizes, known: Collection[str] | None = None) -> str:
    """Return what Slurm does not power down, as SuspendExcNodes has it; of the nodes `known` to it, if given.

    These are the nodes that are always up, and of a partition with a warm pool so many of its idle nodes (NODES:COUNT).
    """
    slurm = [partition for partition in site.partitions if partition.scheduler == "slurm"]
    names = [name for partition in slurm for name in always_up(partition, sizes)]
    parts = _ranges(name for name in names if known is None or name in known)
    for partition in (partition for partition in slurm if partition.warm):
        pool = [name for name in partition.names() if known is None or name in known]
        parts += [f"{span}:{partition.warm}" for span in _ranges(pool)]
    return ",".join(parts)


def _ranges(names: Iterable[str]) -> list[str]:
    """Return names as ranges of consecutive numbers: cpu-[1-2], cpu-4, and never cpu-[1-2,4].

    slurmctld 24.11 takes a comma within brackets for the end of a name in SuspendExcNodes, and dies of that.
    """
    found: list[tuple[str, int, int]] = []
    for part, n in sorted((name.rpartition("-")[0], number(name)) for name in set(names)):
        if found and found[-1][0] == part and found[-1][2] == n - 1:
            found[-1] = (part, found[-1][1], n)
        else:
            found.append((part, n, n))
    return [f"{part}-{low}" if low == high else f"{part}-[{low}-{high}]" for part, low, high in found]


def to_warm(site: Site, sizes: Sizes, observed: Observed) -> dict[str, str]:
    """Return the nodes to power up so that each warm pool has its number of idle ones, with why.

    Idle nodes that are always up count; so do those that come up and have no job. Nodes that failed (cooldown),
    leave or were taken out of service are left alone.
    """
    found: dict[str, str] = {}
    for partition in (partition for partition in site.partitions if partition.warm and observed.slurm):
        nodes = {name: observed.slurm_node(name) for name in partition.names() if name not in sizes.leaving}
        usable = {name: node for name, node in nodes.items() if node and node.base == "IDLE" and not node.drained}
        idle = [name for name, node in usable.items() if not node.power.off]
        off = [n for n, node in usable.items() if node.power is Power.POWERED_DOWN and n not in observed.held]
        missing = partition.warm - len(idle)
        found |= dict.fromkeys(off[: max(0, missing)], f"warm: {partition.warm}, and {len(idle)} are idle")
    return found


def wanted(site: Site, counts: Mapping[str, int]) -> dict[str, int]:
    """Return how many nodes shall be always up, by partition. Raise UsageError if a partition cannot have so many."""
    partitions = {partition.name: partition for partition in site.partitions}
    for name, count in counts.items():
        if name not in partitions:
            raise UsageError(
                key="partition", found=name, needs=f"one of {', '.join(partitions)} (bin/up makes new ones)"
            )
        if not 0 <= count <= partitions[name].max_nodes:
            most = f"0 to max_nodes, {partitions[name].max_nodes} (bin/up takes another max_nodes into use)"
            raise UsageError(key=name, found=count, needs=most)
    return dict(counts)


def change(
    partition: Partition, sizes: Sizes, count: int, observed: Observed, busy: Collection[str], *, idle_first: bool
) -> Change:
    """Return how a partition gets `count` nodes that are always up; `busy` are those that somebody has.

    More: the lowest numbers that are free. Fewer: the highest numbers go; with `idle_first` those that nobody
    has before the others.
    """
    before = in_force(partition, sizes)
    order = sorted(before, key=lambda name: (idle_first and name in busy, -number(name)))
    kept = set(before) - set(order[: max(0, len(before) - count)])
    more = [name for name in partition.names() if name not in kept][: max(0, count - len(before))]
    after = tuple(sorted([*kept, *more], key=number))
    down = set(before) - set(after)
    if partition.scheduler == "booking":
        down |= {m.name for m in observed.machines if _of(m.name, partition)} - set(after)
    down -= sizes.kept.keys()
    return Change(partition.name, before, after, tuple(sorted(down, key=number)))


def _of(name: str, partition: Partition) -> bool:
    return name.rpartition("-")[0] == partition.name


def noted(sizes: Sizes, changes: Iterable[Change], site: Site, now: float) -> Sizes:
    """Return what is noted when changes are begun; `site` is the site data that is in force then, `now` in unix s.

    Nodes that were to go and stay after all are noted until their drains are taken back.
    """
    first = {partition.name: partition.persistent() for partition in site.partitions}
    numbers = {partition.name: partition.min_nodes for partition in site.partitions}
    partitions, leaving = dict(sizes.partitions), dict(sizes.leaving)
    for found in changes:
        partitions.pop(found.partition, None)
        if found.after != first[found.partition]:
            partitions[found.partition] = Size(found.after, numbers[found.partition])
        leaving = {**dict.fromkeys(found.down, now), **leaving}
    return replace(sizes, partitions=partitions, leaving=leaving)


def cancelled(sizes: Sizes, site: Site, observed: Observed) -> Sizes:
    """Return what is noted when nodes that leave and still run stay after all: they are always up again."""
    stay = {name for name in sizes.leaving if observed.runs(name)}
    partitions = dict(sizes.partitions)
    for partition in site.partitions:
        after = {*in_force(partition, sizes), *(name for name in stay if _of(name, partition))}
        ordered = tuple(sorted(after, key=number))
        partitions.pop(partition.name, None)
        if ordered != partition.persistent():
            partitions[partition.name] = Size(ordered, partition.min_nodes)
    return replace(sizes, partitions=partitions)


def pruned(sizes: Sizes, site: Site) -> Sizes:
    """Return what still counts with new site data: an edited `min_nodes` is newer than what was said by hand."""
    numbers = {partition.name: partition.min_nodes for partition in site.partitions}
    return replace(sizes, partitions={n: size for n, size in sizes.partitions.items() if numbers.get(n) == size.site})


def is_up(observed: Observed, name: str) -> bool:
    """Return whether a node that shall be always up is: its machine was configured, and Slurm has it up."""
    node = observed.slurm_node(name)
    return observed.configured(name) and (node is None or node.power is Power.UP)


def out_of_service(observed: Observed, names: Iterable[str]) -> dict[str, str]:
    """Return why nodes are not brought up that are off, since a person took them out of service."""
    found = {name: observed.slurm_node(name) for name in names}
    return {
        name: f"it is powered down, and {node.reason_user} took it out of service: {node.reason}"
        for name, node in found.items()
        if node is not None and node.kept and node.power.off
    }


def to_drain(nodes: Mapping[str, Node], observed: Observed, leaving: Iterable[str]) -> tuple[str, ...]:
    """Return the nodes that leave and that Slurm would still give to jobs; what a person drained stays theirs."""
    found = {name: observed.slurm_node(name) for name in leaving if name in nodes}
    return tuple(sorted(n for n, node in found.items() if node and not node.drained and not node.power.off))


def drained(node: SlurmNode | None) -> bool:
    """Return whether a node that is noted to leave is drained for that.

    Who set the reason does not tell: 22.05 has root for everybody after a `scontrol reconfigure`.
    """
    return node is not None and node.drained and node.reason == DRAINED


def sentences(site: Site, sizes: Sizes) -> list[str]:
    """Return lines that say where the nodes that are always up are not those of the site data."""
    kept = [f"{name}: kept up {_until(until)} (reconfigure keep --end {name})" for name, until in sizes.kept.items()]
    found = [(p, len(in_force(p, sizes))) for p in site.partitions]
    return [
        f"{p.name}: {count} always up by `reconfigure resize`; the site data says min_nodes: {p.min_nodes} "
        "(`reconfigure resize` alone makes it so; bin/up leaves it, unless that number is edited)"
        for p, count in found
        if count != p.min_nodes
    ] + kept


def _until(until: float | None) -> str:
    return "until that is ended" if until is None else f"until {durations.local(until)}"
