"""Write and read what each node's agent reports, and its heartbeat, beside the documents of kiwi.booking.store.

    STATE/nodes/NODE.json   {"version": 2, "node", "state", "boot_id", "open", "cleaned": {ID: end}, "message"};
                            replaced by rename, only when it changes; in version 1 `cleaned` is one id or null
    STATE/beats/MACHINE     the newest version that this machine's agent knows (empty: 1); touched every 10 s,
                            so its time is the file server's clock

A report is written in the version of the document, which is one that all agents
know. A reader stats two names per node and reads only the reports that changed
since it last looked. From the time of its own heartbeat a machine learns the server's
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

from kiwi.booking.document import VERSION
from kiwi.booking.seen import ANY_END, DOWN, Report, Seen
from kiwi.booking.store import Store


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
        self._marked = False

    def beat(self) -> None:
        """Touch this machine's heartbeat and learn the server's time.

        Read the own clock before the touch, so that `now` is never behind the server: nothing ends late.
        """
        path = self._store.root / "beats" / self._store.writer
        before = self._clock()
        if not self._marked or not _touch(path):
            _mark(path)
            self._marked = True
        self._offset = path.stat().st_mtime - before

    def now(self) -> float:
        """Return the file server's time in UTC seconds, as of the last heartbeat (the first call sends one)."""
        if self._offset is None:
            self.beat()
        assert self._offset is not None
        return self._offset + self._clock()

    def outdated(self) -> list[str]:
        """Return the machines with a live heartbeat whose agents do not know VERSION."""
        now = self.now()
        names = sorted(name for name in os.listdir(self._store.root / "beats") if not name.startswith("."))
        return [name for name in names if not _knows(self._store.root / "beats" / name, now)]

    def write(self, report: Report, version: int = VERSION) -> None:
        """Replace the report of the node that it names, which is this machine."""
        cleaned = next(iter(report.cleaned), None) if version == 1 else dict(report.cleaned)
        record = {"version": version, **report._asdict(), "cleaned": cleaned}
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
        if raw["version"] == 1:
            raw["cleaned"] = {raw["cleaned"]: ANY_END} if raw["cleaned"] else {}
        elif raw["version"] != VERSION:
            return None
        return Report(**{**{k: raw[k] for k in Report._fields}, "cleaned": dict(raw["cleaned"])})
    except (ValueError, KeyError, TypeError):
        return None


def _touch(path: Path) -> bool:
    """Give a heartbeat the server's time; return False if it is not there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _mark(path: Path) -> None:
    """Write into this machine's heartbeat which version its agent knows; that touches it, too."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(number, f"{VERSION}\n".encode())
    finally:
        os.close(number)


def _knows(path: Path, now: float) -> bool:
    """Return whether a machine's agent knows VERSION, or is not there; `now` is the server's time in UTC seconds."""
    try:
        if now - path.stat().st_mtime > DOWN:
            return True
        text = path.read_text(encoding="ascii")
    except (FileNotFoundError, IsADirectoryError):
        return True
    except ValueError:
        return False
    return text.strip().isdecimal() and int(text) >= VERSION
