"""The rules of booking."""

from __future__ import annotations

import pytest

from kiwi.booking import rules
from kiwi.booking.document import Booking, Change, Document, NodeEntry
from kiwi.booking.seen import ANY_END, DOWN, Report, Seen
from kiwi.common.errors import BusyError, KiwiError, UsageError

NOW = 1000.0
ALICE = Booking("a1", "alice", 10001, ("lab-1",), 900.0, 1100.0, made=900.0)
PAST = Booking("a0", "alice", 10001, ("lab-1",), 100.0, 900.0, made=100.0)
BOB = Booking("b1", "bob", 10002, ("lab-1",), NOW, NOW + 60, made=NOW)
LATER = Booking("c1", "carol", 10003, ("lab-1",), 1200.0, 1300.0, made=900.0)


def seen(state: str = "free", cleaned: dict[str, float] | None = None, age: float = 1.0, message: str = "") -> Seen:
    return Seen(Report("lab-1", state, "boot", None, cleaned or {}, message), age)


def document(*bookings: Booking, generation: int = 1, **more: NodeEntry) -> Document:
    return Document(generation, {b.id: b for b in bookings}, {k.replace("_", "-"): v for k, v in more.items()})


@pytest.mark.parametrize(
    ("held", "report", "state"),
    [
        pytest.param([], None, "off", id="never reported"),
        pytest.param([ALICE], None, "off", id="booked, never reported"),
        pytest.param([], seen(age=31), "down", id="old heartbeat"),
        pytest.param([], seen(age=DOWN), "free", id="heartbeat just young enough"),
        pytest.param([ALICE], seen(age=31), "down", id="booked, old heartbeat"),
        pytest.param([], seen(), "free", id="never booked"),
        pytest.param([ALICE], seen(), "booked", id="live"),
        pytest.param([ALICE._replace(start=NOW + 1, made=NOW + 1)], seen(), "booked", id="made by a faster clock"),
        pytest.param([LATER], seen(), "free", id="booked for later"),
        pytest.param([PAST], seen(), "cleaning", id="over, clean-up not confirmed"),
        pytest.param([PAST], seen(cleaned={"other": 900.0}), "cleaning", id="another clean-up confirmed"),
        pytest.param([PAST], seen(cleaned={"a0": 800.0}), "cleaning", id="confirmed for an earlier end"),
        pytest.param([PAST], seen(cleaned={"a0": 900.0}), "free", id="clean-up confirmed"),
        pytest.param([PAST], seen(cleaned={"a0": ANY_END}), "free", id="confirmed by an agent of version 1"),
        pytest.param([PAST, ALICE], seen("cleaning"), "booked", id="its holder waits for the clean-up"),
        pytest.param([PAST], seen("dirty"), "dirty", id="survivors"),
        pytest.param([], seen("cleaning"), "cleaning", id="it cleans up after what is no longer written"),
    ],
)
def test_states(held: list[Booking], report: Seen | None, state: str) -> None:
    assert rules.state_of(held, report, NOW) == state


@pytest.mark.parametrize("admin", ["drained", "blocked", "retired"])
def test_a_node_that_is_kept_back(admin: str) -> None:
    entry = NodeEntry(admin=admin, reason="fan")
    assert rules.state_of([], seen(), NOW, entry) == "drained"
    assert rules.state_of([ALICE], seen(), NOW, entry) == "booked"
    with pytest.raises(KiwiError, match=f"^lab-1 is {admin}: fan"):
        rules.allocate(document(lab_1=entry), BOB, {"lab-1": seen()}, NOW)
    with pytest.raises(KiwiError, match=f"^lab-1 is {admin}: fan"):
        rules.allocate(document(lab_1=entry), LATER, {"lab-1": seen()}, NOW)


def test_several_nodes_are_whole() -> None:
    wanted = BOB._replace(nodes=("lab-1", "lab-2"))
    other = PAST._replace(nodes=("lab-3",))
    new = rules.allocate(document(other, generation=4), wanted, {"lab-1": seen(), "lab-2": seen()}, NOW)
    assert (new.generation, new.bookings) == (5, {"a0": other, "b1": wanted})
    assert new.changes == (Change("booked", wanted),)


def test_what_is_clean_is_settled_node_by_node() -> None:
    both = PAST._replace(nodes=("lab-1", "lab-2"))
    looks = {"lab-1": seen(cleaned={"a0": 900.0}), "lab-2": seen("cleaning")}
    settled = rules.settle(document(both, LATER), looks, NOW)
    assert settled == document(PAST._replace(nodes=("lab-2",)), LATER)
    assert rules.settle(settled, {"lab-2": looks["lab-1"]}, NOW) == document(LATER)
    assert rules.settle(document(ALICE), {"lab-1": seen(cleaned={"a1": 1100.0})}, NOW) == document(ALICE)


@pytest.mark.parametrize(
    ("held", "report", "kind", "words"),
    [
        pytest.param(ALICE, seen("booked"), BusyError, "booked by alice until", id="booked"),
        pytest.param(ALICE, None, BusyError, "booked by alice until", id="booked and off"),
        pytest.param(ALICE._replace(user="bob"), seen(), BusyError, "bob holds lab-1 already", id="own"),
        pytest.param(LATER._replace(start=1059.9), seen(), BusyError, "booked by carol from .* until", id="soon"),
        pytest.param(PAST, seen("cleaning"), BusyError, "being cleaned after alice", id="cleaning"),
        pytest.param(None, seen("cleaning"), BusyError, r"being cleaned\n", id="cleaning after who is forgotten"),
        pytest.param(PAST, seen("dirty", message="7 'x'"), KiwiError, "is dirty: 7 'x'", id="dirty"),
        pytest.param(None, seen(age=99), KiwiError, "is down: no heartbeat for 1m 39s", id="down"),
        pytest.param(None, None, KiwiError, "is off", id="off"),
    ],
)
def test_refusals(held: Booking | None, report: Seen | None, kind: type[KiwiError], words: str) -> None:
    with pytest.raises(kind) as caught:
        rules.allocate(document(*[held] if held else []), BOB, {"lab-1": report} if report else {}, NOW)
    assert type(caught.value) is kind
    assert caught.match(words)
    assert caught.value.hint not in ("", "nothing was booked"), "what helps with this reason"


def test_a_booking_that_follows_says_how_long_one_may_have_the_node() -> None:
    with pytest.raises(BusyError) as caught:
        rules.allocate(document(LATER), BOB._replace(until=1201.0), {"lab-1": seen()}, NOW)
    assert caught.value.hint == "it is free before that: -t 200"
    new = rules.allocate(document(LATER), BOB._replace(until=1200.0), {"lab-1": seen()}, NOW)
    assert set(new.bookings) == {"b1", "c1"}


@pytest.mark.parametrize("report", [None, seen("dirty"), seen("cleaning"), seen("booked"), seen(age=99)])
def test_for_later_it_does_not_matter_how_the_node_is_now(report: Seen | None) -> None:
    looks = {"lab-1": report} if report else {}
    new = rules.allocate(document(PAST, ALICE), LATER, looks, NOW)
    assert new.bookings["c1"] == LATER
    after = ALICE._replace(id="d1", user="dora", start=1100.0, until=1200.0)
    assert set(rules.allocate(new, after, looks, NOW).bookings) == {"a0", "a1", "c1", "d1"}
    with pytest.raises(BusyError, match="booked by alice until"):
        rules.allocate(new, after._replace(start=1099.9), looks, NOW)


def test_all_reasons_are_told_and_nothing_is_booked() -> None:
    looks = {"lab-1": seen(), "lab-3": seen()}
    with pytest.raises(BusyError) as caught:
        rules.allocate(document(ALICE), BOB._replace(nodes=("lab-1", "lab-2", "lab-3")), looks, NOW)
    assert "lab-1 is booked by alice" in str(caught.value)
    assert "lab-2 is off" in str(caught.value)
    assert caught.value.hint == "nothing was booked"


def test_nodes_that_waiting_does_not_help_with_are_not_busy() -> None:
    with pytest.raises(KiwiError, match=r"lab-1 is off.*\nlab-2 is off") as caught:
        rules.allocate(document(), BOB._replace(nodes=("lab-1", "lab-2")), {}, NOW)
    assert type(caught.value) is KiwiError


def test_release_ends_now() -> None:
    both = ALICE._replace(nodes=("lab-1", "lab-2"))
    other = BOB._replace(nodes=("lab-3",))
    one = rules.release(document(both, other), ["lab-1"], "alice", NOW)
    part = both._replace(id="a1.1", nodes=("lab-1",), until=NOW)
    assert one.bookings == (part,)
    assert one.document.bookings == {"a1": both._replace(nodes=("lab-2",)), "a1.1": part, "b1": other}
    every = rules.release(document(both, other), [], "alice", NOW)
    assert every.document.bookings == {"a1": both._replace(until=NOW), "b1": other}
    assert every.document.changes == (Change("released", both._replace(until=NOW)),)
    again = rules.release(one.document, ["lab-2"], "alice", NOW + 1).document
    assert {i: (b.nodes, b.until) for i, b in again.bookings.items() if b.user == "alice"} == {
        "a1": (("lab-2",), NOW + 1),
        "a1.1": (("lab-1",), NOW),
    }


def test_parts_that_are_given_back_one_after_the_other_have_ids_of_their_own() -> None:
    held = document(ALICE._replace(nodes=("lab-1", "lab-2", "lab-3")))
    first = rules.release(held, ["lab-1"], "alice", NOW).document
    assert set(rules.release(first, ["lab-2"], "alice", NOW).document.bookings) == {"a1", "a1.1", "a1.2"}


def test_what_comes_later_is_cancelled_only_where_it_is_named() -> None:
    mine = LATER._replace(user="alice", nodes=("lab-2",))
    assert rules.release(document(ALICE, mine), [], "alice", NOW).document.bookings["c1"] == mine
    ended = rules.release(document(ALICE, mine), ["lab-2"], "alice", NOW)
    assert ended.document.bookings == {"a1": ALICE}
    assert ended.document.changes == (Change("cancelled", mine),)
    with pytest.raises(UsageError, match="alice holds no node now") as caught:
        rules.release(document(mine), [], "alice", NOW)
    assert "kiwi kill -w lab-2" in caught.value.hint


def test_of_two_bookings_of_a_node_the_present_one_is_given_back_first() -> None:
    mine = LATER._replace(user="alice")
    first = rules.release(document(ALICE, mine), ["lab-1"], "alice", NOW).document
    assert first.bookings == {"a1": ALICE._replace(until=NOW), "c1": mine}
    assert set(rules.release(first, ["lab-1"], "alice", NOW + 1).document.bookings) == {"a1"}


@pytest.mark.parametrize(
    ("names", "user", "words"),
    [
        (["lab-1"], "bob", "lab-1 is booked by alice, not by bob"),
        (["lab-2"], "alice", "alice does not hold lab-2"),
        (["lab-1", "lab-2"], "alice", "alice does not hold lab-2"),
        ([], "bob", "bob holds no node"),
        (["lab-1"], "alic", "lab-1 is booked by alice, not by alic"),
    ],
)
def test_release_refuses(names: list[str], user: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rules.release(document(ALICE, PAST._replace(nodes=("lab-2",))), names, user, NOW)


@pytest.mark.parametrize("names", [[], ["lab-1"]])
def test_extend(names: list[str]) -> None:
    new = rules.extend(document(ALICE, LATER), names, "alice", 1200.0, NOW)
    assert new.bookings["a1"] == ALICE._replace(until=1200.0)
    assert new.changes == (Change("extended", ALICE._replace(until=1200.0)),)


@pytest.mark.parametrize(
    ("names", "user", "until", "words"),
    [
        pytest.param([], "alice", 1200.1, "lab-1 is booked by carol from", id="another follows"),
        pytest.param([], "alice", 1100.0, "not later", id="no longer"),
        pytest.param([], "bob", 1150.0, "bob holds no node", id="nothing"),
        pytest.param(["lab-1"], "bob", 1150.0, "lab-1 is booked by alice, not by bob", id="another's"),
        pytest.param(["lab-1"], "carol", 1400.0, "lab-1 is booked by alice", id="hers has not begun"),
        pytest.param([], "carol", 1400.0, "carol holds no node now", id="hers has not begun, unnamed"),
    ],
)
def test_extend_refuses(names: list[str], user: str, until: float, words: str) -> None:
    with pytest.raises(KiwiError, match=words):
        rules.extend(document(ALICE, LATER), names, user, until, NOW)


def test_a_blocked_node_keeps_its_holder_and_no_longer() -> None:
    with pytest.raises(KiwiError, match="lab-1 is blocked: fan"):
        rules.extend(document(ALICE, lab_1=NodeEntry(admin="blocked", reason="fan")), [], "alice", 1200.0, NOW)
    drained = document(ALICE, lab_1=NodeEntry(admin="drained", reason="fan"))
    assert rules.extend(drained, [], "alice", 1200.0, NOW).bookings["a1"].until == 1200.0


def test_what_an_older_version_had_is_where_history_begins() -> None:
    old = document(ALICE, PAST)._replace(version=1)
    new = rules.found(old)
    assert (new.generation, new.bookings) == (2, old.bookings)
    assert new.changes == (Change("found", ALICE), Change("found", PAST))
    assert rules.found(document(ALICE)).changes == ()
