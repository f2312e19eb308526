"""Versions of the requests on the agent's socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kiwi.agent import protocol
from kiwi.agent.protocol import Request
from kiwi.common.errors import UsageError

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


@pytest.mark.parametrize("at", [None, 1795272400.5, 0])
def test_both_versions_are_understood(at: float | None) -> None:
    request = Request("alloc", None, ("lab-1",), 60, at=at)
    assert protocol.decode(protocol.encode(request)) == request


@pytest.mark.parametrize("version", [3, 99, 0, -1, True, "2", 1.0, None])
def test_other_versions_are_refused_in_words(version: object) -> None:
    with pytest.raises(UsageError, match=r"of version .*; the agent of this machine knows 1 to 2") as caught:
        protocol.decode(line({**FIRST, "version": version, "more": 1}))
    assert "different releases" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({**FIRST, "at": None}, id="version 1 has no such key"),
        pytest.param({**FIRST, "version": 2}, id="version 2 has all keys"),
        *[pytest.param({**FIRST, "version": 2, "at": at}, id=repr(at)) for at in (-1, 2.0**33, "now", True, [])],
        pytest.param({**FIRST, "version": 2, "at": float("nan")}, id="nan"),
    ],
)
def test_a_request_has_exactly_the_keys_of_its_version(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"exactly the keys|request\.at: found"):
        protocol.decode(line(wrong))
