"""The event journal: one JSON line for every step, and for `status` and the bench to read."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from reconfigure.places import Home


def write(home: Home, event: str, nodes: Iterable[str] = (), **details: object) -> None:
    """Append {time, event, nodes, …}; one write, so that lines of two processes never mix."""
    line = json.dumps({"time": round(time.time(), 3), "event": event, "nodes": sorted(nodes), **details})
    number = os.open(home.path / "journal.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(number, line.encode() + b"\n")
    finally:
        os.close(number)


def last_events(home: Home, lines: int = 5000) -> dict[str, dict[str, Any]]:
    """The newest event of each node among the last lines; a line cut by a crash is left out.

    A clean-up and the suspend that follows hide no failure: that is the news.
    """
    path = home.path / "journal.jsonl"
    if not path.exists():
        return {}
    found = {}
    with path.open(encoding="utf-8") as file:
        for line in deque(file, maxlen=lines):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["event"] != "cleanup" and event.get("kind") != "suspend":
                found.update({name: event for name in event["nodes"]})
    return found
