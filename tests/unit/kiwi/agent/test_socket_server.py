"""The agent's socket under a user who connects again and again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi.agent import protocol, socket_server
from kiwi.agent.protocol import Request
from kiwi.agent.socket_server import Peer, Server

BOB, ALICE = 10002, 10001


class Fixture:
    """A server that believes of each new connection that `uid` made it; what it refused, and to whom it answered."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.uid = path, BOB
        self.answered, self.refused = list[int](), list[tuple[int, str]]()
        made = socket_server._Caller

        def caller(channel: socket.socket) -> socket_server._Caller:
            found = made(channel)
            found.peer = Peer(1, self.uid)
            return found

        monkeypatch.setattr(socket_server, "_Caller", caller)
        self.server = Server(path, self._handle, lambda peer, reason: self.refused.append((peer.uid, reason)))

    def _handle(self, peer: Peer, request: Request) -> dict[str, object]:
        self.answered.append(peer.uid)
        return {"nodes": []}

    def connect(self) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX)
        channel.settimeout(5)
        channel.connect(str(self.path))
        return channel


@pytest.fixture
def crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fixture]:
    found = Fixture(tmp_path / "agent.sock", monkeypatch)
    yield found
    found.server.close()


def test_one_user_keeps_nobody_else_out(crowd: Fixture) -> None:
    """184 connections wait, and whatever is closed is opened again: one look takes them all, and keeps MOST."""
    first = [crowd.connect() for _ in range(184)]
    crowd.server.poll(1)
    assert [channel.recv(1) for channel in first[socket_server.MOST :]] == [b""] * (184 - socket_server.MOST)
    again = [crowd.connect() for _ in first]
    crowd.server.poll(1)
    assert all(channel.recv(1) == b"" for channel in again)
    assert crowd.refused == [(BOB, "too many connections")], "said once"
    crowd.uid = ALICE
    with crowd.connect() as alice:
        alice.sendall(protocol.encode(Request("info")))
        crowd.server.poll(1)
        crowd.server.poll(1)
        assert alice.recv(1 << 16) == protocol.line({"result": {"nodes": []}})
    assert crowd.answered == [ALICE]
    for channel in [*first, *again]:
        channel.close()
