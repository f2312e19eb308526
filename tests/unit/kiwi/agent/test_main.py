"""A login and a node's agent on one folder, spoken to through the real socket, in a child each."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from kiwi.agent import authorization, protocol, socket_server
from kiwi.agent import main as agent
from kiwi.agent.main import Agent
from kiwi.agent.protocol import Request, ask
from kiwi.booking import journal
from kiwi.common import waiting
from kiwi.common.children import Forked, fork
from kiwi.common.errors import BusyError, UnreachableError, UsageError
from kiwi.common.settings import Config, Partition
from kiwi.engines.base import User

ME = pwd.getpwuid(os.getuid()).pw_name


def settings(node: str, role: str, state: Path) -> Config:
    return Config(
        node=node,
        role=role,
        partitions=(Partition("lab", ("lab-1", "lab-10"), state),),
        admins=frozenset(),
        leaving=frozenset(),
        bypass=frozenset({"alice"}),  # the clean-up leaves everybody of this host alone
        max_time=600,
        grace=0,
        clean_tmp=False,
        left_files_block=True,
        history_months=24,
    )


class Lab:
    """Two agents: `login` answers on a socket, `lab-1` keeps an allow file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self.children: list[Forked] = []
        self.start("login", "login")
        self.start("lab-1", "booking")
        wait_for(lambda: self.node()["state"] == "free")

    def start(self, node: str, role: str) -> Forked:
        def body(channel: socket.socket) -> None:
            socket_server.MOST = 5
            agent.TICK = 0.05
            authorization._user_of = lambda uid: User("alice", 10001)
            authorization._user_named = lambda name: User(name, 10002)
            os.dup2(os.open(self.folder / f"{node}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
            running = Agent(settings(node, role, self.state), self.folder / f"{node}.sock", self.folder / "allow")
            running._storage._uid = None
            while True:
                running.poll()

        child = fork(body)
        self.children.append(child)
        return child

    def ask(self, op: str, *nodes: str, seconds: int = 60, user: str | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(Request(op, None, nodes, seconds, user), self.folder / "login.sock")["nodes"]
        return found

    def node(self) -> dict[str, Any]:
        try:
            return self.ask("info", "lab-1")[0]
        except UnreachableError:
            return {"state": "none yet", "ready": False}

    def log(self, node: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / f"{node}.log").read_text().splitlines()]

    def close(self) -> None:
        for child in self.children:
            child.kill()
            os.waitpid(child.pid, 0)
        for fifo in filter(Path.is_fifo, self.state.rglob("*")):  # lets go who still hangs there, now an orphan
            os.close(os.open(fifo, os.O_RDWR))


def wait_for(condition: Callable[[], object]) -> None:
    waiting.until(condition, 30, pause=0.02, late=lambda seen: AssertionError(f"waited in vain, seen last: {seen!r}"))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()


def test_a_booking_from_alloc_to_kill(lab: Lab) -> None:
    assert lab.ask("alloc", "lab-1")[0]["holder"] == "alice"
    wait_for(lambda: lab.node()["ready"])
    assert "user alice " in (lab.folder / "allow").read_text()
    with pytest.raises(BusyError, match="alice holds lab-1 already"):
        lab.ask("alloc", "lab-1")
    lab.ask("kill", "lab-1")
    wait_for(lambda: lab.node()["state"] == "free")
    assert "user " not in (lab.folder / "allow").read_text()
    events = [line["event"] for line in journal.read(lab.state)]
    assert [e for e in events if not e.startswith("clean")][-4:] == ["booked", "booked", "released", "free"]


@pytest.mark.parametrize(
    ("nodes", "seconds", "told"),
    [
        (("lab-2",), 60, "has no node lab-2"),
        (("lab-1", "lab-2"), 60, "has no node lab-2"),
        (("lab-1",), 601, "time: found 601; needs 1 to 600 seconds"),
        (("lab-1",), -5, "time: found -5; needs 1 to 600 seconds"),
        ((), 60, "name nodes, or say how many"),
    ],
)
def test_wrong_requests_change_nothing(lab: Lab, nodes: tuple[str, ...], seconds: int, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        lab.ask("alloc", *nodes, seconds=seconds)
    assert lab.node()["state"] == "free"


def test_one_name_is_no_prefix_of_another(lab: Lab) -> None:
    assert [n["node"] for n in lab.ask("alloc", "lab-1")] == ["lab-1"]
    assert [n["state"] for n in lab.ask("info")] == ["booked", "off"]


GOOD = json.loads(protocol.encode(Request("info")))


@pytest.mark.parametrize(
    "data",
    [b"hello\n", b"[]\n", b"{}\n", b"[" * 9999 + b"\n", b'{"version": 2}\n']
    + [json.dumps({**GOOD, k: v}).encode() + b"\n" for k, v in (("op", "agent"), ("seconds", True), ("more", 1))]
    + [json.dumps({**GOOD, k: v}).encode() + b"\n" for k, v in (("nodes", ["a\nb"]), ("nodes", "x"), ("user", 0))]
    + [protocol.encode(Request("info")).replace(b"[]", b"[" * n + b"]" * n) for n in (100, 500, 900)]
    + [b"x" * (protocol.MAX_REQUEST + 1)],
    ids=lambda d: repr(d[:20]),
)
def test_garbage_is_refused_and_journaled(lab: Lab, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(lab.folder / "login.sock"))
        with contextlib.suppress(ConnectionError):  # one that is too long is cut off
            channel.sendall(data)
            assert b'"error"' in channel.recv(1 << 16) or len(data) > protocol.MAX_REQUEST
    refused = [e for e in lab.log("login") if e["event"] == "refused"]
    assert (refused[-1]["uid"], refused[-1]["pid"]) == (os.getuid(), os.getpid())
    assert lab.node()["state"] == "free"


def test_silent_callers_do_not_keep_others_from_being_served(lab: Lab) -> None:
    silent = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for channel in silent:
        channel.connect(str(lab.folder / "login.sock"))
    assert lab.node()["state"] == "free"
    silent.append(socket.socket(socket.AF_UNIX))
    silent[-1].connect(str(lab.folder / "login.sock"))
    assert lab.node()["state"] == "none yet", "one too many"
    assert [channel.recv(9) for channel in silent] == [b""] * 5, "given up by the agent"
    for channel in silent:
        channel.close()
    assert lab.node()["state"] == "free"


def test_only_admins_act_for_others(lab: Lab) -> None:
    with pytest.raises(UsageError, match="alice may not act for bob"):
        lab.ask("alloc", "lab-1", user="bob")


def test_a_killed_agent_goes_on_where_it_was(lab: Lab) -> None:
    lab.ask("alloc", "lab-1")
    wait_for(lambda: lab.node()["ready"])
    before = (lab.folder / "allow").read_text()
    victim = lab.children[1]
    os.kill(victim.pid, signal.SIGKILL)
    assert (lab.folder / "allow").read_text() == before
    lab.start("lab-1", "booking")
    wait_for(lambda: len([e for e in lab.log("lab-1") if e["event"] == "booked"]) == 2)
    assert lab.node()["holder"] == "alice"


def test_a_share_that_hangs_is_an_error_within_seconds(lab: Lab) -> None:
    """The state's newest document is a fifo: whoever opens it hangs, as on a share that went away."""
    os.mkfifo(lab.state / "generations/000000000001.json")
    with pytest.raises(UnreachableError, match="does not answer"):
        lab.ask("info")
    with pytest.raises(UnreachableError, match="does not answer"):
        lab.ask("alloc", "lab-1")
