"""The worker: follows the controller's spool, and carries out what Slurm's hooks ask for.

One thread keeps the connection and stores requests (on disk before they are
acknowledged); the main thread does rounds, each with all that waits: requests
that come during a round are merged in the next one. Idle, both only wait,
and the main thread looks once a minute for nodes that Slurm powers up in vain, and
for machines that run though Slurm has powered them down.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from types import FrameType

from kiwi.common import process
from kiwi.common.errors import BusyError, KiwiError, UsageError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal, lock
from reconfigure.clusterdir.paths import REPO, Home
from reconfigure.clusterdir.queue import Queue
from reconfigure.model import records
from reconfigure.model.records import Request
from reconfigure.planning import cooldown, plan
from reconfigure.rounds.round import Round
from reconfigure.slurm.controller import Controller
from reconfigure.worker.metrics_thread import Meter

log = logging.getLogger(__name__)
SETTLE = 0.3  # seconds in which a burst of hook calls comes together
RETRY = (1.0, 60.0)  # seconds between rounds that could not be done, first and longest
RECONNECT = (0.5, 10.0)
LOOK = 60.0  # seconds between two looks for nodes whose wish got lost
STRAY = 15.0  # seconds that a machine may run while Slurm has it powered down


class Listener(threading.Thread):
    """Keeps following the spool; stores, acknowledges, wakes the worker."""

    def __init__(self, home: Home, controller: Controller, wake: threading.Event) -> None:
        super().__init__(name="listener", daemon=True)
        self._home, self._controller, self._wake = home, controller, wake
        self._ended = threading.Event()
        self._child: process.Child[str] | None = None

    def run(self) -> None:
        pause, told = RECONNECT[0], False
        while not self._ended.is_set():
            heard = self._attempt()
            pause = RECONNECT[0] if heard else min(pause * 2, RECONNECT[1])
            if (heard or not told) and not self._ended.is_set():
                log.info("no connection to the controller at %s; trying again", self._controller.address)
            told = not heard
            self._ended.wait(pause)

    def _attempt(self) -> bool:
        """A session, whatever it meets: this thread must outlive a full disk and a broken pipe."""
        try:
            with closing(Queue(self._home.path / "queue.sqlite")) as queue:
                return self._session(queue)
        except Exception as exc:
            log.error("listening: %s", exc, exc_info=not isinstance(exc, (OSError, sqlite3.Error)))
            return False

    def _session(self, queue: Queue) -> bool:
        """One connection, until it ends; return whether it was one: something was heard, or it held."""
        heard, began = False, time.monotonic()
        with self._controller.follow(sys.stderr) as child:
            self._child = child
            try:
                for line in child.stdout or ():
                    heard = True
                    self._take(queue, child, line)
            except OSError as exc:
                log.info("connection to the controller: %s", exc)
            process.stop(child, grace=2)
        return heard or time.monotonic() - began > RECONNECT[1]

    def _take(self, queue: Queue, child: process.Child[str], line: str) -> None:
        try:
            request = records.request(line)
            records.expand(request.nodes)
        except UsageError as exc:
            log.error("%s", exc)
            return
        if queue.put(request):
            details = {"request": request.id, "kind": request.kind, "jobs": request.jobs}
            journal.write(self._home, "request", records.expand(request.nodes), **details)
            self._wake.set()
        if child.stdin is not None:
            child.stdin.write(f"{request.id}\n")
            child.stdin.flush()

    def stop(self) -> None:
        self._ended.set()
        if self._child is not None:
            process.stop(self._child, grace=2)


class Worker:
    """Does rounds until it is told to stop."""

    def __init__(self, home: Home, cluster: Callable[[], Cluster]) -> None:
        self._home, self._cluster = home, cluster
        self._wake = threading.Event()
        self._stray_since: Mapping[tuple[str, str], float] = {}

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; BusyError where a worker runs already."""
        with alone(self._home):
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, _stop)
            listener = Listener(self._home, self._cluster().controller, self._wake)
            queue = Queue(self._home.path / "queue.sqlite")
            meter = Meter(self._home, self._cluster)
            listener.start()
            meter.start()
            journal.write(self._home, "worker started")
            try:
                self._loop(queue, meter.poke)
            finally:
                listener.stop()
                journal.write(self._home, "worker stopped")
                meter.stop()

    def _loop(self, queue: Queue, after: Callable[[], None]) -> None:
        pause = RETRY[0]
        self._wake.set()  # at the start: finish or undo what a killed run left
        while True:
            self._wake.wait(self._patience())
            threading.Event().wait(SETTLE)
            self._wake.clear()
            try:
                self.round(queue)
                pause = RETRY[0]
                after()
            except Exception as exc:
                log.error("%s", exc, exc_info=not isinstance(exc, KiwiError))
                journal.write(self._home, "round failed", reason=str(exc), retry=pause)
                after()
                self._wake.wait(pause)
                self._wake.set()
                pause = min(pause * 2, RETRY[1])

    def _patience(self) -> float:
        """Seconds until the next look where nobody asks for anything."""
        if cooldown.waits(cooldown.read(self._home)):
            return cooldown.LOOK
        return STRAY if self._stray_since else LOOK

    def _strays(self, observed: plan.Observed, persistent: Collection[str]) -> frozenset[str]:
        """Nodes that have been strays for long; from one look alone a node may be about to register."""
        now, before = time.monotonic(), self._stray_since
        self._stray_since = {stray: before.get(stray, now) for stray in plan.strays(observed, persistent)}
        return frozenset(name for (name, _), since in self._stray_since.items() if now - since >= STRAY)

    def round(self, queue: Queue) -> None:
        """Merge what waits, plan and carry it out; then the requests are finished."""
        with lock.locked(self._home, wait=None):
            cluster, waiting = self._cluster(), queue.waiting()
            cluster.terraform.mend()
            now = time.time()
            observed, wishes = cluster.observe(), plan.merge(waiting)
            if strays := self._strays(observed, cluster.site.persistent()) - wishes.keys():
                waiting.append(self._removal(strays))
                wishes = plan.merge(waiting)
            todo = plan.plan(cluster.nodeset, observed, wishes)
            for name, reason in todo.refused.items():
                log.warning("%s: %s", name, reason)
                journal.write(self._home, "refused", [name], reason=reason, requests=_of(waiting, name))
            if true := wishes.keys() - todo.touched - todo.refused.keys():
                journal.write(self._home, "nothing", true, requests=_of(waiting, *true))
            stay: Mapping[str, str] = {}
            if todo.changes:
                _tell(waiting, todo)
                failed = Round(cluster, todo, observed, waiting).carry_out().failed
                stay = {name: failed[name] for name in todo.destroy if name in failed}
            if observed.slurm is not None:
                cooldown.freed(self._home, now)
            queue.finish(request for request in waiting if not _unfinished(request, stay))
            if stay:
                raise KiwiError(f"{records.fold(stay)}: not removed: {'; '.join(dict.fromkeys(stay.values()))}")

    def _removal(self, strays: Collection[str]) -> Request:
        """The worker's own wish, as Slurm's would be; not stored, the next look finds what is left of it."""
        request = Request(f"{time.time_ns()}-{os.getpid()}", "suspend", records.fold(strays), time.time(), None)
        journal.write(self._home, "stray", strays, request=request.id)
        return request


def _unfinished(request: Request, stay: Collection[str]) -> bool:
    """A node that could not be removed is tried again: nobody asks for it a second time."""
    return request.kind != "resume" and not set(stay).isdisjoint(records.expand(request.nodes))


def _of(waiting: Sequence[Request], *names: str) -> list[str]:
    """Ids of the requests that name some of these nodes."""
    return [request.id for request in waiting if not set(names).isdisjoint(records.expand(request.nodes))]


def _tell(waiting: Sequence[Request], todo: plan.Plan) -> None:
    parts = ("create", "replace", "destroy", "configure", "register")
    shown = ", ".join(f"{what} {records.fold(names)}" for what in parts if (names := getattr(todo, what)))
    log.info("%d requests: %s", len(waiting), shown or "clear what was left")


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Be the one worker of a cluster: serve.pid is locked as long as it runs."""
    number = os.open(home.path / "serve.pid", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        os.close(number)
        raise BusyError(f"a worker of {home.cluster} runs already (process {worker(home)})") from exc
    try:
        os.ftruncate(number, 0)
        os.pwrite(number, f"{os.getpid()} {code()}\n".encode(), 0)
        yield
        os.ftruncate(number, 0)
    finally:
        os.close(number)


def code() -> str:
    """Hash of the sources that a worker started now would run."""
    digest = hashlib.sha256()
    for file in sorted(path for package in ("kiwi", "reconfigure") for path in (REPO / package).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def worker(home: Home) -> int | None:
    """Process id of the running worker, None where none runs."""
    found = _running(home)
    return found[0] if found else None


def outdated(home: Home) -> bool:
    """Whether a worker runs that was started from other sources than there are now."""
    found = _running(home)
    return found is not None and found[1] != code()


def _running(home: Home) -> tuple[int, str] | None:
    """Process id of the running worker and what it runs; None where none runs (a dead one holds no lock)."""
    try:
        number = os.open(home.path / "serve.pid", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, runs = os.pread(number, 128, 0).decode().strip().partition(" ")
        return int(pid) if pid.isdigit() else 0, runs
    finally:
        os.close(number)
    return None
