"""Take edited site data into use: what takes a node from a job or a person waits until it is free."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kiwi.common import hostlist
from kiwi.common.errors import BusyError, KiwiError, UsageError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal, lock, waiting_edit
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.lifecycle import setup
from reconfigure.planning import edits
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import Provider
from reconfigure.site import data as site_data
from reconfigure.site.data import Site
from reconfigure.slurm.jobs import Job


@dataclass(frozen=True)
class Accepted:
    """The site data that can be applied now.

    `waits` are nodes that the edit takes from somebody, with who that is; `lost` are
    sentences about jobs that it leaves without nodes.
    """

    data: Mapping[str, Any]
    waits: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def accept(cluster: Cluster, site: Site, *, force: bool = False) -> Accepted:
    """Return what of edited site data can be applied now; have Slurm drain the nodes that it takes away.

    They are drained before it is asked who has them, so that nobody gets one in between. `force`: the edit is applied
    whoever has them. Raise SiteError, before any is drained, if `init` would refuse the site data.
    """
    old, new = cluster.site.data, site.data
    taken = edits.taken(old, new)
    setup.check(cluster.clusterdir, site)
    with lock.locked(cluster.clusterdir, lock.WAIT):
        if taken:
            setup.check_addresses(cluster.clusterdir, site)
            _drain(cluster, taken, cluster.observe())
        observed = cluster.observe()
        left = _undrain(cluster, observed, waiting_edit.drained(cluster.clusterdir) - taken.keys())
        jobs = _jobs(cluster, taken, observed)
        used = edits.in_use(taken, cluster.nodeset, observed, jobs)
        waits = {} if force else used
        waiting_edit.note(cluster.clusterdir, waits, taken.keys() | left)
    if waits:
        journal.write(cluster.clusterdir, "edit waits", sorted(waits), reason="; ".join(dict.fromkeys(waits.values())))
    lost = [f"{name} {taken[name]}, although {why}" for name, why in used.items()] if force else []
    lost += edits.cannot_run(old, new, jobs or ())
    return Accepted(_checked(old, new) if waits else new, waits, tuple(lost))


def require_free(cluster: Cluster, site: Site) -> None:
    """Raise BusyError if site data takes a node from somebody. Nothing was changed."""
    taken = edits.taken(cluster.site.data, site.data)
    if not taken:
        return
    observed = cluster.observe()
    used = edits.in_use(taken, cluster.nodeset, observed, _jobs(cluster, taken, observed))
    for name, why in used.items():
        raise BusyError(
            f"the site data takes {name} away, and {why}; nothing was changed",
            hint="bin/up drains it and applies the rest; --force applies all of it",
        )


def require_nobody(clusterdir: ClusterDir, provider: Callable[[ClusterDir, str], Provider]) -> None:
    """Raise BusyError if anybody has a node of a cluster, or may have one. Asks no Terraform.

    Where a file of the folder is lost or broken nobody can be asked: then machines that run are somebody's.
    """
    try:
        _require_nobody(Cluster(clusterdir, provider))
    except UsageError as exc:
        require_none_runs(clusterdir, provider, f"nothing was removed: {exc}")


def require_none_runs(
    clusterdir: ClusterDir, provider: Callable[[ClusterDir, str], Provider], why: str, hint: str = "or with --force"
) -> None:
    """Raise BusyError if machines of a cluster run; `why` says why it cannot be asked who has them."""
    running = sorted({m.name for m in provider(clusterdir, "").observe() if m.state == "running"})
    if running:
        raise BusyError(f"{hostlist.fold(running)} run, and it cannot be asked who has them; {why}", hint=hint)


def _require_nobody(cluster: Cluster) -> None:
    machines = Observed({}, tuple(cluster.provider.observe()))
    observed = cluster.ask(machines) if machines.runs("login") else machines
    jobs = _jobs(cluster, cluster.nodeset, observed)
    used = edits.in_use(sorted(cluster.nodeset.keys() - {"login"}), cluster.nodeset, observed, jobs)
    reasons = {why: hostlist.fold(name for name in used if used[name] == why) for why in used.values()}
    if used:
        lines = "\n".join(f"  {names}: {why}" for why, names in reasons.items())
        raise BusyError(f"somebody has nodes of this cluster; nothing was removed:\n{lines}", hint="or with --force")


def _checked(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the new site data with the machines that are in force; the old one where the two do not go together."""
    try:
        return site_data.check(edits.kept(old, new)).data
    except KiwiError:
        return old


def _drain(cluster: Cluster, taken: Iterable[str], observed: Observed) -> None:
    """Have Slurm give no more jobs to these nodes; an administrator's drain and its reason stay."""
    known = observed.slurm or {}
    names = [name for name in cluster.slurm(sorted(taken)) if name in known and not known[name].drained]
    if names:
        cluster.controller.set_state(names, "drain", edits.DRAINED)


def _jobs(cluster: Cluster, taken: Iterable[str], observed: Observed) -> tuple[Job, ...] | None:
    """Return Slurm's jobs; none where the edit is not about Slurm's nodes, None where Slurm does not answer."""
    if not cluster.slurm(taken):
        return ()
    return None if observed.slurm is None else cluster.controller.jobs()


def give_back(cluster: Cluster, observed: Observed) -> list[str]:
    """Have Slurm use nodes again that were drained for an edit which is applied or taken back; return their names.

    Call it when the site data is in force. Where Slurm does not answer, the next call does it.
    """
    found = waiting_edit.read(cluster.clusterdir)
    if not found or found["nodes"]:
        return []
    drained = waiting_edit.drained(cluster.clusterdir)
    left = _undrain(cluster, observed, drained)
    waiting_edit.note(cluster.clusterdir, {}, left)
    return sorted(cluster.slurm(drained - left))


def _undrain(cluster: Cluster, observed: Observed, names: Collection[str]) -> frozenset[str]:
    """Have Slurm use nodes again that were drained for an edit; return those of which it cannot be told now."""
    slurm = frozenset(cluster.slurm(names))
    if observed.slurm is None:
        return slurm
    nodes = {name: observed.slurm.get(name) for name in slurm}
    ours = sorted(name for name, node in nodes.items() if node and node.drained and node.reason == edits.DRAINED)
    failed = ours and cluster.controller.set_state(ours, "undrain") is not None
    return frozenset(ours if failed else ())
