"""`kiwi alloc --wait`: it asks until the nodes are there, and takes its wish back however it ends."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from kiwi.agent.protocol import Request
from kiwi.cli import bookings, wait
from kiwi.cli import main as cli
from kiwi.common.errors import BUSY, FAILED, OK, UNREACHABLE, USAGE, BusyError, KiwiError, UnreachableError, UsageError

NODE = {
    "node": "lab-1",
    "partition": "lab",
    "holder": "bob",
    "booking": "b1",
    "until": 5,
    "remaining": 1,
    "ready": True,
}
BUSY_NOW = {"nodes": [], "waits": "lab-1 is booked by alice"}
Answer = Callable[[], dict[str, Any]]


class Agent:
    """Gives the answers one after the other, the last one for ever, and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> dict[str, Any]:
        self.asked.append(request)
        if request.op != "alloc":
            return {"nodes": [NODE]}
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KiwiError):
            raise answer
        found: dict[str, Any] = answer() if callable(answer) else answer
        return found

    def forgotten(self) -> list[str | None]:
        return [request.wish for request in self.asked if request.op == "forget"]


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Agent:
    found = Agent()
    monkeypatch.setattr(bookings, "ask", found)
    monkeypatch.setattr(wait, "PAUSE", 0.0)
    monkeypatch.setattr(wait, "LONGEST", 0.0)
    return found


def test_it_asks_with_one_wish_until_the_nodes_are_there(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.answers = [BUSY_NOW, BUSY_NOW, {**BUSY_NOW, "waits": "lab-1 is being cleaned"}, {"nodes": [NODE]}]
    assert cli.main(["alloc", "-w", "lab-1", "--wait"]) == OK
    wishes = {request.wish for request in agent.asked if request.op == "alloc"}
    assert len(wishes) == 1
    assert None not in wishes
    assert agent.forgotten() == []
    said = capsys.readouterr()
    assert said.err == "waiting: lab-1 is booked by alice\nwaiting: lab-1 is being cleaned\n", "each reason once"
    assert said.out.startswith("lab-1: bob's until")


def test_time_is_up(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.answers = [BUSY_NOW]
    assert cli.main(["alloc", "-w", "lab-1", "--wait", "0"]) == BUSY
    assert agent.forgotten() == [agent.asked[0].wish]
    assert "lab-1 is booked by alice\nwaited for 0s\n  nothing was booked" in capsys.readouterr().err


Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


@contextlib.contextmanager
def handled(number: signal.Signals, handler: Handler) -> Iterator[None]:
    """Have a signal do this, also where whoever started the tests has it ignored (as a shell does for `&`, nohup)."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_takes_the_wish_back(agent: Agent, number: signal.Signals) -> None:
    def interrupted() -> dict[str, Any]:
        os.kill(os.getpid(), number)
        return BUSY_NOW

    agent.answers = [BUSY_NOW, interrupted]
    usual = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
    with handled(number, usual):
        assert cli.main(["-u", "bob", "alloc", "-w", "lab-1", "--wait"]) == FAILED
        assert signal.getsignal(number) is usual
    assert agent.asked[-1] == Request("forget", user="bob", wish=agent.asked[0].wish)


def test_nohup_is_heeded(agent: Agent) -> None:
    def interrupted() -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGHUP)
        return BUSY_NOW

    agent.answers = [BUSY_NOW, interrupted, {"nodes": [NODE]}]
    with handled(signal.SIGHUP, signal.SIG_IGN):
        assert cli.main(["alloc", "-w", "lab-1", "--wait"]) == OK
    assert agent.forgotten() == []


def test_a_signal_while_the_gate_opens_ends_the_booking(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    def opening(_: object) -> list[dict[str, Any]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(bookings, "_await_ready", opening)
    agent.answers = [{"nodes": [NODE]}]
    assert cli.main(["alloc", "-w", "lab-1", "--wait"]) == FAILED
    assert agent.forgotten() == [agent.asked[0].wish]


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        pytest.param([UsageError("no such node")], USAGE, id="refused"),
        pytest.param([UnreachableError("silent")], UNREACHABLE, id="silent from the beginning"),
        pytest.param([BUSY_NOW, KiwiError("lab-1 is dirty")], FAILED, id="waiting helps no more"),
        pytest.param([BUSY_NOW, BusyError("contention")], BUSY, id="busy"),
    ],
)
def test_what_waiting_does_not_help_ends_it(agent: Agent, answers: list[Any], code: int) -> None:
    agent.answers = answers
    assert cli.main(["alloc", "-w", "lab-1", "--wait"]) == code
    assert agent.forgotten() == [agent.asked[0].wish]


def test_a_share_that_hangs_for_a_while_is_waited_for(agent: Agent, capsys: pytest.CaptureFixture[str]) -> None:
    agent.answers = [BUSY_NOW, UnreachableError("silent"), UnreachableError("silent"), {"nodes": [NODE]}]
    assert cli.main(["alloc", "-w", "lab-1", "--wait"]) == OK
    assert capsys.readouterr().err == "waiting: lab-1 is booked by alice\nwaiting: silent\n"


@pytest.mark.parametrize("more", [["--at", "+60"], ["--dry-run"], ["--wait", "soon"]])
def test_what_does_not_go_together(agent: Agent, more: list[str]) -> None:
    assert cli.main(["alloc", "-w", "lab-1", "--wait", *more]) == USAGE
    assert agent.asked == []
