"""Take nodes away that leave, bring up those that are always up from now on: one step of it, under the lock.

A node that leaves takes no new job or booking: Slurm has it drained, the bookings were told (kiwi.booking.leaving).
When nobody has it, it is removed like every other one, through the guard; then its drain is taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconfigure.cluster import bookings
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import sizes as sizes_file
from reconfigure.clusterdir.sizes import Sizes
from reconfigure.planning import edits, plan, sizes
from reconfigure.planning.guard import UNASKED
from reconfigure.planning.observed import Observed
from reconfigure.rounds.batch import Batch
from reconfigure.rounds.round import Round
from reconfigure.slurm import exclusions
from reconfigure.slurm.jobs import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """What is left to do: nodes that leave and stay for now, with why, and nodes that are not up yet.

    `failed` are nodes that could not be brought up, with why; the worker tries again (cooldown). `batch` is what the
    step left to be carried out, not under the lock.
    """

    waits: Mapping[str, str] = field(default_factory=dict)
    coming: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    batch: Batch | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to wait for."""
        return not self.waits and not self.coming


def advance(cluster: Cluster, up: Collection[str] = ()) -> Progress:
    """Do what can be done now about nodes that leave, and bring those of `up`; return what is left.

    Call it under the lock, as often as there is something left.
    """
    cluster.terraform.mend()
    noted = sizes_file.read(cluster.clusterdir)
    leaving = (noted.leaving.keys() & cluster.nodeset.keys()) - cluster.persistent()
    observed = cluster.observe()
    noted, untold = _announce(cluster, noted, leaving)
    exclude(cluster, observed)  # before the drains: on 22.05 a reconfigure forgets who set them
    drained = sizes.to_drain(cluster.nodeset, observed, leaving)
    if drained:
        cluster.controller.set_state(drained, "drain", sizes.DRAINED)
    there = {name for name in leaving if observed.runs(name) or name in observed.state}
    asked = cluster.ask(observed) if there and observed.healthy("login") else observed
    waits = {**edits.in_use(sorted(there), cluster.nodeset, asked, _jobs(cluster, there, asked)), **untold}
    late = [name for name in up if not sizes.is_up(asked, name)]
    failed = sizes.out_of_service(asked, late)
    wishes = {**dict.fromkeys(there - waits.keys(), "suspend"), **dict.fromkeys(set(late) - failed.keys(), "resume")}
    refused, batch = _carry_out(cluster, asked, wishes)
    failed |= refused
    waits |= {name: why for name, why in failed.items() if name in there}
    if noted.leaving:
        _finish(cluster, noted, leaving)
    failed = {name: why for name, why in failed.items() if name not in there}
    return Progress({n: waits[n] for n in sorted(waits)}, tuple(n for n in late if n not in failed), failed, batch)


def settle(cluster: Cluster, observed: Observed) -> tuple[Batch, ...]:
    """Go on with nodes that leave, where there are any, and have Slurm know which nodes are always up.

    What was said by hand counts no longer when the hour of a schedule has come.
    Return what is left to be carried out, not under the lock.
    """
    noted = sizes.pruned(sizes_file.read(cluster.clusterdir), cluster.site)
    sizes_file.write(cluster.clusterdir, noted)
    if noted.leaving or noted.announced:
        found = [advance(cluster).batch]
    else:
        exclude(cluster, observed)
        found = []
    found.append(warm(cluster))
    return tuple(batch for batch in found if batch)


def warm(cluster: Cluster) -> Batch | None:
    """Power up what the warm pools lack; Slurm keeps so many idle nodes by itself, and powers none up.

    Return what is left to be carried out, not under the lock.
    """
    if not any(partition.warm for partition in cluster.site.partitions):
        return None
    observed = cluster.observe()
    lacking = sizes.to_warm(cluster.site, sizes_file.read(cluster.clusterdir), observed)
    failed, batch = _carry_out(cluster, observed, dict.fromkeys(lacking, "resume"))
    for name, why in failed.items():
        log.warning("%s: not brought up for the warm pool: %s", name, why)
    return batch


def exclude(cluster: Cluster, observed: Observed) -> None:
    """Have Slurm never power down the nodes that are always up, where it has others; slurmctld goes on."""
    if not cluster.has_slurm or not observed.slurm:
        return
    now = cluster.controller.excluded()
    wanted = sizes.excluded(cluster.site, sizes_file.read(cluster.clusterdir), observed.slurm)
    if now is not None and exclusions.meaning(now) != exclusions.meaning(wanted):
        cluster.controller.exclude(wanted)


def _announce(cluster: Cluster, noted: Sizes, leaving: Iterable[str]) -> tuple[Sizes, dict[str, str]]:
    """Tell the bookings which nodes leave, where they do not know; return what is noted then, and who waits for it."""
    wanted: dict[str, list[str]] = {name: [] for name in noted.announced}
    for name in sorted(leaving):
        if name in cluster.nodeset and cluster.nodeset[name].role == "booking":
            wanted.setdefault(cluster.nodeset[name].partition, []).append(name)
    announced, untold = dict(noted.announced), dict[str, str]()
    for partition, names in wanted.items():
        if announced.get(partition, ()) == tuple(names):
            continue
        if bookings.announce(cluster.controller, partition, names):
            announced[partition] = tuple(names)
        else:
            untold |= dict.fromkeys(names, UNASKED)
    found = replace(noted, announced={partition: names for partition, names in announced.items() if names})
    sizes_file.write(cluster.clusterdir, found)
    return found, untold


def _jobs(cluster: Cluster, names: Collection[str], observed: Observed) -> tuple[Job, ...] | None:
    if not cluster.slurm(names):
        return ()
    return None if observed.slurm is None else cluster.controller.jobs()


def _carry_out(cluster: Cluster, observed: Observed, wishes: Mapping[str, str]) -> tuple[dict[str, str], Batch | None]:
    """Do a round with these wishes; return why some of them were not followed, by node, and what is left of it."""
    if not wishes:
        return {}, None
    todo = plan.plan(cluster.nodeset, observed, wishes, by_hand=True)
    outcome = Round(cluster, todo, observed).carry_out()
    refused = {action.node: action.why for action in todo.actions if action.node in wishes and action.do in plan.UNDONE}
    return {**refused, **outcome.failed}, outcome.batch


def _finish(cluster: Cluster, noted: Sizes, leaving: Collection[str]) -> None:
    """Forget the nodes that are gone, or stay after all, when Slurm may use them again; tell the bookings so."""
    observed = cluster.observe()
    over = {n for n in noted.leaving if n not in leaving or not (observed.runs(n) or n in observed.state)}
    slurm = set(cluster.slurm(over))
    ours = sorted(name for name in slurm if sizes.drained(observed.slurm_node(name)))
    if (slurm and observed.slurm is None) or (ours and cluster.controller.set_state(ours, "undrain") is not None):
        over -= slurm
    over -= _unforgotten(cluster, over & set(leaving))
    left = {name: since for name, since in noted.leaving.items() if name not in over}
    _announce(cluster, replace(noted, leaving=left), left.keys() & set(leaving))


def _unforgotten(cluster: Cluster, gone: Collection[str]) -> frozenset[str]:
    """Have nobody take nodes to book that are gone for free ones; return those of which that could not be told."""
    partitions: dict[str, list[str]] = {}
    for name in sorted(gone):
        if name in cluster.nodeset and cluster.nodeset[name].role == "booking":
            partitions.setdefault(cluster.nodeset[name].partition, []).append(name)
    late = [names for part, names in partitions.items() if not bookings.forget(cluster.controller, part, names)]
    return frozenset(name for names in late for name in names)
