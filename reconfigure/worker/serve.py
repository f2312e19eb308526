"""The worker: follows the controller's spool, and carries out what Slurm's hooks ask for.

One thread keeps the connection and stores requests (on disk before they are
acknowledged); the main thread does rounds, each with all that waits: requests
that come during a round are merged in the next one. What a round brings up goes on in a thread of its own
(batch_threads.py), beside the next rounds; a wish about such a node waits for that. A site without Slurm has no
spool to follow (worker_pid.kind: `serve --detach` starts another worker when it gets one). Idle, both only wait,
and the main thread looks once a minute whether what is always up is there, whether
machines died, and for what got lost: nodes that Slurm powers up in vain, machines that
run though Slurm has them powered down.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FrameType

from kiwi.common import hostlist
from kiwi.common.errors import KiwiError
from reconfigure.cluster import reach
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import batches, journal, lock
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue, opened
from reconfigure.clusterdir.worker_pid import alone
from reconfigure.model.request import Request
from reconfigure.planning import cooldown, plan, repair
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds import resizing
from reconfigure.rounds.batch import Batch
from reconfigure.rounds.round import Round
from reconfigure.worker import strays
from reconfigure.worker.asked import Asked
from reconfigure.worker.batch_threads import BatchThreads
from reconfigure.worker.metrics_thread import MetricsThread
from reconfigure.worker.spool_listener import Listener
from reconfigure.worker.strays import Strays

log = logging.getLogger(__name__)
SETTLE = 0.3  # seconds in which a burst of hook calls comes together
RETRY = (1.0, 60.0)  # seconds between rounds that could not be done, first and longest
RECONNECT = (0.5, 10.0)
LOOK = 60.0  # seconds between two looks at all nodes
BUSY_LOOK = 1.0  # seconds between two looks whether a command is done with nodes that somebody waits for


class Worker:
    """Does rounds until it is told to stop."""

    def __init__(self, clusterdir: ClusterDir, cluster: Callable[[], Cluster]) -> None:
        self._clusterdir, self._cluster = clusterdir, cluster
        self._wake = threading.Event()
        self._asked, self._batches = Asked(), BatchThreads(clusterdir, self._wake.set)
        self._waits: frozenset[str] = frozenset()
        self._due = True  # at the start: finish or undo what a killed run left
        self._strays = Strays()
        self._refused: Mapping[str, tuple[str, list[str]]] = {}
        self._next_look = time.monotonic() + strays.LONG

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raise BusyError if a worker runs already."""
        with alone(self._clusterdir):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _stop)
            cluster = self._cluster()
            listener = self._listener(cluster) if cluster.has_slurm else None
            queue = opened(self._clusterdir)
            metrics = MetricsThread(self._clusterdir, self._cluster)
            if listener is not None:
                listener.start()
            metrics.start()
            journal.write(self._clusterdir, "worker started")
            try:
                self._loop(queue, metrics.poke)
            finally:
                if listener is not None:
                    listener.stop()
                self._batches.stop()
                journal.write(self._clusterdir, "worker stopped")
                metrics.stop()

    def _listener(self, cluster: Cluster) -> Listener:
        """Return what follows the controller's spool, and can say why it does not."""

        def why() -> str:
            machines = tuple(cluster.provider.observe())
            return reach.why_silent(cluster, Observed({}, machines))

        return Listener(self._clusterdir, cluster.controller, self._wake, why)

    def _loop(self, queue: Queue, after: Callable[[], None]) -> None:
        pause = RETRY[0]
        while True:
            woken = self._wake.wait(0 if self._due else self._patience())
            threading.Event().wait(SETTLE)
            self._wake.clear()
            try:
                self._collect(queue)
                if not self._nothing_new(queue, woken=woken):
                    self._due = False
                    self._requests_and_mending(queue)
                pause = RETRY[0]
                after()
            except Exception as exc:
                log.error("%s", exc, exc_info=not isinstance(exc, KiwiError))
                journal.write(self._clusterdir, "round failed", reason=str(exc), retry=pause)
                after()
                self._wake.wait(pause)
                self._due = True
                pause = min(pause * 2, RETRY[1])

    def _requests_and_mending(self, queue: Queue) -> None:
        """Do a round, and mend where it is time, also where the round failed: a wish that waits may wait for that."""
        try:
            self.round(queue)
        except Exception:
            self._mend_in_time()
            raise
        self._mend_in_time()

    def _collect(self, queue: Queue) -> None:
        """Finish the requests of batches that have ended. Raise KiwiError if one ended early, so as to try again."""
        ended = self._batches.ended()
        for batch, fault in ended:
            self._asked.ended(batch.nodes, again=bool(fault))
        queue.finish(self._asked.finished(queue.waiting()) if ended else ())
        if faults := dict.fromkeys(fault for _, fault in ended if fault):
            raise KiwiError("; ".join(faults))

    def _nothing_new(self, queue: Queue, *, woken: bool) -> bool:
        """Return whether no round is due: a batch ended and nobody waited for it, or those that do still have to."""
        if self._due or time.monotonic() >= self._next_look:
            return False
        left = self._asked.open(queue.waiting())
        if woken:
            return not left
        return bool(self._waits) and self._waits <= batches.busy(self._clusterdir)

    def _mend_in_time(self) -> None:
        if time.monotonic() >= self._next_look:
            self.mend()

    def _patience(self) -> float:
        """Return the seconds until the next round if nobody asks for anything."""
        if cooldown.waits(cooldown.read(self._clusterdir)):
            return cooldown.LOOK
        left = max(0.0, self._next_look - time.monotonic())
        left = min(BUSY_LOOK, left) if self._waits else left
        return min(strays.LONG, left) if self._strays else left

    def round(self, queue: Queue) -> None:
        """Merge what waits, plan it, carry it out as far as that needs the lock; a batch does the rest."""
        self._batches.await_room()
        with lock.locked(self._clusterdir, wait=None):
            cluster, asked = self._cluster(), self._asked.open(queue.waiting())
            waiting = [*asked]
            cluster.terraform.mend()
            now = time.time()
            observed, wishes = cluster.observe(), plan.merge(waiting)
            if found := self._strays.for_long(observed, cluster.persistent()) - wishes.keys():
                waiting.append(self._removal(found))
                wishes = plan.merge(waiting)
            todo = plan.plan(cluster.nodeset, observed, wishes)
            refused = {**todo.reasons(Do.REFUSE), **todo.reasons(Do.WAIT)}
            self._say(refused, waiting)
            if true := wishes.keys() - todo.touched - refused.keys() - set(todo.of(Do.QUEUE)):
                journal.write(self._clusterdir, "nothing", true, requests=_of(waiting, *true))
            stay = {name: why for name, why in todo.reasons(Do.WAIT).items() if name in wishes}
            brought = frozenset[str]()
            if todo.changes:
                _log(waiting, todo)
                outcome = Round(cluster, todo, observed, waiting).carry_out()
                stay |= {name: outcome.failed[name] for name in todo.of(Do.DESTROY) if name in outcome.failed}
                brought = self._start(outcome.batch)
            if observed.slurm is not None or not cluster.has_slurm:
                cooldown.freed(self._clusterdir, now)
            self._waits = frozenset(todo.of(Do.QUEUE))
            self._asked.note(asked, self._waits, stay, brought)
            queue.finish(self._asked.finished(queue.waiting()))
            if stay:
                raise KiwiError(f"{hostlist.fold(stay)}: not removed: {'; '.join(dict.fromkeys(stay.values()))}")

    def _start(self, batch: Batch | None) -> frozenset[str]:
        """Have what is left of a round go on beside the next ones; return its nodes."""
        if batch is None:
            return frozenset()
        self._batches.start(batch)
        return batch.nodes

    def _say(self, refused: Mapping[str, str], waiting: Sequence[Request]) -> None:
        """Log and journal what is not done, but not what was said in the round before."""
        said = {name: (reason, _of(waiting, name)) for name, reason in refused.items()}
        for name, (reason, ids) in said.items():
            if self._refused.get(name) != (reason, ids):
                log.warning("%s: %s", name, reason)
                journal.write(self._clusterdir, "refused", [name], reason=reason, requests=ids)
        self._refused = said

    def mend(self) -> None:
        """Bring what is always up and mend what died, though nobody asks; again at once where that was the login node.

        Slurm is silent without it, so what else there is to mend is seen only then.
        """
        self._next_look = time.monotonic() + LOOK
        self._batches.await_room()
        with lock.locked(self._clusterdir, wait=None):
            cluster = self._cluster()
            observed, persistent = cluster.observe(), cluster.persistent()
            todo = repair.sync(cluster.nodeset, observed, persistent, alone=True)
            if todo.changes:
                _log([], todo)
                self._start(Round(cluster, todo, observed).carry_out().batch)
            for batch in resizing.settle(cluster, observed):
                self._start(batch)
        if "login" in todo.made:
            self._next_look = 0.0
            self._due = True

    def _removal(self, names: Collection[str]) -> Request:
        """Return the worker's own wish, as Slurm's would be; not stored, since the next round finds what is left."""
        request = Request(f"{time.time_ns()}-{os.getpid()}", "suspend", hostlist.fold(names), time.time(), None)
        journal.write(self._clusterdir, "stray", names, request=request.id)
        return request


def _of(waiting: Sequence[Request], *names: str) -> list[str]:
    """Return the ids of the requests that name some of these nodes."""
    return [request.id for request in waiting if not set(names).isdisjoint(hostlist.expand(request.nodes))]


def _log(waiting: Sequence[Request], todo: Plan) -> None:
    """Log what is about to be done."""
    parts = (Do.CREATE, Do.REPLACE, Do.DESTROY, Do.CONFIGURE, Do.REGISTER)
    shown = ", ".join(f"{do.value} {hostlist.fold(names)}" for do in parts if (names := todo.of(do)))
    log.info("%d requests: %s", len(waiting), shown or "clear what was left")


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
