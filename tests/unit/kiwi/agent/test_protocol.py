"""Versions of the requests on the agent's socket."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from kiwi.agent import protocol
from kiwi.agent.protocol import Request
from kiwi.common.errors import UnreachableError, UsageError

FIRST = {
    "version": 1,
    "op": "alloc",
    "partition": None,
    "nodes": ["lab-1"],
    "seconds": 60,
    "user": None,
    "dry_run": False,
}


def line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def test_what_version_1_can_carry_is_sent_in_it() -> None:
    """So that an agent that was not yet restarted after an update answers."""
    assert json.loads(protocol.encode(Request("alloc", None, ("lab-1",), 60))) == FIRST
    assert json.loads(protocol.encode(Request("alloc", None, ("lab-1",), 60, at=5.5))) == {
        **FIRST,
        "version": 2,
        "at": 5.5,
    }


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        (Request("alloc", None, ("lab-1",), 60), 1),
        (Request("alloc", None, ("lab-1",), 60, at=1795272400.5), 2),
        (Request("alloc", None, ("lab-1",), 60, at=0), 2),
        (Request("alloc", seconds=60, size=2), 3),
        (Request("alloc", seconds=60, size=1, labels=("gpu", "big")), 3),
        (Request("extend", at=1795272400.5), 3),
    ],
)
def test_all_versions_are_understood(request_: Request, version: int) -> None:
    sent = protocol.encode(request_)
    assert json.loads(sent)["version"] == version
    assert protocol.decode(sent) == request_


@pytest.mark.parametrize("version", [4, 99, 0, -1, True, "2", 1.0, None])
def test_other_versions_are_refused_in_words(version: object) -> None:
    with pytest.raises(UsageError, match=r"of version .*; the agent of this machine knows 1 to 3") as caught:
        protocol.decode(line({**FIRST, "version": version, "more": 1}))
    assert "different releases" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({**FIRST, "at": None}, id="version 1 has no such key"),
        pytest.param({**FIRST, "version": 2}, id="version 2 has all keys"),
        *[pytest.param({**FIRST, "version": 2, "at": at}, id=repr(at)) for at in (-1, 2.0**33, "now", True, [])],
        pytest.param({**FIRST, "version": 2, "at": float("nan")}, id="nan"),
        pytest.param({**FIRST, "version": 2, "at": 1, "size": 1, "labels": []}, id="version 2 has no size"),
    ],
)
def test_a_request_has_exactly_the_keys_of_its_version(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"exactly the keys|request\.at: found"):
        protocol.decode(line(wrong))


@pytest.mark.parametrize("ends", [True, False])
def test_a_full_backlog_is_waited_for(tmp_path: Path, ends: bool) -> None:
    """Somebody fills it with connections that nobody takes: the kernel answers EAGAIN (connect(2)) meanwhile."""
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as other:
        listener.bind(str(path))
        listener.listen(0)
        other.connect(str(path))

        def serve() -> None:
            listener.accept()[0].close()
            channel, _ = listener.accept()
            channel.recv(1 << 16)
            channel.sendall(protocol.line({"result": {"nodes": []}}))
            channel.close()

        thread = threading.Timer(0.2, serve)
        if not ends:
            with pytest.raises(UnreachableError, match="temporarily unavailable"):
                protocol.ask(Request("info"), path, timeout=0.2)
            return
        thread.start()
        assert protocol.ask(Request("info"), path, timeout=10) == {"nodes": []}
        thread.join()
