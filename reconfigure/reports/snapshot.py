"""What is, for those who only look: without the lock, and without waiting long for a login node that is ill."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue
from reconfigure.model.request import Request
from reconfigure.planning.observed import Observed
from reconfigure.terraform.client import Terraform
from reconfigure.terraform.events import Instance

PATIENCE = 2.5  # seconds that the login node has to answer


def observe(cluster: Cluster, state: Mapping[str, Instance] | None = None) -> Observed:
    """What is; `state` is Terraform's, where the caller has it. Its process has no mark of the lock (lock.py)."""
    if state is None:
        state = Terraform(cluster.clusterdir.local, os.environ).instances()
    found = Observed(state, tuple(cluster.provider.observe()))
    if not cluster.has_slurm or not found.healthy("login"):
        return found
    return Observed(found.state, found.machines, cluster.controller.nodes(PATIENCE))


def waiting(clusterdir: ClusterDir) -> list[Request]:
    """Requests that are stored and not finished."""
    with closing(Queue(clusterdir.path / "queue.sqlite")) as queue:
        return queue.waiting()
