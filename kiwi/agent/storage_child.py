"""Do all input and output on the share in a child, so that a hung share hangs nobody else.

A process that waits for a dead NFS server cannot be interrupted (nfs(5),
`hard`); one that waits for such a process can.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import Any, Callable

from kiwi.agent import protocol
from kiwi.common.children import Forked, become, fork
from kiwi.common.errors import KiwiError, UnreachableError

DEADLINE = 3.0  # seconds for one answer
REST = 5.0  # seconds between two tries on a share that hung
SILENT = "the booking state does not answer"
HINT = "the shared file system does not answer; nothing is known to have changed; see: kiwi info"

Serve = Callable[[dict[str, Any]], dict[str, Any]]


class StorageChild:
    """Call `serve` in a child with the identity `uid` (None: our own) and wait `deadline` seconds at most.

    Kill a child that is late. For REST seconds after that every call fails at
    once; then a new child tries.
    """

    def __init__(self, serve: Serve, uid: int | None, deadline: float = DEADLINE) -> None:
        self._serve = serve
        self._uid = uid
        self._deadline = deadline
        self._child: Forked | None = None
        self._dying: list[Forked] = []
        self._rest_until = 0.0

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what `serve` returned for `request`.

        Raise the KiwiError that it raised, and UnreachableError if it does not answer in time or dies.
        """
        self._dying = [c for c in self._dying if c.ended() is None]
        if time.monotonic() < self._rest_until:
            raise UnreachableError(SILENT, hint=HINT)
        if self._child is None:
            self._child = fork(self._body)
        try:
            self._child.channel.settimeout(self._deadline)
            self._child.channel.sendall(protocol.line(request))
            answer = protocol.receive_line(self._child.channel, time.monotonic() + self._deadline)
        except OSError as exc:
            self.close()
            self._rest_until = time.monotonic() + REST
            raise UnreachableError(SILENT, hint=HINT) from exc
        return protocol.result(json.loads(answer))

    def close(self) -> None:
        """Kill the child. One that hangs in the kernel is reaped by a later call."""
        if self._child:
            self._child.kill()
            self._dying.append(self._child)
            self._child = None

    def _body(self, channel: socket.socket) -> None:
        """Serve requests until the parent is gone."""
        if self._uid is not None:
            become(self._uid)
            os.umask(0o077)
        with contextlib.suppress(BrokenPipeError), channel.makefile("rwb") as file:
            for line in file:
                file.write(protocol.line(self._answer(json.loads(line))))
                file.flush()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self._serve(request)}
        except KiwiError as exc:
            return protocol.failure(exc)
        except OSError as exc:
            return protocol.failure(UnreachableError(f"the booking state cannot be reached: {exc}"))
