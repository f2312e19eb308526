"""Clean up after a user in a child, and read what it found: no answer, and half an answer, is a fault."""

from __future__ import annotations

import json
import logging
import socket
import time

from kiwi.common.children import Forked, fork
from kiwi.node.cleanup import Target, clean

log = logging.getLogger(__name__)

MOST = 100  # things that are left, as the journal names them


def begin(target: Target) -> Forked:
    """Start the clean-up. Raise OSError if the kernel has no room for another process."""
    return fork(lambda channel: _clean(channel, target))


def outcome(child: Forked, code: int) -> tuple[list[str], list[str]]:
    """Return the faults of a clean-up that ended with exit code `code`, and the things that it left."""
    with child.channel, child.channel.makefile("r") as file:
        answer = file.read()
    return _read(answer) if code == 0 else ([f"the clean-up failed ({code})"], [])


def _clean(channel: socket.socket, target: Target) -> None:
    """Clean, as the body of the child, and send what is left: names of survivors, and of things."""
    began = time.monotonic()
    left = clean(target)
    log.info("cleaned after %s in %.1f s, %d left", target.user, time.monotonic() - began, len(left.processes))
    names = [f"{p.pid} {p.name!a}" for p in left.processes]
    channel.sendall(json.dumps([first(names, MOST), first(left.things, MOST)]).encode())


def first(things: list[str], most: int) -> list[str]:
    """Return so many of `things` and how many more there are: a socket that nobody reads yet has room for few."""
    return things[:most] + [f"{len(things) - most} more"] * (len(things) > most)


def _read(answer: str) -> tuple[list[str], list[str]]:
    """Return faults and things from what a clean-up sent. One that sent nothing whole is a fault: no answer is no."""
    try:
        processes, things = json.loads(answer)
        return [f"still there: {', '.join(processes)}"] * bool(processes), list(things)
    except (ValueError, TypeError):
        return ["the clean-up ended without an answer"], []
