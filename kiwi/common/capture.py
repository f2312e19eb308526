"""Read all that a child writes, up to a number of bytes and a deadline: what a stranger says fills no memory."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import time
from typing import IO, NamedTuple

PART = 1 << 16  # bytes that are read at once


class TooMuchError(Exception):
    """A child wrote more than it may."""


class Pipes(NamedTuple):
    """Our ends of a child's standard streams."""

    stdin: IO[bytes]
    out: IO[bytes]
    err: IO[bytes]


def left(deadline: float | None) -> float | None:
    """Return the seconds until a deadline (monotonic clock), None without one. Raise TimeoutError once it is over."""
    if deadline is None:
        return None
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def capture(pipes: Pipes, stdin: bytes, deadline: float | None, limit: int) -> tuple[bytes, bytes]:
    """Give a child its standard input; return its output and error output when both have ended. Close the pipes.

    Raise TooMuchError if it writes more than `limit` bytes, TimeoutError if they have not ended at the deadline.
    """
    try:
        return _exchange(pipes, stdin, deadline, limit)
    finally:
        for stream in pipes:
            with contextlib.suppress(OSError):
                stream.close()


def _exchange(pipes: Pipes, stdin: bytes, deadline: float | None, limit: int) -> tuple[bytes, bytes]:
    unsent, found = memoryview(stdin), {pipes.out.fileno(): bytearray(), pipes.err.fileno(): bytearray()}
    out, err = found.values()
    with selectors.DefaultSelector() as selector:
        for number in found:
            selector.register(number, selectors.EVENT_READ)
        selector.register(pipes.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            for key, events in selector.select(left(deadline)):
                if events & selectors.EVENT_WRITE:
                    unsent = _send(key.fd, unsent)
                    if not unsent:
                        selector.unregister(pipes.stdin)
                        pipes.stdin.close()
                elif part := os.read(key.fd, PART):
                    found[key.fd] += part
                else:
                    selector.unregister(key.fd)
            if len(out) + len(err) > limit:
                raise TooMuchError
    return bytes(out), bytes(err)


def _send(number: int, unsent: memoryview) -> memoryview:
    """Write as much as a pipe that has room takes without blocking (pipe(7)); return what is left, none if it broke."""
    try:
        return unsent[os.write(number, unsent[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        return unsent[:0]
