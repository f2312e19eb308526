"""Whatever is booked and given back: a node has one holder at a time, and a booking is whole or nothing."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from kiwi.booking import rules
from kiwi.booking.rules import DOWN, Booking, Document, Report, Seen
from kiwi.common import durations
from kiwi.common.errors import KiwiError

NAMES = [f"lab-{n}" for n in range(1, 5)]
USERS = ["alice", "bob", "carol"]
ASKED = st.lists(st.sampled_from(NAMES), unique=True)
SECONDS = st.integers(1, 100)
STEPS = st.lists(
    st.tuples(st.sampled_from(["alloc", "kill"]), st.sampled_from(USERS), ASKED, SECONDS, st.integers(0, 60)),
    max_size=30,
)


def seen(name: str, state: str, cleaned: str | None, age: float) -> Seen:
    return Seen(Report(name, state, "boot", None, cleaned, ""), age)


def reports() -> st.SearchStrategy[dict[str, Seen]]:
    """What is seen of the nodes: any state, any clean-up confirmed, heartbeats young and old, some never."""
    ids = st.none() | st.integers(0, 30).map(str)
    ages = st.floats(0, 3 * DOWN)
    one = st.tuples(st.sampled_from(["free", "booked", "cleaning", "dirty"]), ids, ages)
    found = st.dictionaries(st.sampled_from(NAMES), one)
    return found.map(lambda rows: {name: seen(name, *row) for name, row in rows.items()})


@given(STEPS, reports())
def test_no_node_has_two_holders_and_a_booking_is_whole(steps: list, looks: dict[str, Seen]) -> None:
    document, now = Document(0, {}), 1000.0
    for number, (what, user, names, length, pause) in enumerate(steps):
        now += pause
        before = {name: booking for name, booking in document.nodes.items() if booking.live(now)}
        wanted = Booking(str(number), user, 10000 + USERS.index(user), now, now + length)
        try:
            if what == "alloc":
                document = rules.allocate(document, names, wanted, looks)
            else:
                document = rules.release(document, names, user, now)
        except KiwiError:
            continue
        after = {name: booking for name, booking in document.nodes.items() if booking.live(now)}
        if what == "alloc":
            assert after == {**before, **dict.fromkeys(names, wanted)}
            assert before.keys().isdisjoint(names)
            assert all(looks[name].age <= DOWN and looks[name].report.state != "dirty" for name in names)
        else:
            mine = {name for name, booking in before.items() if booking.user == user}
            assert before.keys() - after.keys() == (set(names) or mine) <= mine
            assert after.items() <= before.items()


@given(STEPS, reports())
def test_the_next_holder_comes_after_the_clean_up(steps: list, looks: dict[str, Seen]) -> None:
    document, now = Document(0, {}), 1000.0
    for number, (_, user, names, length, pause) in enumerate(steps):
        now += pause
        old = document
        with contextlib.suppress(KiwiError):
            document = rules.allocate(document, names, Booking(str(number), user, 1, now, now + length), looks)
            assert document.generation == old.generation + 1
            for name in set(names) & old.nodes.keys():
                assert looks[name].report.cleaned == old.nodes[name].id


@given(st.integers(0, 10**9))
def test_a_time_comes_back_however_it_is_written(seconds: int) -> None:
    minutes, hours = seconds // 60, seconds // 3600
    written = [
        f"{seconds}",
        f"{minutes}:{seconds % 60}",
        f"{hours}:{minutes % 60:02}:{seconds % 60:02}",
        f"{hours // 24}:{hours % 24}:{minutes % 60}:{seconds % 60}",
    ]
    assert {durations.parse(text) for text in written} == {seconds}


@given(st.integers(0, 10**9))
def test_a_short_time_is_right_to_its_second_unit(seconds: int) -> None:
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    parts = [(int(part[:-1]), units[part[-1]]) for part in durations.short(seconds).split()]
    told = sum(count * unit for count, unit in parts)
    assert told <= seconds < told + parts[-1][1]
