"""The rules of booking."""

from __future__ import annotations

import pytest

from kiwi.booking import rules
from kiwi.booking.rules import Booking, Document, Report, Seen
from kiwi.common.errors import BusyError, KiwiError, UsageError

NOW = 1000.0
ALICE = Booking("a1", "alice", 10001, 900.0, 1100.0)
PAST = Booking("a0", "alice", 10001, 100.0, 900.0)
BOB = Booking("b1", "bob", 10002, NOW, NOW + 60)


def seen(state: str = "free", cleaned: str | None = None, age: float = 1.0, message: str = "") -> Seen:
    return Seen(Report("lab-1", state, "boot", None, cleaned, message), age)


@pytest.mark.parametrize(
    ("booking", "report", "state"),
    [
        pytest.param(None, None, "off", id="never reported"),
        pytest.param(ALICE, None, "off", id="booked, never reported"),
        pytest.param(None, seen(age=31), "down", id="old heartbeat"),
        pytest.param(None, seen(age=rules.DOWN), "free", id="heartbeat just young enough"),
        pytest.param(ALICE, seen(age=31), "down", id="booked, old heartbeat"),
        pytest.param(None, seen(), "free", id="never booked"),
        pytest.param(ALICE, seen(), "booked", id="live"),
        pytest.param(PAST, seen(), "cleaning", id="over, clean-up not confirmed"),
        pytest.param(PAST, seen(cleaned="other"), "cleaning", id="another clean-up confirmed"),
        pytest.param(PAST, seen(cleaned="a0"), "free", id="clean-up confirmed"),
        pytest.param(PAST, seen("dirty"), "dirty", id="survivors"),
    ],
)
def test_states(booking: Booking | None, report: Seen | None, state: str) -> None:
    assert rules.state_of(booking, report, NOW) == state


def test_several_nodes_are_whole() -> None:
    document = Document(4, {"lab-3": PAST})
    new = rules.allocate(document, ["lab-1", "lab-2"], BOB, {"lab-1": seen(), "lab-2": seen()})
    assert new == Document(5, {"lab-3": PAST, "lab-1": BOB, "lab-2": BOB})


def test_a_clean_node_changes_hands() -> None:
    new = rules.allocate(Document(1, {"lab-1": PAST}), ["lab-1"], BOB, {"lab-1": seen(cleaned="a0")})
    assert new.nodes["lab-1"] == BOB


@pytest.mark.parametrize(
    ("held", "report", "kind", "told"),
    [
        pytest.param(ALICE, seen("booked"), BusyError, "booked by alice until", id="booked"),
        pytest.param(ALICE, None, BusyError, "booked by alice until", id="booked and off"),
        pytest.param(ALICE._replace(user="bob"), seen(), BusyError, "bob holds lab-1 already", id="own"),
        pytest.param(PAST, seen("cleaning"), BusyError, "being cleaned after alice", id="cleaning"),
        pytest.param(PAST, seen("dirty", message="7 'x'"), KiwiError, "is dirty: 7 'x'", id="dirty"),
        pytest.param(None, seen(age=99), KiwiError, "is down: no heartbeat for 1m 39s", id="down"),
        pytest.param(None, None, KiwiError, "is off", id="off"),
    ],
)
def test_refusals(held: Booking | None, report: Seen | None, kind: type[KiwiError], told: str) -> None:
    document = Document(1, {"lab-1": held} if held else {})
    with pytest.raises(kind, match=told) as caught:
        rules.allocate(document, ["lab-1"], BOB, {"lab-1": report} if report else {})
    assert type(caught.value) is kind
    assert caught.value.hint not in ("", "nothing was booked"), "what helps with this reason"


def test_all_reasons_are_told_and_nothing_is_booked() -> None:
    document = Document(1, {"lab-1": ALICE})
    with pytest.raises(BusyError) as caught:
        rules.allocate(document, ["lab-1", "lab-2", "lab-3"], BOB, {"lab-1": seen(), "lab-3": seen()})
    assert "lab-1 is booked by alice" in str(caught.value)
    assert "lab-2 is off" in str(caught.value)
    assert document == Document(1, {"lab-1": ALICE})
    assert caught.value.hint == "nothing was booked"


def test_nodes_that_waiting_does_not_help_with_are_not_busy() -> None:
    with pytest.raises(KiwiError, match=r"lab-1 is off.*\nlab-2 is off") as caught:
        rules.allocate(Document(1, {}), ["lab-1", "lab-2"], BOB, {})
    assert type(caught.value) is KiwiError


def test_release_ends_now() -> None:
    document = Document(1, {"lab-1": ALICE, "lab-2": ALICE, "lab-3": BOB})
    one = rules.release(document, ["lab-1"], "alice", NOW)
    assert {n: b.until for n, b in one.nodes.items()} == {"lab-1": NOW, "lab-2": 1100.0, "lab-3": 1060.0}
    every = rules.release(document, [], "alice", NOW)
    assert [b.live(NOW) for b in every.nodes.values()] == [False, False, True]
    assert (one.generation, every.generation) == (2, 2)


@pytest.mark.parametrize(
    ("names", "user", "told"),
    [
        (["lab-1"], "bob", "lab-1 is booked by alice, not by bob"),
        (["lab-2"], "alice", "alice does not hold lab-2"),
        (["lab-1", "lab-2"], "alice", "alice does not hold lab-2"),
        ([], "bob", "bob holds no node"),
        (["lab-1"], "alic", "lab-1 is booked by alice, not by alic"),
    ],
)
def test_release_refuses(names: list[str], user: str, told: str) -> None:
    document = Document(1, {"lab-1": ALICE, "lab-2": PAST})
    with pytest.raises(UsageError, match=told):
        rules.release(document, names, user, NOW)
