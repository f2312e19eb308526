"""Which provider makes the machines of a cluster (`provider` in the site data; only `local` so far)."""

from __future__ import annotations

from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.providers.base import Provider
from reconfigure.providers.local import LocalProvider


def provider(clusterdir: ClusterDir, subnet: str) -> Provider:
    """Return the provider of a cluster."""
    return LocalProvider(folder=clusterdir.path, cluster=clusterdir.cluster, subnet=subnet, root=clusterdir.root)
