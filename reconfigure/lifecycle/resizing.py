"""Change how many nodes are always up: begun by a note on disk (sizes.json), then done step by step.

Whoever is interrupted in between loses nothing: the note says what is to be done, the next call or the worker goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kiwi.common import waiting
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal, lock
from reconfigure.clusterdir import sizes as sizes_file
from reconfigure.planning import edits, sizes
from reconfigure.planning.observed import Observed
from reconfigure.planning.sizes import Change
from reconfigure.rounds import resizing
from reconfigure.rounds.resizing import Progress
from reconfigure.site import data as site_data
from reconfigure.site import written
from reconfigure.site.data import Site

OF_PARTITIONS = ("min_nodes", "warm", "schedule")  # what a resize takes of each partition of the site data
TAKEN = ("resize_wait", "resize_idle_first", "time_zone")  # and besides
PAUSE = (1.0, 1.5, 10.0)  # seconds between two looks: the first, how it grows, the longest


def applied(in_force: Site, given: Site) -> Site:
    """Return the site data in force with what a resize takes of other site data."""
    others = {part["name"]: part for part in given.data["partitions"]}
    parts = [_with(part, others.get(part["name"], part)) for part in in_force.data["partitions"]]
    taken = {key: given.data[key] for key in TAKEN if key in given.data}
    return site_data.freeze({**in_force.data, **taken, "partitions": parts})


def _with(part: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a partition with what a resize takes of another version of it."""
    plain = {key: value for key, value in part.items() if key not in OF_PARTITIONS}
    return plain | {key: other[key] for key in OF_PARTITIONS if key in other}


def propose(
    cluster: Cluster, counts: Mapping[str, int], observed: Observed, site: Site
) -> tuple[tuple[Change, ...], dict[str, str]]:
    """Return the changes that bring about these numbers, and who has which of the nodes that go.

    Changes nothing. Raise UsageError if a partition cannot have so many.
    """
    counts = sizes.wanted(cluster.site, counts)
    noted = sizes_file.read(cluster.clusterdir)
    names = [name for name in cluster.nodeset if observed.runs(name) and name != "login"]
    jobs = cluster.controller.jobs() if observed.slurm is not None else None
    busy = edits.in_use(names, cluster.nodeset, observed, jobs)
    first = bool(site.data.get("resize_idle_first", False))
    changes = tuple(
        sizes.change(partition, noted, counts[partition.name], observed, busy.keys(), idle_first=first)
        for partition in cluster.site.partitions
        if partition.name in counts
    )
    going = {*noted.leaving, *(name for change in changes for name in change.down)}
    return changes, {name: why for name, why in busy.items() if name in going}


def begin(cluster: Cluster, counts: Mapping[str, int], site: Site) -> tuple[Change, ...]:
    """Note what shall be, with `site` for the site data that is in force from now on; return the changes.

    Raise UsageError, before anything is changed, if a partition cannot have so many.
    """
    with lock.locked(cluster.clusterdir, lock.WAIT):
        changes, _ = propose(cluster, counts, cluster.observe(), site)
        before = sizes_file.read(cluster.clusterdir)
        sizes_file.write(cluster.clusterdir, sizes.noted(before, changes, site, time.time()))
        written.write(cluster.clusterdir, site.data)
        for change in changes:
            if change.up or change.down:
                journal.write(cluster.clusterdir, "resize", [*change.up, *change.down], **_journaled(change))
    return changes


def _journaled(change: Change) -> dict[str, Any]:
    return {"partition": change.partition, "before": len(change.before), "after": len(change.after)}


def cancel(cluster: Cluster) -> tuple[str, ...]:
    """Have nodes that leave and still run stay after all; return them. `follow` takes their drains back."""
    with lock.locked(cluster.clusterdir, lock.WAIT):
        noted, observed = sizes_file.read(cluster.clusterdir), cluster.observe()
        after = sizes.cancelled(noted, cluster.site, observed)
        sizes_file.write(cluster.clusterdir, after)
        stay = sorted(sizes.persistent(cluster.site, after) & noted.leaving.keys())
        if stay:
            journal.write(cluster.clusterdir, "resize cancelled", stay)
    return tuple(stay)


def keep(cluster: Cluster, names: Collection[str], until: float | None) -> None:
    """Have nodes always up besides, until a moment (unix s; None: until `let_go`)."""
    with lock.locked(cluster.clusterdir, lock.WAIT):
        noted = sizes_file.read(cluster.clusterdir)
        sizes_file.write(cluster.clusterdir, replace(noted, kept={**noted.kept, **dict.fromkeys(names, until)}))
        journal.write(cluster.clusterdir, "kept", names, until=until)


def let_go(cluster: Cluster, names: Collection[str]) -> None:
    """Have nodes no longer kept; those that nothing else keeps up are powered down when they are idle."""
    with lock.locked(cluster.clusterdir, lock.WAIT):
        noted = sizes_file.read(cluster.clusterdir)
        kept = {name: until for name, until in noted.kept.items() if name not in names}
        sizes_file.write(cluster.clusterdir, replace(noted, kept=kept))
        journal.write(cluster.clusterdir, "kept no longer", names)


def follow(
    cluster: Callable[[], Cluster], up: Collection[str], seconds: float, show: Callable[[Progress], None]
) -> Progress:
    """Go on until all is done or `seconds` are over; return what is left. `show` is called with each step's outcome.

    A node that failed to come up is not tried again here.
    """
    failed: dict[str, str] = {}

    def step() -> Progress:
        now = cluster()
        with lock.locked(now.clusterdir, lock.WAIT):
            found = resizing.advance(now, [name for name in up if name not in failed])
        failed.update(found.failed)
        if found.batch:
            failed.update(found.batch.carry_out())
        found = replace(found, failed=failed)
        show(found)
        return found

    first, growth, longest = PAUSE
    return waiting.until(step, seconds, done=lambda found: found.done, pause=first, growth=growth, longest=longest)


def up_of(changes: Sequence[Change]) -> tuple[str, ...]:
    """Return the nodes that shall be up when these changes are done."""
    return tuple(name for change in changes for name in change.after)
