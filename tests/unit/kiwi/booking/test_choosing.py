"""Which nodes one gets who asks for a number of them, or for labels."""

from __future__ import annotations

import pytest

from kiwi.booking import choosing
from kiwi.booking.document import Booking, Document, NodeEntry
from kiwi.booking.seen import Report, Seen
from kiwi.common.errors import BusyError, KiwiError, UsageError

NOW = 1000.0
FLEET: dict[str, tuple[str, ...]] = {"lab-1": ("gpu", "big"), "lab-2": ("gpu",), "lab-3": ("gpu",)}
WANTED = Booking("b1", "bob", 10002, (), NOW, NOW + 60, made=NOW)
GOOD = {name: Seen(Report(name, "free", "boot"), 1.0) for name in FLEET}


def held(name: str, start: float, until: float) -> Booking:
    return Booking(f"of-{name}", "alice", 10001, (name,), start, until, made=900.0)


def choose(size: int, *bookings: Booking, seen: dict[str, Seen] | None = None, **nodes: NodeEntry) -> tuple[str, ...]:
    entries = {name.replace("_", "-"): entry for name, entry in nodes.items()}
    document = Document(1, {b.id: b for b in bookings}, entries)
    return choosing.choose(document, WANTED, size, FLEET, GOOD if seen is None else seen, NOW).nodes


@pytest.mark.parametrize(
    ("size", "bookings", "nodes"),
    [
        pytest.param(1, [], ("lab-2",), id="special ones are left"),
        pytest.param(3, [], ("lab-2", "lab-3", "lab-1"), id="all"),
        pytest.param(1, [held("lab-3", NOW + 60, NOW + 90)], ("lab-3",), id="a short gap is used first"),
        pytest.param(1, [held("lab-3", NOW + 59, NOW + 90)], ("lab-2",), id="the gap is too short"),
        pytest.param(2, [held("lab-2", 900, NOW + 1)], ("lab-3", "lab-1"), id="one is booked"),
    ],
)
def test_which(size: int, bookings: list[Booking], nodes: tuple[str, ...]) -> None:
    assert choose(size, *bookings) == nodes


def test_where_not_enough_are_free_nobody_gets_any() -> None:
    with pytest.raises(BusyError, match="3 such nodes are wanted, 2 of 3 can be had"):
        choose(3, held("lab-2", 900, NOW + 1))


def test_where_waiting_does_not_help_it_is_not_busy() -> None:
    with pytest.raises(KiwiError, match=r"2 of 3 can be had; lab-3 is drained: fan") as caught:
        choose(3, lab_3=NodeEntry(admin="drained", reason="fan"))
    assert type(caught.value) is KiwiError
    with pytest.raises(KiwiError, match=r"1 such node is wanted, 0 of 3 can be had; lab-1 is off"):
        choose(1, seen={})


def test_more_than_there_are() -> None:
    with pytest.raises(UsageError, match="4 such nodes are wanted, and there are 3"):
        choose(4)
