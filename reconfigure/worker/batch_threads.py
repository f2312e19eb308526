"""The worker's batches, each in a thread of its own: what they wait for are machines, Ansible and SSH."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import NamedTuple

from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import journal, rivals
from reconfigure.clusterdir.batches import Abandoned
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.rounds.batch import Batch

log = logging.getLogger(__name__)
# Batches side by side. Nearly all of a batch's time is waiting, its playbook apart, of which few run at a time
# (playbook.AT_ONCE); so this is only a bound for threads. While it is reached, wishes gather for one round.
MOST = 32


class Ended(NamedTuple):
    """A batch that has ended, and why it did not bring its nodes to an end ("": it did)."""

    batch: Batch
    fault: str = ""


class BatchThreads:
    """Carries out batches; `wake` is called, in the thread of each, when it has ended."""

    def __init__(self, clusterdir: ClusterDir, wake: Callable[[], None]) -> None:
        self._clusterdir, self._wake = clusterdir, wake
        self._room = threading.BoundedSemaphore(MOST)
        self._running: dict[str, Batch] = {}
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()

    def await_room(self) -> None:
        """Wait until one more may begin."""
        with self._room:
            pass

    def start(self, batch: Batch) -> None:
        """Carry out a batch beside everything else."""
        self._running[batch.id] = batch
        threading.Thread(target=self._carry_out, args=(batch,), name=f"batch {batch.id}", daemon=True).start()

    def ended(self) -> list[Ended]:
        """Return the batches that have ended since the last call."""
        found = []
        while not self._ended.empty():
            found.append(self._ended.get())
            self._running.pop(found[-1].batch.id, None)
        return found

    def stop(self) -> None:
        """End all of them and their children: the next worker, or command, does what is left."""
        running = list(self._running.values())
        for batch in running:
            batch.claim.abandoned = True
        rivals.end_batches(self._clusterdir, {batch.id for batch in running})

    def _carry_out(self, batch: Batch) -> None:
        fault = ""
        with self._room:
            try:
                batch.carry_out()
            except Abandoned:
                return
            except Exception as exc:  # the worker's work goes on, and it tries again
                fault = str(exc) or type(exc).__name__
                log.error("batch %s: %s", batch.id, exc, exc_info=not isinstance(exc, KiwiError))
                ids = {"batch": batch.id, "round": batch.id}
                journal.write(self._clusterdir, "batch failed", batch.nodes, reason=fault, **ids)
        self._ended.put(Ended(batch, fault))
        self._wake()
