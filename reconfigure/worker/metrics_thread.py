"""The worker's second look: metrics up to date, consoles not too long. A thread, so that no round delays it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from kiwi.common.errors import KiwiError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import logs
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.reports import metrics, snapshot
from reconfigure.reports.metrics import Now
from reconfigure.terraform.client import Terraform
from reconfigure.terraform.events import Instance

log = logging.getLogger(__name__)
TICK = 60.0  # seconds between two looks where nothing happens


class Meter(threading.Thread):
    """Writes the metrics at once, after each `poke`, every TICK seconds, and a last time at `stop`."""

    def __init__(self, clusterdir: ClusterDir, cluster: Callable[[], Cluster]) -> None:
        super().__init__(name="meter", daemon=True)
        self._clusterdir, self._cluster = clusterdir, cluster
        self._wake, self._ended = threading.Event(), threading.Event()
        self._seen: tuple[tuple[int, int], Mapping[str, Instance]] | None = None

    def run(self) -> None:
        while not self._ended.is_set():
            self._look()
            self._wake.wait(TICK)
            self._wake.clear()

    def poke(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """End; the metrics then say that no worker runs."""
        self._ended.set()
        self._wake.set()
        self.join(snapshot.PATIENCE * 2)
        self._look()

    def _look(self) -> None:
        try:
            self.update()
        except Exception as exc:  # the next look may be better, and the worker's work goes on
            log.error("the metrics were not written: %s", exc, exc_info=not isinstance(exc, (KiwiError, OSError)))

    def update(self) -> None:
        """Count, look, write."""
        clusterdir = self._clusterdir
        for console in logs.consoles(clusterdir):
            logs.trim(console)
        cluster, waiting = self._cluster(), tuple(snapshot.waiting(clusterdir))
        observed = snapshot.observe(cluster, self._instances())
        now = Now(cluster.nodeset, observed, waiting, not self._ended.is_set(), time.time())
        metrics.publish(clusterdir, metrics.count(clusterdir), now)

    def _instances(self) -> Mapping[str, Instance]:
        """Terraform's state, read anew only where its file is another one."""
        try:
            found = self._clusterdir.state.stat()
        except FileNotFoundError:
            return {}
        key = (found.st_mtime_ns, found.st_size)
        if self._seen is None or self._seen[0] != key:
            self._seen = key, Terraform(self._clusterdir.local, os.environ).instances()
        return self._seen[1]
