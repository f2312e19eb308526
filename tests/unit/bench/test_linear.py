"""The checker of histories finds each kind of fault; a history without any is one it agrees with."""

from __future__ import annotations

import copy
from typing import Any, Callable

import pytest

from bench.linear import Told, check

HELD = {"kind": "alloc", "uid": 1, "with": [], "made": 0, "note": ""}


def line(generation: int, event: str, booking: str, user: str, nodes: str, start: int, until: int) -> dict[str, Any]:
    return {
        "time": 100 + generation,
        "generation": generation,
        "event": event,
        "booking": booking,
        "user": user,
        "nodes": nodes.split(),
        "start": start,
        "until": until,
        **HELD,
    }


def of_node(event: str, node: str, booking: str, until: int = 0) -> dict[str, Any]:
    return {"time": 120, "event": event, "node": node, "booking": booking, "until": until}


LINES = [
    {"time": 100, "generation": 0, "event": "nothing"},
    line(1, "booked", "a", "alice", "n1 n2", 10, 50),
    line(2, "released", "a.1", "alice", "n2", 10, 20),
    line(3, "booked", "b", "bob", "n2", 21, 60),
    line(4, "extended", "a", "alice", "n1", 10, 70),
    line(5, "booked", "c", "carol", "n1", 70, 90),
    line(6, "cancelled", "c", "carol", "n1", 70, 90),
    of_node("booked", "n2", "b"),
    of_node("cleaned", "n2", "a.1", 20),
]
TOLD = [
    Told("alice", 1.0, 2.0, 1, "booked", ("n1", "n2")),
    Told("alice", 3.0, 4.0, 2, "released|cancelled"),
    Told("bob", 3.0, 5.0, 3, "booked", ("n2",)),
    Told("alice", 6.0),
    Told("carol", 7.0, 8.0, 5, "booked", ("n1",)),
    Told("carol", 9.0, 10.0, 6, "released|cancelled"),
    Told("bob", 11.0, 12.0),
]
LAST = {
    "generation": 6,
    "bookings": {
        "a": {**HELD, "user": "alice", "nodes": ["n1"], "start": 10, "until": 70},
        "b": {**HELD, "user": "bob", "nodes": ["n2"], "start": 21, "until": 60},
    },
}


def test_a_good_history() -> None:
    assert check(LINES, TOLD, LAST, 30) == []


def lines(change: Callable[[list[dict[str, Any]]], object]) -> list[dict[str, Any]]:
    found = copy.deepcopy(LINES)
    change(found)
    return found


def last(**bookings: dict[str, Any] | None) -> dict[str, Any]:
    found = {**LAST["bookings"], **bookings}  # type: ignore[dict-item]
    return {"generation": 6, "bookings": {key: value for key, value in found.items() if value}}


@pytest.mark.parametrize(
    ("found", "words"),
    [
        pytest.param(lines(lambda x: x.pop(3)), "generation 3 is in no line", id="a line is lost"),
        pytest.param(lines(lambda x: x.append(x[3])), "is there twice", id="a line twice"),
        pytest.param(lines(lambda x: x[3].update(start=19)), "n2 is a.1's from 10 until 20", id="an overlap"),
        pytest.param(
            lines(lambda x: x[5].update(start=69)), "n1 is a's from 10 until 70", id="an overlap after it grew"
        ),
        pytest.param(lines(lambda x: x[2].update(user="bob")), "it does not follow from", id="another's given back"),
        pytest.param(lines(lambda x: x[4].update(nodes=["n1", "n9"])), "it does not follow from", id="more nodes"),
        pytest.param(lines(lambda x: x[3].update(booking="a")), "its id was there already", id="an id twice"),
        pytest.param(lines(lambda x: x.pop()), "n2 was b's before it was cleaned after a.1", id="not cleaned"),
        pytest.param(lines(lambda x: x[-1].update(until=19)), "before it was cleaned", id="cleaned for another end"),
        pytest.param(
            lines(lambda x: x[3].update(user="dora")), "was told, and generation 3 is", id="not what was told"
        ),
        pytest.param(lines(lambda x: x[3].update(nodes=["n3"])), "was told, and generation 3 is", id="other nodes"),
    ],
)
def test_what_is_wrong_in_the_journal(found: list[dict[str, Any]], words: str) -> None:
    assert words in "\n".join(check(found, TOLD, LAST, 30))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param(last(b=None), "b is lost", id="a booking is lost"),
        pytest.param(last(a={**LAST["bookings"]["a"], "until": 50}), "a is lost", id="not made longer"),  # type: ignore[index]
        pytest.param(last(d=LAST["bookings"]["a"]), "d is in the document", id="from nowhere"),  # type: ignore[index]
        pytest.param({**LAST, "generation": 7}, "generation 7 is in no line", id="the journal ends too early"),
    ],
)
def test_what_is_wrong_in_the_last_document(document: dict[str, Any], words: str) -> None:
    assert words in "\n".join(check(LINES, TOLD, document, 30))


def test_what_is_over_may_be_gone() -> None:
    assert check(LINES, TOLD, last(b=None), 60) == []


def test_who_asked_later_comes_later() -> None:
    told = [TOLD[0], TOLD[1], TOLD[2]._replace(generation=1, began=2.5), *TOLD[3:]]
    assert any("asked for after 1 had been told of" in fault for fault in check(LINES, told, LAST, 30))


def test_a_change_that_nobody_asked_for() -> None:
    told = [one for one in TOLD if one.ended is not None]
    assert "1 of alice's changes are nobody's" in check(LINES, told, LAST, 30)
