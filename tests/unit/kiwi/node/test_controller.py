"""A node's own duty: gate, clean-up and report, with clocks and clean-up put in."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiwi.booking.rules import Booking, Report
from kiwi.common.settings import Config, Partition
from kiwi.node import controller
from kiwi.node.cleanup import Left, Target
from kiwi.node.controller import Boot, NodeController
from kiwi.node.processes import Process

ALICE = Booking("a1", "alice", 10001, 1000.0, 1060.0)
CONFIG = Config(
    node="lab-1",
    role="booking",
    partitions=(Partition("lab", ("lab-1",), Path("/none")),),
    admins=frozenset(),
    bypass=frozenset({"dave"}),
    leaving=frozenset(),
    max_time=100,
    grace=0,
    clean_tmp=False,
    left_files_block=True,
)


class Node:
    """A controller on a machine whose clock moves when it is told."""

    def __init__(self, folder: Path, config: Config = CONFIG) -> None:
        self.time = 50.0
        self.events: list[dict[str, Any]] = []
        self.allow = folder / "allow"
        self.controller = NodeController(config, Boot("boot", lambda: self.time), self.events.append, self.allow)

    def settle(self) -> Report:
        """Let a clean-up that began end, then step once more."""
        self.controller.step()
        while self.controller.due() == controller.STEP:
            self.controller.step()
        return self.controller.step()

    def users(self) -> list[str]:
        return [line for line in self.allow.read_text().splitlines() if line.startswith("user ")]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(controller, "clean", lambda target: Left([], []))
    made = Node(tmp_path)
    yield made
    made.controller.close()


def test_a_booking_opens_the_gate_and_its_end_closes_it(node: Node) -> None:
    node.controller.observe(ALICE, None, now=1000.0)
    report = node.controller.step()
    assert (report.state, report.open, report.cleaned) == ("booked", "a1", None)
    assert node.users() == ["user alice 50 110"]
    assert node.controller.due() == 60
    node.time = 110.0
    report = node.controller.step()
    assert (report.state, report.open, node.users()) == ("cleaning", None, [])
    report = node.settle()
    assert (report.state, report.cleaned) == ("free", "a1")
    assert [e["event"] for e in node.events] == ["booked", "cleaning", "free"]


def test_the_end_needs_no_share(node: Node) -> None:
    node.controller.observe(ALICE, None, now=1000.0)
    node.controller.step()
    node.time = 1e6
    assert node.settle().cleaned == "a1"


def test_a_server_clock_stepped_back_prolongs_nothing(node: Node) -> None:
    node.controller.observe(ALICE, None, now=1000.0)
    node.controller.observe(ALICE, None, now=500.0)
    node.controller.step()
    assert node.users() == ["user alice 50 110"]
    node.controller.observe(ALICE, None, now=1030.0)
    node.controller.step()
    assert node.users() == ["user alice 50 80"]


def test_a_kill_ends_at_once(node: Node) -> None:
    node.controller.observe(ALICE, None, now=1000.0)
    node.controller.step()
    node.controller.observe(ALICE._replace(until=1001.0), None, now=1001.0)
    assert node.settle().cleaned == "a1"


def test_after_a_restart_a_confirmed_booking_is_not_cleaned_again(node: Node) -> None:
    node.controller.observe(ALICE, "a1", now=2000.0)
    assert node.controller.step().state == "free"
    assert "lab-1 is free" in node.allow.read_text()


def test_after_a_reboot_an_unconfirmed_booking_is_cleaned_first(node: Node) -> None:
    node.controller.observe(ALICE, "a0", now=2000.0)
    assert node.controller.step().state == "cleaning"
    assert node.users() == []
    assert node.settle().cleaned == "a1"


def test_survivors_make_the_node_dirty_until_a_later_cleanup_finds_none(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Left([Process(77, "x\x1b[2J", frozenset({10001}))], [])
    monkeypatch.setattr(controller, "clean", lambda target: left)
    node.controller.observe(ALICE, None, now=2000.0)
    report = node.settle()
    assert (report.state, report.cleaned) == ("dirty", None)
    assert report.message == r"still there: 77 'x\x1b[2J'"
    assert node.settle() == report, "not tried again at once"
    monkeypatch.setattr(controller, "clean", lambda target: Left([], []))
    node.time += controller.RETRY
    report = node.settle()
    assert (report.state, report.cleaned, report.message) == ("free", "a1", "")


def test_a_cleanup_that_dies_makes_the_node_dirty(
    node: Node, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def die(target: Target) -> Left:
        raise OSError("disk")

    monkeypatch.setattr(controller, "clean", die)
    node.controller.observe(ALICE, None, now=2000.0)
    assert node.settle().message == "the clean-up failed (1)"
    assert "disk" in capfd.readouterr().err


THINGS = [f"/tmp/{n}: Operation not permitted" for n in range(50000)]


@pytest.mark.parametrize("block", [True, False])
def test_files_that_are_left_keep_the_node_where_the_site_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: bool
) -> None:
    monkeypatch.setattr(controller, "clean", lambda target: Left([], THINGS))
    node = Node(tmp_path, dataclasses.replace(CONFIG, left_files_block=block))
    node.controller.observe(ALICE, None, now=2000.0)
    report = node.settle()
    assert (report.state, report.cleaned) == (("dirty", None) if block else ("free", "a1"))
    said = ", ".join(THINGS[:3])
    assert report.message == f"not removed: {said}, 98 more"
    (event,) = [e for e in node.events if e["event"] == "left"]
    assert event["things"] == [*THINGS[:100], "49900 more"]
    if not block:
        node.controller.observe(ALICE._replace(id="a2", start=2000.0, until=2060.0), None, now=2000.0)
        assert node.controller.step().message == "", "no concern of the next holder"


@pytest.mark.parametrize("answer", ["", "[]", "{}", "[[]", "[[], []], []", "null", "[[], 7]"])
def test_no_answer_and_half_an_answer_make_the_node_dirty(
    node: Node, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(controller, "_clean", lambda channel, target: channel.sendall(answer.encode()))
    node.controller.observe(ALICE, None, now=2000.0)
    report = node.settle()
    assert (report.state, report.cleaned) == ("dirty", None)
    assert report.message == "the clean-up ended without an answer"


def test_a_status_that_somebody_else_took_makes_the_node_dirty(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def reaped(pid: int, _: int) -> tuple[int, int]:
        raise ChildProcessError(pid)

    monkeypatch.setattr(os, "waitpid", reaped)
    node.controller.observe(ALICE, None, now=2000.0)
    assert node.settle().message == "the clean-up failed (255)"


@pytest.mark.parametrize(("user", "uid"), [("dave", 10004), ("daemon", 1), ("root", 0)])
def test_system_and_bypass_users_are_never_cleaned(
    node: Node, monkeypatch: pytest.MonkeyPatch, user: str, uid: int
) -> None:
    def never(target: Target) -> Left:
        raise AssertionError(target)

    monkeypatch.setattr(controller, "clean", never)
    node.controller.observe(ALICE._replace(user=user, uid=uid), None, now=2000.0)
    node.controller.step()
    assert node.controller.step().state == "free"
