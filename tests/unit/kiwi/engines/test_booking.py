"""The engine on a folder: what version it writes, and how it takes over what an older release left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.seen import Report
from kiwi.booking.store import Store
from kiwi.common.errors import BusyError, KiwiError, UnreachableError, UsageError
from kiwi.common.settings import Partition
from kiwi.engines.base import User
from kiwi.engines.booking import BookingEngine

ALICE, BOB, EVE = User("alice", 10001), User("bob", 10002), User("eve", 10003)


class Lab:
    """A state folder of version 1, as it was left: alice has lab-1 and lab-2, bob's time on lab-3 is over."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("generations", "tmp", "nodes", "beats", "journal"):
            (root / name).mkdir()
        store = Store(root, "login")
        self.engine = BookingEngine(Partition("lab", ("lab-1", "lab-2", "lab-3"), root), store, Heartbeats(store), 7200)
        self.now = self.engine.heartbeats.now()
        alice = {"id": "a1", "user": "alice", "uid": 10001, "start": self.now - 60, "until": self.now + 3600}
        bob = {"id": "b1", "user": "bob", "uid": 10002, "start": self.now - 60, "until": self.now - 30}
        nodes = {"lab-1": alice, "lab-2": alice, "lab-3": bob}
        document = {"version": 1, "generation": 41, "writer": "login", "nodes": nodes}
        (root / "generations/000000000041.json").write_text(json.dumps(document))
        for name, cleaned in (("lab-1", None), ("lab-2", None), ("lab-3", "b1")):
            self.old_agent(name)
            report = {"version": 1, "node": name, "state": "free", "boot_id": "b", "open": None, "message": ""}
            (root / f"nodes/{name}.json").write_text(json.dumps({**report, "cleaned": cleaned}))

    def old_agent(self, name: str) -> None:
        (self.root / "beats" / name).write_text("")

    def new_agent(self, name: str) -> Heartbeats:
        heartbeats = Heartbeats(Store(self.root, name))
        heartbeats.beat()
        return heartbeats

    def newest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(max((self.root / "generations").iterdir()).read_text())
        return found

    def states(self) -> dict[str, str]:
        return {node.node: node.state for node in self.engine.nodes()}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_what_version_1_left_is_taken_over_when_all_agents_know_version_2(lab: Lab) -> None:
    lab.new_agent("lab-1")
    lab.new_agent("lab-2")
    lab.engine.take_over()
    assert lab.newest()["generation"] == 41, "lab-3 does not know it"
    lab.new_agent("lab-3")
    lab.engine.take_over()
    found = lab.newest()
    assert (found["version"], found["generation"]) == (2, 42)
    assert [(c["event"], c["id"]) for c in found["changes"]] == [("found", "a1")], "bob's is over and cleaned"
    assert found["bookings"]["a1"]["nodes"] == ["lab-1", "lab-2"]
    assert found["bookings"]["a1"]["until"] == lab.now + 3600
    assert lab.states() == {"lab-1": "booked", "lab-2": "booked", "lab-3": "free"}
    lab.engine.take_over()
    assert lab.newest()["generation"] == 42, "once"


def test_while_an_older_agent_is_there_it_reads_what_is_written(lab: Lab) -> None:
    lab.engine.allocate(["lab-3"], BOB, 60)
    found = lab.newest()
    assert (found["version"], found["nodes"]["lab-3"]["user"]) == (1, "bob")
    assert found["nodes"]["lab-3"].keys() == {"id", "user", "uid", "start", "until"}
    lab.engine.release(["lab-1"], ALICE)
    found = lab.newest()
    assert (found["version"], found["nodes"]["lab-2"]["id"]) == (1, "a1")
    assert found["nodes"]["lab-1"]["until"] < lab.now + 60
    assert lab.states() == {"lab-1": "cleaning", "lab-2": "booked", "lab-3": "booked"}
    with pytest.raises(UnreachableError, match="agent of lab-1, lab-2, lab-3 is of an older release") as caught:
        lab.engine.allocate(["lab-2"], BOB, 60, at=lab.now + 5000)
    assert "bin/up" in caught.value.hint


def test_the_first_change_after_all_know_it_is_of_version_2(lab: Lab) -> None:
    for name in ("lab-1", "lab-2", "lab-3"):
        lab.new_agent(name)
    lab.engine.allocate(["lab-2"], BOB, 60, at=lab.now + 5000)
    found = lab.newest()
    assert (found["version"], len(found["bookings"])) == (2, 2)
    lab.old_agent("lab-3")
    lab.engine.release(["lab-1"], ALICE)
    assert lab.newest()["version"] == 2, "there is no way back"


def test_what_is_over_and_cleaned_goes_with_the_next_change(lab: Lab) -> None:
    agents = {name: lab.new_agent(name) for name in ("lab-1", "lab-2", "lab-3")}
    lab.engine.take_over()
    lab.engine.release(["lab-1", "lab-2"], ALICE)
    until = lab.newest()["bookings"]["a1"]["until"]
    with pytest.raises(BusyError, match="lab-1 is being cleaned after alice"):
        lab.engine.allocate(["lab-1"], BOB, 60)
    agents["lab-1"].write(Report("lab-1", "free", "b", cleaned={"a1": until - 1}))
    assert lab.states()["lab-1"] == "cleaning", "confirmed for another end"
    agents["lab-1"].write(Report("lab-1", "free", "b", cleaned={"a1": until}))
    assert lab.states() == {"lab-1": "free", "lab-2": "cleaning", "lab-3": "free"}
    lab.engine.allocate(["lab-1"], BOB, 60)
    assert {i: b["nodes"] for i, b in lab.newest()["bookings"].items() if i == "a1"} == {"a1": ["lab-2"]}


def test_extend(lab: Lab) -> None:
    for name in ("lab-1", "lab-2", "lab-3"):
        lab.new_agent(name)
    nodes = lab.engine.extend([], ALICE, lab.now + 7000)
    assert {(n.node, n.until) for n in nodes} == {(name, round(lab.now + 7000, 3)) for name in ("lab-1", "lab-2")}


def test_extend_is_no_way_around_the_longest_booking(lab: Lab) -> None:
    with pytest.raises(UsageError, match="time: found 7260; needs 1 to 7200 seconds"):
        lab.engine.extend([], ALICE, lab.now + 7260.5)


def test_a_number_of_nodes(lab: Lab) -> None:
    with pytest.raises(BusyError, match="2 such nodes are wanted, 1 of 3 can be had"):
        lab.engine.allocate([], BOB, 60, size=2)
    assert lab.newest()["generation"] == 41
    (node,) = lab.engine.allocate([], BOB, 60, size=1)
    assert (node.node, node.holder) == ("lab-3", "bob")


def test_labels(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.engine.partition = lab.engine.partition._replace(labels=("gpu",))
    with pytest.raises(UsageError, match="no node of partition lab has gpu, big") as caught:
        lab.engine.allocate([], BOB, 60, size=1, labels=["gpu", "big"])
    assert caught.value.hint == "labels there: gpu"
    (node,) = lab.engine.allocate([], BOB, 60, size=1, labels=["gpu"], dry_run=True)
    assert (node.node, node.labels) == ("lab-3", ("gpu",))


def test_a_node_that_leaves_is_not_chosen(lab: Lab) -> None:
    (lab.root / "leaving.json").write_text('{"version": 1, "nodes": ["lab-3"]}')
    with pytest.raises(BusyError, match="0 of 2 can be had"):
        lab.engine.allocate([], BOB, 60, size=1)


@pytest.mark.parametrize(("names", "size"), [([], 0), (["lab-3"], 1)])
def test_either_names_or_a_number(lab: Lab, names: list[str], size: int) -> None:
    with pytest.raises(UsageError, match="name nodes, or say how many"):
        lab.engine.allocate(names, BOB, 60, size=size)


def test_a_dry_run_changes_nothing(lab: Lab) -> None:
    (node,) = lab.engine.allocate(["lab-3"], BOB, 60, dry_run=True)
    assert (node.holder, lab.newest()["generation"]) == ("bob", 41)


def test_what_is_to_come_is_shown(lab: Lab) -> None:
    for name in ("lab-1", "lab-2", "lab-3"):
        lab.new_agent(name)
    (node,) = lab.engine.allocate(["lab-3"], BOB, 60, at=lab.now + 5000)
    assert (node.state, node.holder, node.next_holder) == ("free", None, "bob")
    assert (node.next_start, node.next_until) == (round(lab.now + 5000, 3), round(lab.now + 5060, 3))
    (node,) = lab.engine.allocate(["lab-3"], ALICE, 60)
    assert (node.state, node.holder, node.next_holder) == ("booked", "alice", "bob")
    lab.engine.release(["lab-3"], BOB)
    assert [n.next_holder for n in lab.engine.nodes()] == [None, None, None]


@pytest.mark.parametrize("ahead", [-61, 28 * 86400 + 60])
def test_when_a_booking_may_begin(lab: Lab, ahead: float) -> None:
    with pytest.raises(UsageError, match=r"^at: found '.*'; needs a time from now until"):
        lab.engine.allocate(["lab-3"], BOB, 60, at=lab.now + ahead)
    (node,) = lab.engine.allocate(["lab-3"], BOB, 60, at=lab.now - 30)
    assert node.holder == "bob", "from now on"


def new_lab(lab: Lab) -> None:
    for name in ("lab-1", "lab-2", "lab-3"):
        lab.new_agent(name)


def ids(lab: Lab) -> list[str]:
    return [wish["id"] for wish in lab.newest()["waiting"]]


def test_who_waits_is_served_in_turn(lab: Lab) -> None:
    new_lab(lab)
    wait = lab.engine.wait
    assert "lab-1 is booked by alice" in wait(["lab-1"], BOB, 60, wish="b" * 12).reason
    assert "lab-1 is booked by alice" in wait(["lab-1"], EVE, 60, wish="e" * 12).reason
    assert ids(lab) == ["b" * 12, "e" * 12]
    before = lab.newest()["generation"]
    assert wait(["lab-1"], EVE, 60, wish="e" * 12).reason
    assert lab.newest()["generation"] == before, "to ask again writes nothing for a while"
    lab.engine.release(["lab-1"], ALICE)
    until = lab.newest()["bookings"]["a1.1"]["until"]
    Heartbeats(Store(lab.root, "lab-1")).write(Report("lab-1", "free", "b", cleaned={"a1.1": until}))
    assert wait(["lab-1"], EVE, 60, wish="e" * 12).reason == "lab-1 is kept for bob, who has waited for longer"
    with pytest.raises(BusyError, match="lab-1 is kept for bob"):
        lab.engine.allocate(["lab-1"], ALICE, 60)
    (node,) = wait(["lab-1"], BOB, 60, wish="b" * 12).nodes
    assert (node.holder, node.booking, ids(lab)) == ("bob", "b" * 12, ["e" * 12])
    assert wait(["lab-1"], BOB, 60, wish="b" * 12).nodes[0].booking == node.booking, "its answer was lost"
    with pytest.raises(UsageError, match="somebody else"):
        wait(["lab-1"], EVE, 60, wish="b" * 12)
    lab.engine.forget("e" * 12, EVE)
    lab.engine.forget("b" * 12, BOB)
    assert ids(lab) == []
    assert lab.newest()["bookings"]["b" * 12]["until"] < lab.now + 50


def test_a_wish_that_waiting_does_not_help_is_not_written(lab: Lab) -> None:
    new_lab(lab)
    (lab.root / "nodes/lab-3.json").unlink()
    with pytest.raises(KiwiError, match="lab-3 is off"):
        lab.engine.wait(["lab-3"], BOB, 60, wish="b" * 12)
    with pytest.raises(UsageError, match="4 such nodes are wanted, and there are 3"):
        lab.engine.wait([], BOB, 60, wish="b" * 12, size=4)
    assert lab.newest()["generation"] == 41


def test_a_holder_does_not_extend_into_what_is_kept(lab: Lab) -> None:
    new_lab(lab)
    assert lab.engine.wait(["lab-2"], BOB, 60, wish="b" * 12).reason
    with pytest.raises(BusyError, match="lab-2 is kept for bob"):
        lab.engine.extend([], ALICE, lab.now + 7000)


def test_nobody_waits_while_an_older_agent_is_there(lab: Lab) -> None:
    with pytest.raises(UnreachableError, match="agent of lab-1, lab-2, lab-3 is of an older release"):
        lab.engine.wait(["lab-1"], BOB, 60, wish="b" * 12)
