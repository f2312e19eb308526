"""The worker's own queue: requests in sqlite, in the order of their ids.

A request is stored before it is acknowledged to the controller and finished
when its round is over, so a worker killed in between does it again. A finished
one is remembered for a day (of many the last ones), so that one sent twice is done once. What may wait is bounded:
the login node sends what it likes.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from kiwi.common.errors import UsageError, shown
from reconfigure.model.request import Request, checked

log = logging.getLogger(__name__)

REMEMBER = 86400.0  # seconds
REMEMBERED = 100_000  # finished requests
MOST = 10_000  # requests that wait
MOST_DETAIL = 64 << 20  # characters of their details
_TABLE = """CREATE TABLE IF NOT EXISTS request (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, nodes TEXT NOT NULL, time REAL NOT NULL,
  detail TEXT, received REAL NOT NULL, finished REAL)"""


class Queue:
    """Requests on disk; use one object per thread."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=30)
        with self._db:
            self._db.execute(_TABLE)

    def put(self, request: Request, now: float | None = None) -> bool:
        """Store a request; return False where it is known already. On return it is on disk."""
        row = (request.id, request.kind, request.nodes, request.time, json.dumps(request.detail), now or time.time())
        with self._db:
            done = self._db.execute("INSERT OR IGNORE INTO request VALUES (?,?,?,?,?,?,NULL)", row)
        return done.rowcount == 1

    def full(self) -> bool:
        """Return whether so much waits already that no more is taken."""
        waits = "SELECT count(*), total(length(detail)) FROM request WHERE finished IS NULL"
        count, characters = self._db.execute(waits).fetchone()
        return bool(count >= MOST or characters >= MOST_DETAIL)

    def waiting(self) -> list[Request]:
        """Return the requests that are not finished, oldest first."""
        rows = self._db.execute("SELECT id, kind, nodes, time, detail FROM request WHERE finished IS NULL")
        found = []
        for id_, kind, nodes, at, detail in rows.fetchall():
            try:
                found.append(checked(Request(id_, kind, nodes, at, json.loads(detail))))
            except (UsageError, ValueError) as exc:  # an older release let it in
                log.error("the request %s is given up: %s", shown(id_), exc)
                self._finish([id_], time.time())
        return sorted(found, key=lambda request: request.order)

    def finish(self, requests: Iterable[Request], now: float | None = None) -> None:
        """Mark requests as done and forget the ones that were done long ago."""
        self._finish([request.id for request in requests], now or time.time())

    def _finish(self, ids: Iterable[str], at: float) -> None:
        with self._db:
            done = "UPDATE request SET finished = ?, detail = NULL WHERE id = ?"
            self._db.executemany(done, [(at, id_) for id_ in ids])
            self._db.execute("DELETE FROM request WHERE finished < ?", (at - REMEMBER,))
            newest = "SELECT rowid FROM request WHERE finished IS NOT NULL ORDER BY finished DESC LIMIT -1 OFFSET ?"
            self._db.execute(f"DELETE FROM request WHERE rowid IN ({newest})", (REMEMBERED,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
