"""Who may ask for what, and which partitions are meant, without a storage child."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kiwi.agent import authorization
from kiwi.agent.authorization import Authorizer
from kiwi.agent.protocol import Request
from kiwi.agent.socket_server import Peer
from kiwi.common.errors import UsageError
from kiwi.common.settings import Partition
from kiwi.engines.base import User
from tests.unit.kiwi.agent.test_main import settings

HELD = {"lab": ["lab-1"], "old": ["old-2"], "new": []}


class Storage:
    """Gives back what HELD says, and remembers who was asked for."""

    def __init__(self) -> None:
        self.users: list[str] = []

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        self.users.append(request["user"].name)
        if not HELD[request["partition"]] or request["user"].name == "bob":
            raise UsageError(f"{request['user'].name} holds no node")
        return {"nodes": [{"node": name} for name in HELD[request["partition"]]]}


@pytest.fixture
def authorizer(monkeypatch: pytest.MonkeyPatch) -> Authorizer:
    def nobody(name: str) -> User:
        raise UsageError(f"there is no user {name}")

    monkeypatch.setattr(authorization, "_user_of", lambda uid: User({0: "root", 1001: "carol"}.get(uid, "bob"), uid))
    monkeypatch.setattr(authorization, "_user_named", nobody)
    parts = tuple(Partition(name, (f"{name}-1", f"{name}-2"), Path("/nowhere"), (f"of-{name}", "all")) for name in HELD)
    config = replace(settings("login", "login", Path("/nowhere")), partitions=parts)
    return Authorizer(config, Storage(), lambda event: None)  # type: ignore[arg-type]


def test_kill_without_a_node_is_for_all_partitions(authorizer: Authorizer) -> None:
    """`leavers` asks it for a user who is gone: with two partitions to book it was refused."""
    answer = authorizer.handle(Peer(1, 0), Request("kill", None, (), user="dave"))
    assert [node["node"] for node in answer["nodes"]] == ["lab-1", "old-2"]


def test_labels_say_which_partition_is_meant(authorizer: Authorizer) -> None:
    answer = authorizer.handle(Peer(1, 1001), Request("alloc", seconds=60, size=1, labels=("of-old", "all")))
    assert [node["node"] for node in answer["nodes"]] == ["old-2"]
    with pytest.raises(UsageError, match="no one partition has all"):
        authorizer.handle(Peer(1, 1001), Request("alloc", seconds=60, size=1, labels=("all",)))


def test_who_holds_nothing_anywhere_is_told(authorizer: Authorizer) -> None:
    with pytest.raises(UsageError, match="bob holds no node"):
        authorizer.handle(Peer(1, 1000), Request("kill", None, ()))
