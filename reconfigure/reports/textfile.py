"""The files in which Prometheus' node_exporter finds the metrics of a cluster."""

from __future__ import annotations

from pathlib import Path

from kiwi.metrics import exposition
from reconfigure.clusterdir.paths import ClusterDir

COLLECTOR = Path("/var/lib/prometheus/node-exporter")  # Debian's default of node_exporter


def publish(clusterdir: ClusterDir, text: str) -> None:
    """Write CLUSTERDIR/metrics/kiwi.prom, and the same for node_exporter if this host has its folder.

    Raise OSError if a file cannot be written. (`prometheus_client.write_to_textfile` would leave the mode of the file
    to this process's umask; node_exporter runs as another user.)
    """
    exposition.write(clusterdir.metrics / "kiwi.prom", text)
    if COLLECTOR.is_dir():
        exposition.write(_collected(clusterdir), text)


def remove(clusterdir: ClusterDir) -> None:
    """Remove the file that lies outside of the cluster's folder."""
    _collected(clusterdir).unlink(missing_ok=True)


def _collected(clusterdir: ClusterDir) -> Path:
    return COLLECTOR / f"kiwi-{clusterdir.cluster}.prom"
