"""Who waits for nodes gets them in the order in which they came."""

from __future__ import annotations

import pytest

from kiwi.booking import rules, wishes
from kiwi.booking.document import Booking, Document, NodeEntry, Wish
from kiwi.booking.refusals import GAP
from kiwi.booking.seen import Report, Seen
from kiwi.common.errors import BusyError, KiwiError, UsageError

NOW = 1000.0
FLEET: dict[str, tuple[str, ...]] = {"lab-1": ("gpu",), "lab-2": (), "lab-3": ()}
ALICE = Booking("a1", "alice", 1, ("lab-1",), 900.0, 1100.0, made=900.0)
BOB = Wish("b1", "bob", 2, 60, 950.0, NOW + 20, ("lab-1",))
ANY = Wish("c1", "carol", 3, 60, 960.0, NOW + 20, (), 1)
BOTH = Wish("d1", "dora", 4, 60, 970.0, NOW + 20, ("lab-1", "lab-2"))


def looks(**states: str) -> dict[str, Seen]:
    """Return what is seen of all nodes, which are free but for what is said."""
    return {n: Seen(Report(n, states.get(n.replace("-", "_"), "free"), "boot"), 1.0) for n in FLEET}


def document(*parts: Booking | Wish, **nodes: NodeEntry) -> Document:
    entries = {name.replace("_", "-"): entry for name, entry in nodes.items()}
    bookings = {p.id: p for p in parts if isinstance(p, Booking)}
    return Document(1, bookings, entries, waiting=tuple(p for p in parts if isinstance(p, Wish)))


def take(state: Document, wish: Wish, now: float = NOW, seen: dict[str, Seen] | None = None) -> Document:
    wanted = Booking(wish.id, wish.user, wish.uid, wish.nodes, now, now + wish.seconds, made=now)
    return wishes.allocate(state, wanted, wish, looks() if seen is None else seen, now, FLEET)


def planned(
    state: Document, before: str = "", seen: dict[str, Seen] | None = None
) -> list[tuple[str, float, list[str]]]:
    found = wishes.kept(state, FLEET, looks() if seen is None else seen, NOW, before)
    return [(b.id, b.start, sorted(b.nodes)) for b in found]


def test_each_has_in_mind_what_it_can_have_soonest_after_those_before_it() -> None:
    second = BOB._replace(id="b2", user="eve")
    state = document(ALICE, BOB, ANY, BOTH, second)
    assert planned(state) == [
        ("b1", 1100, ["lab-1"]),
        ("c1", NOW, ["lab-2"]),
        ("d1", 1160 + GAP, ["lab-1", "lab-2"]),
        ("b2", 1220 + 2 * GAP, ["lab-1"]),
    ]
    assert planned(state, "d1") == planned(state)[:2]


def test_a_gap_between_bookings_is_used() -> None:
    later = ALICE._replace(id="a2", start=1160.0, until=1200.0)
    assert planned(document(ALICE, later, BOB)) == [("b1", 1100, ["lab-1"])]
    assert planned(document(ALICE, later, BOB._replace(seconds=61))) == [("b1", 1200, ["lab-1"])]


@pytest.mark.parametrize("state", ["dirty", "down", "off", "drained", "leaves", "lapsed"])
def test_who_cannot_be_helped_by_waiting_keeps_nothing(state: str) -> None:
    seen, fleet, now = looks(lab_2="dirty" if state == "dirty" else "free"), dict(FLEET), NOW
    entries = {"lab_2": NodeEntry(admin="drained")} if state == "drained" else {}
    if state == "down":
        seen["lab-2"] = seen["lab-2"]._replace(age=99.0)
    if state == "off":
        del seen["lab-2"]
    if state == "leaves":
        del fleet["lab-2"]
    if state == "lapsed":
        now = BOTH.until
    assert wishes.kept(document(BOTH, **entries), fleet, seen, now) == []


def test_who_comes_later_gets_nothing_that_reaches_into_it() -> None:
    free = document(BOB)
    for later in (BOB._replace(id="x", user="eve"), BOTH, ANY._replace(size=3)):
        with pytest.raises(BusyError, match=r"lab-1 is kept for bob, who has waited for longer|2 of 3 can be had"):
            take(free, later)
    assert take(free, ANY).bookings["c1"].nodes == ("lab-2",)
    new = take(free, BOB)
    assert (new.bookings["b1"].nodes, new.waiting) == (("lab-1",), ())


def test_what_is_over_in_time_may_go_before() -> None:
    """A node that would wait idle for the other one of a wish is not kept all that time."""
    state = document(ALICE._replace(until=NOW + 600), BOTH)
    short = Wish("x", "eve", 5, 600 - GAP, 0, 0, ("lab-2",))
    assert take(state, short).bookings["x"].nodes == ("lab-2",)
    with pytest.raises(BusyError, match="lab-2 is kept for dora"):
        take(state, short._replace(seconds=601 - GAP))


def test_who_holds_a_node_does_not_keep_it_longer_where_somebody_waits() -> None:
    state = document(ALICE, BOB)
    kept = wishes.kept(state, FLEET, looks(), NOW)
    with pytest.raises(BusyError, match="lab-1 is kept for bob"):
        rules.extend(state, [], "alice", 1101.0, NOW, kept)


def test_a_wish_is_written_keeps_its_place_and_lapses() -> None:
    mine = BOB._replace(made=0, until=0)
    first = wishes.renew(document(ANY), mine, NOW)
    assert first is not None
    assert [(w.id, w.made, w.until) for w in first.waiting] == [("c1", 960, NOW + 20), ("b1", NOW, NOW + wishes.LEASE)]
    other = wishes.renew(first, BOTH, NOW + 1)
    assert other is not None
    assert wishes.renew(other, mine, NOW + 9.9) is None, "not yet"
    later = wishes.renew(other, mine, NOW + 10)
    assert later is not None
    assert [(w.id, w.made, w.until) for w in later.waiting][1] == ("b1", NOW, NOW + 10 + wishes.LEASE)
    left = rules.settle(later, {}, NOW + 1 + wishes.LEASE)
    assert [w.id for w in left.waiting] == ["b1"], "the others were not asked for any more"


def test_who_asks_for_something_else_begins_at_the_end() -> None:
    new = wishes.renew(document(BOB, ANY), BOB._replace(seconds=61), NOW)
    assert new is not None
    assert [w.id for w in new.waiting] == ["c1", "b1"]


def test_an_id_is_its_users_own() -> None:
    with pytest.raises(UsageError, match="somebody else waits"):
        wishes.renew(document(BOB), BOB._replace(user="eve", uid=9), NOW)
    assert wishes.forget(document(BOB), "b1", "eve", NOW).waiting == (BOB,)
    assert wishes.forget(document(ALICE), "a1", "eve", NOW).bookings == {"a1": ALICE}


def test_not_everything_is_waited_for() -> None:
    many = [BOB._replace(id=f"w{n}") for n in range(wishes.OWN)]
    with pytest.raises(KiwiError, match="too many wait"):
        wishes.renew(document(*many), BOB, NOW)
    full = [BOB._replace(id=f"w{n}", uid=n + 10) for n in range(wishes.MOST)]
    with pytest.raises(KiwiError, match="too many wait"):
        wishes.renew(document(*full), BOB, NOW)


def test_to_forget_ends_a_booking_that_was_made_just_then() -> None:
    assert wishes.forget(document(BOB, ANY), "b1", "bob", NOW).waiting == (ANY,)
    made = take(document(BOB), BOB)
    ended = wishes.forget(made, "b1", "bob", NOW + 1)
    assert (ended.bookings["b1"].until, ended.changes[0].event) == (NOW + 1, "released")
