"""The thread that follows the controller's spool: a request is on disk before it is acknowledged."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO

from kiwi.common import hostlist, process
from kiwi.common.errors import KiwiError, UsageError
from kiwi.common.words import one_line
from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue, opened
from reconfigure.model.request import LONGEST, parse_request
from reconfigure.slurm.controller import Controller

log = logging.getLogger(__name__)
MOST_REFUSED = 100  # records of one session
MOST_SAID = 1 << 16  # characters of one session on standard error
LINE = 1 << 12  # characters of a line there
RECONNECT = (0.5, 10.0)  # seconds between two attempts to connect, first and longest


class _TooMuchError(KiwiError):
    """The login node sends what nobody can use, or more than anybody can; its session is ended."""


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
            with closing(opened(self._clusterdir)) as queue:
                return self._session(queue)
        except Exception as exc:
            log.error("listening: %s", exc, exc_info=not isinstance(exc, (OSError, sqlite3.Error, KiwiError)))
            return False

    def _session(self, queue: Queue) -> bool:
        """Follow the spool until the connection ends; return whether it was one: something was heard, or it held."""
        heard, began = False, time.monotonic()
        with self._controller.follow() as child:
            self._child, refused = child, 0
            complaints = threading.Thread(target=_log_complaints, args=(child,), name="complaints", daemon=True)
            complaints.start()
            try:
                for line in _lines(child.stdout, LONGEST):
                    heard = True
                    refused += not self._take(queue, child, line)
                    if refused > MOST_REFUSED:
                        raise _TooMuchError(
                            f"the login node sent more than {MOST_REFUSED} records that are no requests"
                        )
            except OSError as exc:
                log.info("connection to the controller: %s", exc)
            finally:
                process.stop(child, grace=2)
                complaints.join(RECONNECT[1])
        return heard or time.monotonic() - began > RECONNECT[1]

    def _take(self, queue: Queue, child: process.Child[str], line: str) -> bool:
        """Store a request and acknowledge it; return whether it was one. Raise _TooMuchError where too many wait."""
        try:
            request = parse_request(line)
        except UsageError as exc:
            log.error("%s", exc)
            return False
        if queue.full():
            raise _TooMuchError("so many requests wait already that no more are taken from the login node")
        if queue.put(request):
            details = {"request": request.id, "kind": request.kind, "jobs": request.jobs}
            journal.write(self._clusterdir, "request", hostlist.expand(request.nodes), **details)
            self._wake.set()
        if child.stdin is not None:
            child.stdin.write(f"{request.id}\n")
            child.stdin.flush()
        return True

    def stop(self) -> None:
        """End the connection and the thread."""
        self._ended.set()
        if self._child is not None:
            process.stop(self._child, grace=2)


def _lines(stream: IO[str] | None, longest: int) -> Iterator[str]:
    """Yield the lines of a stream, one that is longer than `longest` characters in parts: memory is bounded."""
    if stream is not None:
        yield from iter(lambda: stream.readline(longest + 1), "")


def _log_complaints(child: process.Child[str]) -> None:
    """Log what comes on a session's standard error; end the session that says more than MOST_SAID characters there."""
    said = 0
    try:
        for line in _lines(child.stderr, LINE):
            said += len(line)
            if said > MOST_SAID:
                log.error("the login node said more than %d characters beside its requests", MOST_SAID)
                child.kill()
                return
            log.warning("the login node says: %s", one_line(line))
    except (OSError, ValueError) as exc:  # the session is over, its pipe closed
        log.debug("the end of a session: %s", exc)
