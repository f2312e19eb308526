"""Write and read what each node's agent reports, and its heartbeat, beside the documents of kiwi.booking.store.

    STATE/nodes/NODE.json   {"version": 1, "node", "state", "boot_id", "open", "cleaned", "message"};
                            replaced by rename, only when it changes
    STATE/beats/MACHINE     empty; touched every 10 s, so its time is the file server's clock

A reader stats two names per node and reads only the reports that changed since
it last looked. From the time of its own heartbeat a machine learns the server's
clock: between two heartbeats it follows the boot clock, so a wrong or stepped
local clock changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Callable, NamedTuple

from kiwi.booking.rules import Report, Seen
from kiwi.booking.store import Store

VERSION = 1


def boot_clock() -> float:
    """Return the seconds since boot, suspended time included, which nobody can step (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Cached(NamedTuple):
    key: tuple[int, int, int]
    report: Report | None


class Heartbeats:
    """Read and write reports and heartbeats in the folder of `store`, and follow the file server's clock.

    `clock` is in seconds and never stepped. All methods raise OSError if the share fails.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = boot_clock) -> None:
        self._store = store
        self._clock = clock
        self._offset: float | None = None
        self._cache: dict[str, _Cached] = {}

    def beat(self) -> None:
        """Touch this machine's heartbeat and learn the server's time.

        Read the own clock before the touch, so that `now` is never behind the server: nothing ends late.
        """
        path = self._store.root / "beats" / self._store.writer
        before = self._clock()
        try:
            os.utime(path)
        except FileNotFoundError:
            path.touch(mode=0o600)
        self._offset = path.stat().st_mtime - before

    def now(self) -> float:
        """Return the file server's time in UTC seconds, as of the last heartbeat (the first call sends one)."""
        if self._offset is None:
            self.beat()
        assert self._offset is not None
        return self._offset + self._clock()

    def write(self, report: Report) -> None:
        """Replace the report of the node that it names, which is this machine."""
        record = {"version": VERSION, **report._asdict()}
        with self._store.temporary(json.dumps(record).encode()) as path:
            path.rename(self._path(report.node))

    def read(self, names: Iterable[str]) -> dict[str, Seen]:
        """Return report and age of the heartbeat for each of `names` that has both."""
        now = self.now()
        seen = {}
        for name in names:
            report = self._report(name)
            with contextlib.suppress(FileNotFoundError):
                age = now - (self._store.root / "beats" / name).stat().st_mtime
                if report:
                    seen[name] = Seen(report, max(0.0, age))
        return seen

    def _report(self, name: str) -> Report | None:
        """Return the node's report, read again only if the file changed."""
        path = self._path(name)
        try:
            stat = path.stat()
            key = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            held = self._cache.get(name)
            if held is None or held.key != key:
                held = self._cache[name] = _Cached(key, _load(path))
        except FileNotFoundError:
            return None
        return held.report

    def _path(self, name: str) -> Path:
        return self._store.root / "nodes" / f"{name}.json"


def _load(path: Path) -> Report | None:
    """Read one report; a damaged one counts as none, so its node is off and nobody can book it."""
    try:
        raw = json.loads(path.read_bytes())
        return Report(**{k: raw[k] for k in Report._fields}) if raw["version"] == VERSION else None
    except (ValueError, KeyError, TypeError):
        return None
