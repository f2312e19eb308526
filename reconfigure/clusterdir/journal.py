"""The event journal: one JSON line for every step (fields and events: docs/seams.md, section 8).

CLUSTERDIR/log/journal.jsonl is written by the worker and by commands, one write a line, so that
lines never mix. Past LIMIT it becomes journal.jsonl.1, that one .2, and so on to KEPT.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from reconfigure.clusterdir.paths import ClusterDir

log = logging.getLogger(__name__)
VERSION = 1
LIMIT = 4 << 20  # bytes of one file
FULL = (errno.ENOSPC, errno.EDQUOT)
KEPT = 3  # older files beside the current one

Event = dict[str, Any]


class Position(NamedTuple):
    """A place in the journal, which stays right when files are renamed: a file and an offset in it."""

    inode: int = 0
    offset: int = 0


START = Position()


def new_round() -> str:
    """Return an id for a round, made as those of requests are: <nanoseconds>-<pid>."""
    return f"{time.time_ns()}-{os.getpid()}"


def write(clusterdir: ClusterDir, event: str, nodes: Iterable[str] = (), **details: object) -> None:
    """Append {version, time, event, nodes, …}; what cannot be written (the disk is full) goes to the log."""
    line = {"version": VERSION, "time": round(time.time(), 3), "event": event, "nodes": sorted(nodes), **details}
    try:
        _append(clusterdir, json.dumps(line).encode() + b"\n")
    except OSError as exc:
        if exc.errno not in FULL:
            raise
        log.error("the journal cannot be written (%s): %s", exc.strerror, line)


def _append(clusterdir: ClusterDir, line: bytes) -> None:
    number = _current(clusterdir)
    try:
        size = os.fstat(number).st_size
        if os.write(number, line) < len(line):
            os.ftruncate(number, size)  # half a line would spoil the next one
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(number)


def _current(clusterdir: ClusterDir) -> int:
    """Open the journal for one more line, as its only writer until it is closed; a full one is renamed first."""
    clusterdir.log.mkdir(mode=0o700, exist_ok=True)
    while True:
        number = os.open(clusterdir.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(number, fcntl.LOCK_EX)
        found = os.fstat(number)
        if clusterdir.journal.exists() and clusterdir.journal.stat().st_ino == found.st_ino:
            if found.st_size < LIMIT:
                return number
            _rename(clusterdir)
        os.close(number)


def _rename(clusterdir: ClusterDir) -> None:
    for age in range(KEPT, 0, -1):
        if (younger := _aged(clusterdir, age - 1)).exists():
            younger.replace(_aged(clusterdir, age))


def _aged(clusterdir: ClusterDir, age: int) -> Path:
    return clusterdir.journal.with_name(f"{clusterdir.journal.name}.{age}") if age else clusterdir.journal


def read(clusterdir: ClusterDir, after: Position = START) -> tuple[list[Event], Position]:
    """Return all events after a place, oldest first, and the place behind them.

    Files are opened from the newest to the oldest, so one that is renamed meanwhile is met
    twice and never missed. A place in a file that is gone means: all there is. A line that is
    not whole yet is left for the next call, a broken one is left out.
    """
    files: dict[int, bytes] = {}
    skipped: dict[int, int] = {}
    for age in range(KEPT + 1):
        try:
            with _aged(clusterdir, age).open("rb") as file:
                inode, size = (found := os.fstat(file.fileno())).st_ino, found.st_size
                if inode not in files:
                    skipped[inode] = after.offset if inode == after.inode and after.offset <= size else 0
                    file.seek(skipped[inode])
                    files[inode] = file.read()
        except FileNotFoundError:
            continue
        if inode == after.inode:
            break
    events, place = [], START
    for inode, data in reversed(files.items()):
        whole = data[: data.rfind(b"\n") + 1]
        events += list(_events(whole))
        place = Position(inode, skipped[inode] + len(whole))
    return events, place


def _events(data: bytes) -> Iterator[Event]:
    for line in data.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("version") == VERSION:
            yield event


def last_events(events: Iterable[Event]) -> dict[str, Event]:
    """Return the newest event of each node that says what came of it.

    A clean-up and the suspend that follows hide no failure: that is the news.
    """
    found: dict[str, Event] = {}
    for event in events:
        if event["event"] not in ("cleanup", "round", "done", "nothing") and event.get("kind") != "suspend":
            found.update({name: event for name in event["nodes"]})
    return found
