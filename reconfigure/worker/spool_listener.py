"""The thread that follows the controller's spool: a request is on disk before it is acknowledged."""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from kiwi.common import hostlist, process
from kiwi.common.errors import UsageError
from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue
from reconfigure.model.request import LONGEST, parse_request
from reconfigure.slurm.controller import Controller

log = logging.getLogger(__name__)
RECONNECT = (0.5, 10.0)  # seconds between two attempts to connect, first and longest


class Listener(threading.Thread):
    """Keeps following the spool; stores, acknowledges, wakes the worker. `why` is asked where no connection is had."""

    def __init__(
        self,
        clusterdir: ClusterDir,
        controller: Controller,
        wake: threading.Event,
        why: Callable[[], str] = lambda: "",
    ) -> None:
        super().__init__(name="listener", daemon=True)
        self._clusterdir, self._controller, self._wake, self._why = clusterdir, controller, wake, why
        self._ended = threading.Event()
        self._child: process.Child[str] | None = None

    def run(self) -> None:
        """Follow the spool until `stop`, connecting again whenever the connection ends."""
        pause, logged = RECONNECT[0], False
        while not self._ended.is_set():
            heard = self._attempt()
            pause = RECONNECT[0] if heard else min(pause * 2, RECONNECT[1])
            if (heard or not logged) and not self._ended.is_set():
                log.info("no connection to the controller at %s%s", self._controller.address, self._reason())
            logged = not heard
            self._ended.wait(pause)

    def _reason(self) -> str:
        """Return what is known of why there is no connection, as the end of a sentence."""
        try:
            why = self._why()
        except Exception as exc:  # of a look at what is ill: the thread goes on
            log.debug("why there is no connection cannot be told", exc_info=True)
            why = str(exc)
        return f": {why}; trying again" if why else "; trying again"

    def _attempt(self) -> bool:
        """Try one session and return whether it was one; this thread must outlive a full disk and a broken pipe."""
        try:
            with closing(Queue(self._clusterdir.path / "queue.sqlite")) as queue:
                return self._session(queue)
        except Exception as exc:
            log.error("listening: %s", exc, exc_info=not isinstance(exc, (OSError, sqlite3.Error)))
            return False

    def _session(self, queue: Queue) -> bool:
        """Follow the spool until the connection ends; return whether it was one: something was heard, or it held."""
        heard, began = False, time.monotonic()
        with self._controller.follow(sys.stderr) as child:
            self._child = child
            try:
                for line in _lines(child):
                    heard = True
                    self._take(queue, child, line)
            except OSError as exc:
                log.info("connection to the controller: %s", exc)
            process.stop(child, grace=2)
        return heard or time.monotonic() - began > RECONNECT[1]

    def _take(self, queue: Queue, child: process.Child[str], line: str) -> None:
        try:
            request = parse_request(line)
        except UsageError as exc:
            log.error("%s", exc)
            return
        if queue.put(request):
            details = {"request": request.id, "kind": request.kind, "jobs": request.jobs}
            journal.write(self._clusterdir, "request", hostlist.expand(request.nodes), **details)
            self._wake.set()
        if child.stdin is not None:
            child.stdin.write(f"{request.id}\n")
            child.stdin.flush()

    def stop(self) -> None:
        """End the connection and the thread."""
        self._ended.set()
        if self._child is not None:
            process.stop(self._child, grace=2)


def _lines(child: process.Child[str]) -> Iterator[str]:
    """Yield the lines that a child writes, one that is longer than any request in parts: memory is bounded."""
    if child.stdout is not None:
        yield from iter(lambda: child.stdout.readline(LONGEST + 1) if child.stdout else "", "")
