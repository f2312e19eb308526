"""Keep the history of a partition by month: what was booked, made longer, given back, entered and cleaned.

    STATE/journal/2026-11/WRITER.jsonl     one JSON object a line; the older lines of that month in WRITER.jsonl.1

What happens to bookings is read off the documents by the login node's agent, in
their order, and no document is removed before (kiwi.booking.store): so a writer
that dies loses no line, and the lines are one history. What happens on a node is
written by its own agent. A line of version 2 has `time` (UTC seconds by the file
server's clock), `event`, and of a booking all that the document has of it, with
`generation` and `writer`. Files that version 1 left in STATE/journal are read, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kiwi.booking import codec
from kiwi.booking.document import VERSION, Document
from kiwi.booking.store import Store

LIMIT = 16 << 20  # bytes of a file; then it begins anew, and the old one is kept once
BATCH = 200  # files that one `prune` removes at most: it is done within the deadline of a call
MONTH = re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)
SECONDS = 1.0  # that one `note` takes, about
DAY = 86400.0
LONGEST_MONTH = 31  # days


class Journal:
    """Write the lines of the machine `writer` below `root`. All methods raise OSError if the share fails."""

    def __init__(self, root: Path, writer: str) -> None:
        self._folder = root / "journal"
        self._writer = writer

    def append(self, lines: Iterable[dict[str, Any]]) -> None:
        """Add lines, each to the file of the month of its `time`."""
        texts: dict[str, list[str]] = {}
        for line in lines:
            texts.setdefault(month(line["time"]), []).append(json.dumps(line) + "\n")
        for name, parts in texts.items():
            self._add(self._folder / name, "".join(parts).encode())

    def _add(self, folder: Path, content: bytes) -> None:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        path = folder / f"{self._writer}.jsonl"
        with open(path, "a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size > LIMIT:  # these lines are the last ones of the file
                os.replace(path, f"{path}.1")
            if size and _last_byte(file.fileno(), size) != b"\n":  # its writer was killed within a line
                content = b"\n" + content
            os.write(file.fileno(), content)

    def last_generation(self) -> int:
        """Return the newest generation that this machine has written a line of; -1 if it has none."""
        for folder in sorted(_months(self._folder), reverse=True):
            for end in ("", ".1"):
                lines = _lines(folder / f"{self._writer}.jsonl{end}")
                if found := [line["generation"] for line in lines if _of_document(line)]:
                    return int(max(found))
        return -1

    def prune(self, now: float, months: int) -> int:
        """Remove what is older than so many months, the oldest first; return how many files.

        `now` is in UTC seconds. The present month is none of the `months`.
        """
        count = 0
        oldest = month(now - months * LONGEST_MONTH * DAY)
        for folder in sorted(_months(self._folder)):
            if folder.name >= oldest:
                break
            for path in sorted(folder.iterdir())[: BATCH - count]:
                path.unlink(missing_ok=True)
                count += 1
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()
        return count


def note(store: Store, journal: Journal, partition: str, noted: int) -> int:
    """Write the changes of the documents after generation `noted` to the journal; return the last one that is there.

    It takes about SECONDS at most; what is left, the next call does. Raise KiwiError if a document is damaged.
    """
    end, lines = time.monotonic() + SECONDS, []
    for number in (n for n in store.numbers() if n > noted):
        lines += _changes(store.load(number), partition, round(store.since(number), 3))
        noted = number
        if time.monotonic() > end:
            break
    journal.append(lines)
    return noted


def _changes(document: Document, partition: str, moment: float) -> list[dict[str, Any]]:
    """Return the lines of one document; one that changed no booking has a line, too, so that none can be missing."""
    head = {"version": VERSION, "time": moment, "partition": partition, "generation": document.generation}
    if not document.changes and document.version == VERSION:
        return [{**head, "event": "nothing"}]
    return [{**head, "event": c.event, "booking": c.booking.id, **codec.to_json(c.booking)} for c in document.changes]


def read(root: Path) -> list[dict[str, Any]]:
    """Return all lines of a partition's history, the oldest first; what is no whole line is left out.

    A change of a document that several machines wrote down is there once.
    """
    found: dict[object, dict[str, Any]] = {}
    files = [*(root / "journal").glob("*.jsonl*"), *(root / "journal").glob("[0-9]*/*.jsonl*")]
    for path in sorted(files):
        for number, line in enumerate(_lines(path)):
            key = (line["generation"], line["event"], line.get("booking")) if _of_document(line) else (path, number)
            found.setdefault(key, line)
    return sorted(found.values(), key=lambda line: (line["time"], line.get("generation", 0)))


def month(moment: float) -> str:
    """Return the month of UTC seconds, such as 2026-11."""
    return time.strftime("%Y-%m", time.gmtime(moment))


def _of_document(line: dict[str, Any]) -> bool:
    return isinstance(line.get("generation"), int)


def _months(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if MONTH.fullmatch(path.name))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for text in content.splitlines():
        with contextlib.suppress(ValueError):
            line = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("time"), (int, float)) and "event" in line:
                yield line


def _last_byte(number: int, size: int) -> bytes:
    return os.pread(number, 1, size - 1)
