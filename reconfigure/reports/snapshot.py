"""Observe a cluster without its lock; treat Slurm as silent if the login node does not answer in time."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

from kiwi.common.errors import KiwiError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir.environment import ours
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import stored
from reconfigure.model.node import Node
from reconfigure.model.request import Request
from reconfigure.planning.observed import Observed
from reconfigure.terraform.client import Terraform
from reconfigure.terraform.events import Instance

log = logging.getLogger(__name__)
PATIENCE = 2.5  # seconds that the login node has to answer


@dataclass(frozen=True)
class Snapshot:
    """A cluster at one moment: its nodes, what was observed, requests that wait, whether the worker runs, unix s."""

    nodeset: Mapping[str, Node]
    observed: Observed
    waiting: tuple[Request, ...]
    worker: bool
    time: float


def observe(cluster: Cluster, state: Mapping[str, Instance] | None = None) -> Observed:
    """Return Terraform's state, the machines and, if the login node answers within PATIENCE, Slurm's nodes.

    Ask Terraform for its state unless the caller has it already. No child of this function carries the mark of the
    lock (lock.py), so whoever takes the lock does not end it. Where Terraform cannot tell its state, that goes to the
    log, and nothing is known of it. Raise KiwiError if the provider fails.
    """
    known = True
    if state is None:
        try:
            state = Terraform(cluster.clusterdir.local, ours(os.environ)).instances()
        except KiwiError as exc:
            log.error("%s", exc)
            state, known = {}, False
    found = Observed(state, tuple(cluster.provider.observe()))
    if not cluster.has_slurm or not (found.healthy("login") if known else found.runs("login")):
        return found
    return Observed(found.state, found.machines, cluster.controller.nodes(PATIENCE))


def waiting(clusterdir: ClusterDir) -> list[Request]:
    """Return the stored requests that are not finished; none, with a word in the log, where they cannot be read."""
    try:
        return stored(clusterdir)
    except KiwiError as exc:
        log.error("%s", exc)
        return []
