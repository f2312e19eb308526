"""Keep the metrics up to date and the consoles short, in a thread of the worker, so that no round delays it."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from kiwi.common.errors import KiwiError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import logs
from reconfigure.clusterdir.environment import ours
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.reports import counters, snapshot, textfile
from reconfigure.reports.counters import Counts
from reconfigure.reports.snapshot import Snapshot
from reconfigure.terraform.client import Terraform
from reconfigure.terraform.events import Instance

log = logging.getLogger(__name__)
TICK = 60.0  # seconds between two updates while nothing happens


class MetricsThread(threading.Thread):
    """Write the metrics at once, after each `poke`, every TICK seconds, and a last time at `stop`."""

    def __init__(self, clusterdir: ClusterDir, cluster: Callable[[], Cluster]) -> None:
        super().__init__(name="meter", daemon=True)
        self._clusterdir, self._cluster = clusterdir, cluster
        self._wake, self._ended = threading.Event(), threading.Event()
        self._seen: tuple[tuple[int, int], Mapping[str, Instance]] | None = None

    def run(self) -> None:
        """Write the metrics until `stop`."""
        while not self._ended.is_set():
            self._try()
            self._wake.wait(TICK)
            self._wake.clear()

    def poke(self) -> None:
        """Have the metrics written now."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread, then write metrics that say that no worker runs."""
        self._ended.set()
        self._wake.set()
        self.join(snapshot.PATIENCE * 2)
        self._try()

    def _try(self) -> None:
        try:
            self.update()
        except Exception as exc:  # the next update may succeed, and the worker's work goes on
            log.error("the metrics were not written: %s", exc, exc_info=not isinstance(exc, (KiwiError, OSError)))

    def update(self) -> None:
        """Shorten consoles, count the journal, observe the cluster, write the metrics.

        Raise KiwiError if Terraform or the provider fails, OSError if a file cannot be written.
        """
        # prometheus_client takes 40 ms to import, which no other command has to wait for.
        render: Callable[[str, Counts, Snapshot], str] = importlib.import_module("reconfigure.reports.metrics").render
        clusterdir = self._clusterdir
        for console in logs.consoles(clusterdir):
            logs.trim(console)
        cluster, waiting = self._cluster(), tuple(snapshot.waiting(clusterdir))
        observed = snapshot.observe(cluster, self._instances())
        now = Snapshot(cluster.nodeset, observed, waiting, not self._ended.is_set(), time.time())
        textfile.publish(clusterdir, render(clusterdir.cluster, counters.count(clusterdir), now))

    def _instances(self) -> Mapping[str, Instance]:
        """Return Terraform's state; read it only if its file has changed. Raise TerraformError if Terraform fails."""
        try:
            found = self._clusterdir.state.stat()
        except FileNotFoundError:
            return {}
        key = (found.st_mtime_ns, found.st_size)
        if self._seen is None or self._seen[0] != key:
            self._seen = key, Terraform(self._clusterdir.local, ours(os.environ)).instances()
        return self._seen[1]
