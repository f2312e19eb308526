"""Serve the agent's socket: ask the kernel who calls, read one bounded request, answer, wait for nobody.

Any user may connect (mode 0666); who they are is what the kernel says of
them (SO_PEERCRED, unix(7)), not what they write.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

from kiwi.agent import protocol
from kiwi.common.errors import KiwiError, UsageError

PATIENCE = 2.0  # seconds that one caller has for request and answer
MOST = 32  # open connections of one user
AT_ONCE = 512  # connections that are taken before those that are open are served
BACKLOG = 4096  # connections that the kernel keeps until they are taken; /proc/sys/net/core/somaxconn may bound it


class Peer(NamedTuple):
    """The process id and uid at the other end when it connected, from the kernel (SO_PEERCRED)."""

    pid: int
    uid: int


class _Caller:
    """One open connection: what was received, and what is still to be sent."""

    def __init__(self, channel: socket.socket) -> None:
        size = struct.calcsize("3i")
        pid, uid, _ = struct.unpack("3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        self.channel = channel
        self.peer = Peer(pid, uid)
        self.deadline = time.monotonic() + PATIENCE
        self.received = b""
        self.answer: bytes | None = None


class Server:
    """Listen on `path`; call `handle(peer, request)` for good requests and `refused(peer, reason)` for others."""

    def __init__(
        self,
        path: Path,
        handle: Callable[[Peer, protocol.Request], dict[str, Any]],
        refused: Callable[[Peer, str], None],
    ) -> None:
        self._handle = handle
        self._refused = refused
        self._callers: set[_Caller] = set()
        self._crowds: dict[int, float] = {}  # uid of who had too many connections, and when that was last said
        self._selector = selectors.DefaultSelector()
        self._listener = _listen(path)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def poll(self, timeout: float) -> None:
        """Serve what comes within `timeout` seconds; return sooner if something came."""
        soonest = min((c.deadline - time.monotonic() for c in self._callers), default=timeout)
        for key, _ in self._selector.select(max(0.0, min(timeout, soonest))):
            if key.data is None:
                self._accept()
            else:
                self._go_on(key.data)
        now = time.monotonic()
        for caller in [c for c in self._callers if c.deadline < now]:
            self._drop(caller, "too slow")

    def close(self) -> None:
        """Drop all callers and stop listening; the name of the socket stays for the next agent to replace."""
        for caller in list(self._callers):
            self._drop(caller)
        self._selector.close()
        self._listener.close()

    def _accept(self) -> None:
        """Take all that wait to be taken: a user who connects again and again keeps nobody else out."""
        for _ in range(AT_ONCE):
            try:
                channel, _ = self._listener.accept()
            except OSError:  # nobody waits any more, the caller is gone again, or we are out of descriptors
                return
            self._take(channel)

    def _take(self, channel: socket.socket) -> None:
        """Begin to serve a connection, or drop it at once where its user has MOST of them."""
        channel.setblocking(False)
        caller = _Caller(channel)
        if sum(c.peer.uid == caller.peer.uid for c in self._callers) >= MOST:
            channel.close()
            self._crowded(caller.peer)
            return
        self._callers.add(caller)
        self._selector.register(channel, selectors.EVENT_READ, caller)

    def _crowded(self, peer: Peer) -> None:
        """Say that a user has too many connections, once in PATIENCE seconds."""
        now = time.monotonic()
        if now - self._crowds.get(peer.uid, -PATIENCE) >= PATIENCE:
            self._crowds = {uid: when for uid, when in self._crowds.items() if now - when < PATIENCE}
            self._crowds[peer.uid] = now
            self._refused(peer, "too many connections")

    def _go_on(self, caller: _Caller) -> None:
        try:
            if caller.answer is None:
                self._receive(caller)
            else:
                self._send(caller)
        except BlockingIOError:
            return
        except OSError:
            self._drop(caller)

    def _receive(self, caller: _Caller) -> None:
        data = caller.channel.recv(1 << 16)
        caller.received += data
        if len(caller.received) > protocol.MAX_REQUEST:
            self._drop(caller, "the request is too long")
        elif caller.received.endswith(b"\n"):
            caller.answer = protocol.line(self._answer(caller))
            caller.deadline = time.monotonic() + PATIENCE
            self._selector.modify(caller.channel, selectors.EVENT_WRITE, caller)
            self._send(caller)
        elif not data:
            self._drop(caller, "the request has no end" if caller.received else "")

    def _answer(self, caller: _Caller) -> dict[str, Any]:
        try:
            request = protocol.decode(caller.received)
        except UsageError as exc:
            self._refused(caller.peer, exc.args[0])
            return protocol.failure(exc)
        try:
            return {"result": self._handle(caller.peer, request)}
        except KiwiError as exc:
            return protocol.failure(exc)

    def _send(self, caller: _Caller) -> None:
        assert caller.answer is not None
        caller.answer = caller.answer[caller.channel.send(caller.answer) :]
        if not caller.answer:
            self._drop(caller)

    def _drop(self, caller: _Caller, reason: str = "") -> None:
        if caller not in self._callers:
            return
        self._callers.discard(caller)
        if reason:
            self._refused(caller.peer, reason)
        self._selector.unregister(caller.channel)
        caller.channel.close()


def _listen(path: Path) -> socket.socket:
    """Bind the socket under another name and rename it, so that callers find the old one or the new one."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(fresh))
    os.chmod(fresh, 0o666)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    fresh.rename(path)
    return listener
