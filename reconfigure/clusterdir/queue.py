"""The worker's own queue: requests in sqlite, in the order of their ids.

A request is stored before it is acknowledged to the controller and finished
when its round is over, so a worker killed in between does it again. A finished
one is remembered for a day, so that one sent twice is done once.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from reconfigure.model.request import Request

REMEMBER = 86400.0  # seconds
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

    def waiting(self) -> list[Request]:
        """Return the requests that are not finished, oldest first."""
        rows = self._db.execute("SELECT id, kind, nodes, time, detail FROM request WHERE finished IS NULL")
        found = [Request(i, kind, nodes, at, json.loads(detail)) for i, kind, nodes, at, detail in rows]
        return sorted(found, key=lambda request: tuple(map(int, request.id.split("-"))))

    def finish(self, requests: Iterable[Request], now: float | None = None) -> None:
        """Mark requests as done and forget the ones that were done long ago."""
        at = now or time.time()
        with self._db:
            self._db.executemany("UPDATE request SET finished = ? WHERE id = ?", [(at, r.id) for r in requests])
            self._db.execute("DELETE FROM request WHERE finished < ?", (at - REMEMBER,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
