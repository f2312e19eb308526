"""The worker's own queue: requests in sqlite, in the order of their ids.

A request is stored before it is acknowledged to the controller and finished
when its round is over, so a worker killed in between does it again. A finished
one is remembered for a day (of many the last ones), so that one sent twice is done once. What may wait is bounded:
the login node sends what it likes.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from kiwi.common.errors import KiwiError, UsageError, shown
from reconfigure.clusterdir import files, journal, lock
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.request import Request, checked

log = logging.getLogger(__name__)

Result = TypeVar("Result")
REMEMBER = 86400.0  # seconds
REMEMBERED = 100_000  # finished requests
MOST = 10_000  # requests that wait
MOST_DETAIL = 64 << 20  # characters of their details
_TABLE = """CREATE TABLE IF NOT EXISTS request (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, nodes TEXT NOT NULL, time REAL NOT NULL,
  detail TEXT, received REAL NOT NULL, finished REAL)"""


class Queue:
    """Requests on disk; use one object per thread.

    A file that is broken is set aside, and `noted` is called with a sentence about it; one that was removed is
    made anew. Slurm repeats a wish, and the worker finds what was lost by itself.
    """

    def __init__(self, path: Path, noted: Callable[[str], None] = log.error) -> None:
        self._path, self._noted = path, noted
        self._open_sound()

    def put(self, request: Request, now: float | None = None) -> bool:
        """Store a request; return False where it is known already. On return it is on disk."""
        row = (request.id, request.kind, request.nodes, request.time, json.dumps(request.detail), now or time.time())
        done = self._run(lambda db: db.execute("INSERT OR IGNORE INTO request VALUES (?,?,?,?,?,?,NULL)", row))
        return done.rowcount == 1

    def full(self) -> bool:
        """Return whether so much waits already that no more is taken."""
        waits = "SELECT count(*), total(length(detail)) FROM request WHERE finished IS NULL"
        count, characters = self._run(lambda db: db.execute(waits).fetchone())
        return bool(count >= MOST or characters >= MOST_DETAIL)

    def waiting(self) -> list[Request]:
        """Return the requests that are not finished, oldest first."""
        found = []
        for id_, kind, nodes, at, detail in self._run(_unfinished):
            try:
                found.append(_request(id_, kind, nodes, at, detail))
            except (UsageError, ValueError) as exc:  # an older release let it in
                log.error("the request %s is given up: %s", shown(id_), exc)
                self._finish([id_], time.time())
        return sorted(found, key=lambda request: request.order)

    def finish(self, requests: Iterable[Request], now: float | None = None) -> None:
        """Mark requests as done and forget the ones that were done long ago."""
        self._finish([request.id for request in requests], now or time.time())

    def _finish(self, ids: Iterable[str], at: float) -> None:
        rows = [(at, id_) for id_ in ids]

        def finish(db: sqlite3.Connection) -> None:
            db.executemany("UPDATE request SET finished = ?, detail = NULL WHERE id = ?", rows)
            db.execute("DELETE FROM request WHERE finished < ?", (at - REMEMBER,))
            newest = "SELECT rowid FROM request WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT -1 OFFSET ?"
            db.execute(f"DELETE FROM request WHERE rowid IN ({newest})", (REMEMBERED,))

        self._run(finish)

    def _run(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what one transaction does, on the file that is there now."""
        if not self._is_current():
            self._db.close()
            self._open_sound()
        try:
            with self._db:
                return change(self._db)
        except sqlite3.DatabaseError as exc:
            if not _is_broken(exc):
                raise
            self._replace(str(exc))
        with self._db:
            return change(self._db)

    def _is_current(self) -> bool:
        """Return whether the file of this connection is still the one of its name."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == self._inode

    def _open_sound(self) -> None:
        try:
            self._open()
        except sqlite3.DatabaseError as exc:
            if not _is_broken(exc):
                raise
            self._replace(str(exc))

    def _open(self) -> None:
        self._path.touch(mode=0o600)
        found = self._path.stat()
        self._inode = (found.st_dev, found.st_ino)
        self._db = sqlite3.connect(self._path, timeout=30)
        with self._db:
            self._db.execute(_TABLE)

    def _replace(self, why: str) -> None:
        """Set a broken file aside, unless another thread was quicker, and begin a new one."""
        self._db.close()
        with lock.hold(self._path.with_name("queue.lock"), 30):
            if self._is_current():
                self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)  # it would spoil the new one
                aside = files.set_aside(self._path)
                self._noted(f"{self._path} is broken ({why}); it is {aside.name} now, and a new one begins")
        self._open()

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def opened(clusterdir: ClusterDir) -> Queue:
    """Return the queue of a cluster's worker; a broken one is set aside with a line in the journal."""

    def noted(reason: str) -> None:
        log.error("%s", reason)
        journal.write(clusterdir, "mended", reason=reason)

    return Queue(clusterdir.queue, noted)


def stored(clusterdir: ClusterDir) -> list[Request]:
    """Return the requests that are not finished, for those who only look. Raise KiwiError where the file is broken."""
    if not clusterdir.queue.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{quote(str(clusterdir.queue))}?mode=ro", timeout=30, uri=True)) as db:
            rows = _unfinished(db)
    except sqlite3.Error as exc:
        raise KiwiError(f"{clusterdir.queue} cannot be read ({exc}); the worker sets it aside") from exc
    found = []
    for row in rows:
        with contextlib.suppress(UsageError, ValueError):  # the worker gives it up
            found.append(_request(*row))
    return sorted(found, key=lambda request: request.order)


def _unfinished(db: sqlite3.Connection) -> list[Any]:
    return db.execute("SELECT id, kind, nodes, time, detail FROM request WHERE finished IS NULL").fetchall()


def _request(id_: str, kind: str, nodes: str, at: float, detail: str) -> Request:
    """Return a stored request. Raise UsageError or ValueError for one that an older release let in."""
    return checked(Request(id_, kind, nodes, at, json.loads(detail)))


def _is_broken(exc: sqlite3.DatabaseError) -> bool:
    """Return whether an error says that the file is no such database, rather than that it is busy or the disk full."""
    return type(exc) is sqlite3.DatabaseError or str(exc).startswith(("no such table", "no such column"))
