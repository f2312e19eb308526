"""One cluster as the driver has it in hand, and what is observed of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from reconfigure.cluster import bookings
from reconfigure.clusterdir import batches, drains, rivals
from reconfigure.clusterdir import sizes as sizes_file
from reconfigure.clusterdir.nodeset import load_nodeset, wished
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.planning import cooldown, sizes
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import Provider
from reconfigure.site import written
from reconfigure.slurm.controller import Controller
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.ssh import authority
from reconfigure.terraform.client import Terraform


class Cluster:
    """One cluster as the driver works on it: its nodes, Terraform, provider and controller."""

    def __init__(self, clusterdir: ClusterDir, provider: Callable[[ClusterDir, str], Provider]) -> None:
        self.clusterdir = clusterdir
        self.site = written.read(clusterdir)
        self.nodeset: dict[str, Node] = load_nodeset(clusterdir.nodeset)
        self.provider = provider(clusterdir, self.site.subnet)
        self.terraform = Terraform(clusterdir.local, rivals.environment(clusterdir))
        self.controller = Controller(clusterdir, self.nodeset["login"])

    @property
    def has_slurm(self) -> bool:
        """Whether there is a Slurm partition."""
        return self.site.has_slurm

    def persistent(self) -> frozenset[str]:
        """Return the nodes that are always up now: `min_nodes`, and what `reconfigure resize` has said since."""
        return sizes.persistent(self.site, sizes_file.read(self.clusterdir))

    def observe(self) -> Observed:
        """Observe Terraform's state, the machines and, if the login node runs, Slurm's nodes and the bookings."""
        busy = batches.busy(self.clusterdir)  # first: of one that ends meanwhile, the rest may be seen from before
        found = Observed(
            self.terraform.instances(),
            tuple(self.provider.observe()),
            new=authority.unconfigured(self.clusterdir),
            identities=authority.identities(self.clusterdir),
            written=frozenset(wished(self.clusterdir)),
            held=cooldown.held(cooldown.read(self.clusterdir), time.time()),
            drains=drains.read(self.clusterdir),
            busy=busy,
        )
        return self.ask(found) if found.healthy("login") else found

    def ask(self, found: Observed) -> Observed:
        """Return an observation with what Slurm and the bookings say now."""
        with ThreadPoolExecutor() as pool:  # each is a session of the one connection, and waits for its answer
            nodes = pool.submit(self.controller.nodes) if self.has_slurm else None
            running = pool.submit(self.controller.running) if self.has_slurm else None
            held = pool.submit(bookings.held, self.controller) if self.has_bookings else None
            slurm = nodes.result() if nodes else None
            return replace(
                found,
                slurm=slurm and {name: _as_set(node, found.drains.get(name)) for name, node in slurm.items()},
                running=running.result() if running else {},
                bookings=held.result() if held else None,
                remade=authority.remade(self.clusterdir) if self.has_slurm else frozenset(),
            )

    @property
    def has_bookings(self) -> bool:
        """Whether there is a partition of nodes to book."""
        return any(node.role == "booking" for node in self.nodeset.values())

    def slurm(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of the names that are Slurm's nodes."""
        return tuple(name for name in names if name in self.nodeset and self.nodeset[name].role == "slurm")


def _as_set(node: SlurmNode, noted: str | None) -> SlurmNode:
    """Return a node with the drain that a person set and Slurm may have forgotten since it was noted, if one was."""
    return node if noted is None else node.drained_by_person(noted)
