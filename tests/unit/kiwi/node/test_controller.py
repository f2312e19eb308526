"""A node's own duty: gate, clean-up and report, with clocks and clean-up put in."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kiwi.booking.document import Booking
from kiwi.booking.seen import DOWN, Report
from kiwi.common import waiting
from kiwi.common.settings import Config, Partition
from kiwi.node import cleaning_child, controller
from kiwi.node.cleanup import Left, Target
from kiwi.node.controller import Boot, NodeController
from kiwi.node.processes import Process

ALICE = Booking("a1", "alice", 10001, ("lab-1",), 1000.0, 1060.0, made=1000.0)
ENDED = {"a1": 1060.0}
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
    history_months=24,
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
    monkeypatch.setattr(cleaning_child, "clean", lambda target: Left([], []))
    made = Node(tmp_path)
    yield made
    made.controller.close()


def test_a_booking_opens_the_gate_and_its_end_closes_it(node: Node) -> None:
    node.controller.observe([ALICE], {}, now=1000.0)
    report = node.controller.step()
    assert (report.state, report.open, report.cleaned) == ("booked", "a1", {})
    assert node.users() == ["user alice 50 110"]
    assert node.controller.due() == 60
    node.time = 110.0
    report = node.controller.step()
    assert (report.state, report.open, node.users()) == ("cleaning", None, [])
    report = node.settle()
    assert (report.state, report.cleaned) == ("free", ENDED)
    assert [e["event"] for e in node.events] == ["booked", "cleaning", "cleaned", "free"]


def test_the_end_needs_no_share(node: Node) -> None:
    node.controller.observe([ALICE], {}, now=1000.0)
    node.controller.step()
    node.time = 1e6
    assert node.settle().cleaned == ENDED


def test_a_server_clock_stepped_back_prolongs_nothing(node: Node) -> None:
    node.controller.observe([ALICE], {}, now=1000.0)
    node.controller.observe([ALICE], {}, now=500.0)
    node.controller.step()
    assert node.users() == ["user alice 50 110"]
    node.controller.observe([ALICE], {}, now=1030.0)
    node.controller.step()
    assert node.users() == ["user alice 50 80"]


def test_a_kill_ends_at_once(node: Node) -> None:
    node.controller.observe([ALICE], {}, now=1000.0)
    node.controller.step()
    node.controller.observe([ALICE._replace(until=1001.0)], {}, now=1001.0)
    assert node.settle().cleaned == {"a1": 1001.0}


def test_after_a_restart_a_confirmed_booking_is_not_cleaned_again(node: Node) -> None:
    node.controller.observe([ALICE], {"a1": 1060.0}, now=2000.0)
    assert node.controller.step().state == "free"
    assert "lab-1 is free" in node.allow.read_text()


def test_after_a_reboot_an_unconfirmed_booking_is_cleaned_first(node: Node) -> None:
    node.controller.observe([ALICE], {"a0": 500.0}, now=2000.0)
    assert node.controller.step().state == "cleaning"
    assert node.users() == []
    assert node.settle().cleaned == ENDED


def test_survivors_make_the_node_dirty_until_a_later_cleanup_finds_none(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Left([Process(77, "x\x1b[2J", frozenset({10001}))], [])
    monkeypatch.setattr(cleaning_child, "clean", lambda target: left)
    node.controller.observe([ALICE], {}, now=2000.0)
    report = node.settle()
    assert (report.state, report.cleaned) == ("dirty", {})
    assert report.message == r"still there: 77 'x\x1b[2J'"
    assert node.settle() == report, "not tried again at once"
    monkeypatch.setattr(cleaning_child, "clean", lambda target: Left([], []))
    node.time += controller.RETRY
    report = node.settle()
    assert (report.state, report.cleaned, report.message) == ("free", ENDED, "")


def test_a_cleanup_that_dies_makes_the_node_dirty(
    node: Node, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def die(target: Target) -> Left:
        raise OSError("disk")

    monkeypatch.setattr(cleaning_child, "clean", die)
    node.controller.observe([ALICE], {}, now=2000.0)
    assert node.settle().message == "the clean-up failed (1)"
    assert "disk" in capfd.readouterr().err


THINGS = [f"/tmp/{n}: Operation not permitted" for n in range(50000)]


@pytest.mark.parametrize("block", [True, False])
def test_files_that_are_left_keep_the_node_where_the_site_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: bool
) -> None:
    monkeypatch.setattr(cleaning_child, "clean", lambda target: Left([], THINGS))
    node = Node(tmp_path, dataclasses.replace(CONFIG, left_files_block=block))
    node.controller.observe([ALICE], {}, now=2000.0)
    report = node.settle()
    assert (report.state, report.cleaned) == (("dirty", {}) if block else ("free", ENDED))
    said = ", ".join(THINGS[:3])
    assert report.message == f"not removed: {said}, 98 more"
    (event,) = [e for e in node.events if e["event"] == "left"]
    assert event["things"] == [*THINGS[:100], "49900 more"]
    if not block:
        node.controller.observe([ALICE._replace(id="a2", start=2000.0, until=2060.0)], {}, now=2000.0)
        assert node.controller.step().message == "", "no concern of the next holder"


def test_what_is_left_is_told_once_and_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal had the same event every 30 s for as long as the node was dirty."""
    node = Node(tmp_path)
    node.controller.observe([ALICE], {}, now=2000.0)
    for thing in ("/tmp/a", "/tmp/a", "/tmp/b", "/tmp/b"):
        monkeypatch.setattr(cleaning_child, "clean", lambda target, thing=thing: Left([], [thing]))
        assert node.settle().message == f"not removed: {thing}"
        node.time += controller.RETRY
    assert [e["things"] for e in node.events if e["event"] == "left"] == [["/tmp/a"], ["/tmp/b"]]


@pytest.mark.parametrize("answer", ["", "[]", "{}", "[[]", "[[], []], []", "null", "[[], 7]"])
def test_no_answer_and_half_an_answer_make_the_node_dirty(
    node: Node, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(cleaning_child, "_clean", lambda channel, target: channel.sendall(answer.encode()))
    node.controller.observe([ALICE], {}, now=2000.0)
    report = node.settle()
    assert (report.state, report.cleaned) == ("dirty", {})
    assert report.message == "the clean-up ended without an answer"


def test_a_status_that_somebody_else_took_makes_the_node_dirty(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def reaped(pid: int, _: int) -> tuple[int, int]:
        raise ChildProcessError(pid)

    monkeypatch.setattr(os, "waitpid", reaped)
    node.controller.observe([ALICE], {}, now=2000.0)
    assert node.settle().message == "the clean-up failed (255)"


@pytest.mark.parametrize(("user", "uid"), [("dave", 10004), ("daemon", 1), ("root", 0)])
def test_system_and_bypass_users_are_never_cleaned(
    node: Node, monkeypatch: pytest.MonkeyPatch, user: str, uid: int
) -> None:
    def never(target: Target) -> Left:
        raise AssertionError(target)

    monkeypatch.setattr(cleaning_child, "clean", never)
    node.controller.observe([ALICE._replace(user=user, uid=uid)], {}, now=2000.0)
    node.controller.step()
    assert node.controller.step().state == "free"


BOB = Booking("b1", "bob", 10002, ("lab-1",), 1100.0, 1160.0, made=900.0)


def test_a_later_booking_opens_nothing_before_its_start(node: Node) -> None:
    node.controller.observe([BOB], {}, now=1000.0)
    assert (node.controller.step().state, node.users()) == ("free", [])
    assert node.controller.due() == 100
    node.time = 149.9
    assert node.controller.step().open is None
    node.controller.observe([BOB], {}, now=1099.9)
    node.time = 150.0
    report = node.controller.step()
    assert (report.state, report.open, node.users()) == ("booked", "b1", ["user bob 150 210"])


def test_before_its_start_a_booking_follows_the_servers_clock(node: Node) -> None:
    node.controller.observe([BOB], {}, now=1000.0)
    node.controller.observe([BOB], {}, now=990.0)
    assert (node.controller.step().open, node.controller.due()) == (None, 110)
    node.controller.observe([BOB], {}, now=1020.0)
    assert (node.controller.step().open, node.controller.due()) == (None, 80)
    node.controller.observe([BOB], {}, now=1110.0)
    assert node.controller.step().open == "b1"
    node.controller.observe([BOB], {}, now=1000.0)
    assert (node.controller.step().open, node.users()) == ("b1", ["user bob 40 100"]), "it had begun, and ends no later"


def test_a_booking_that_was_made_now_begins_though_the_servers_clock_seems_behind(node: Node) -> None:
    node.controller.observe([ALICE], {}, now=999.9)
    assert node.controller.step().open == "a1"


def test_the_next_holder_enters_after_the_clean_up(node: Node) -> None:
    follows = BOB._replace(start=1060.0, until=1120.0)
    node.controller.observe([ALICE, follows], {}, now=1000.0)
    assert node.controller.step().open == "a1"
    node.time = 111.0
    node.controller.observe([ALICE, follows], {}, now=1061.0)
    report = node.controller.step()
    assert (report.state, report.open, node.users()) == ("cleaning", None, [])
    report = node.settle()
    assert (report.state, report.open, report.cleaned) == ("booked", "b1", ENDED)
    node.controller.observe([follows], report.cleaned, now=1061.0)
    assert node.controller.step().cleaned == {}, "what is settled is no longer told"


def test_a_dirty_node_opens_for_nobody(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning_child, "clean", lambda target: Left([Process(77, "x", frozenset({10001}))], []))
    node.controller.observe([ALICE, BOB], {}, now=1110.0)
    report = node.settle()
    assert (report.state, report.open, node.users()) == ("dirty", None, [])


def test_one_that_is_made_longer_while_its_clean_up_runs_is_cleaned_again_at_its_end(
    node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go = tmp_path / "go"

    def clean(target: Target) -> Left:
        assert waiting.until(go.exists, 60, pause=0.01)
        return Left([], [])

    monkeypatch.setattr(cleaning_child, "clean", clean)
    node.controller.observe([ALICE], {}, now=1060.0)
    node.controller.step()
    longer = ALICE._replace(until=1100.0)
    node.controller.observe([longer], {}, now=1060.0)
    assert node.controller.step().open is None, "the clean-up runs"
    go.touch()
    report = node.settle()
    assert (report.state, report.open, report.cleaned) == ("booked", "a1", ENDED)
    node.time = 90.0
    report = node.controller.step()
    assert (report.state, report.open) == ("cleaning", None)
    assert node.settle().cleaned == {"a1": 1100.0}


def test_what_an_older_release_confirmed_needs_no_second_clean_up(node: Node) -> None:
    node.controller.observe([ALICE], {"a1": -1.0}, now=2000.0)
    assert node.controller.step().state == "free"


def test_a_booking_that_is_lost_from_the_document_is_cleaned_up_after(node: Node) -> None:
    node.controller.observe([ALICE], {}, now=1000.0)
    node.controller.step()
    node.controller.observe([], {}, now=1010.0)
    assert (node.controller.step().state, node.users()) == ("cleaning", [])
    node.controller.observe([], {}, now=1011.0)
    assert node.settle().state == "free"
    assert [e["until"] for e in node.events if e["event"] == "cleaned"] == [1010.0]
    node.controller.observe([], {}, now=1012.0)
    assert node.controller.step().cleaned == {}


def test_a_later_booking_that_is_cancelled_leaves_nothing(node: Node) -> None:
    node.controller.observe([BOB], {}, now=1000.0)
    node.controller.observe([], {}, now=1010.0)
    assert node.controller.step().state == "free"
    assert node.controller.due() == float("inf")


def test_the_part_that_is_given_back_is_cleaned_once(node: Node) -> None:
    node.controller.observe([ALICE], {}, now=1000.0)
    node.controller.step()
    node.controller.observe([ALICE._replace(id="a1.1", until=1005.0)], {}, now=1005.0)
    assert node.settle().cleaned == {"a1.1": 1005.0}
    assert [e["booking"] for e in node.events if e["event"] == "cleaned"] == ["a1.1"]


def test_no_gate_opens_by_a_document_that_is_old(node: Node) -> None:
    """It may have been cancelled, and another one booked, since the share was seen last."""
    node.controller.observe([BOB], {}, now=1099.0)
    node.time += 1 + DOWN
    assert (node.controller.step().state, node.users()) == ("booked", [])
    node.controller.observe([BOB], {}, now=1100.0 + DOWN)
    assert node.controller.step().open == "b1"
    node.time += DOWN - 1
    assert node.controller.step().open == "b1", "one that is open stays until its end"
    node.time += 10
    assert node.settle().cleaned == {"b1": 1160.0}
