"""Decide who holds a node and what may happen to it: the rules of booking, without any input or output.

No two bookings of a node overlap. Between two of them lies the clean-up: a node
whose last booking is over is nobody's until it has confirmed the clean-up for
that booking and that end. All times are UTC seconds by the file server's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kiwi.booking import refusals
from kiwi.booking.document import BLOCKED, OPEN, VERSION, Booking, Change, Document, NodeEntry, by_node, overlap
from kiwi.booking.seen import BOOKED, CLEANING, DIRTY, DOWN, DOWN_STATE, DRAINED, FREE, OFF, Seen
from kiwi.common.errors import KiwiError, UsageError

PLAIN = NodeEntry()


class Ended(NamedTuple):
    """A document in which bookings were given back, and those, with the nodes that were."""

    document: Document
    bookings: tuple[Booking, ...]


def state_of(held: Sequence[Booking], seen: Seen | None, now: float, entry: NodeEntry = PLAIN) -> str:
    """Return the state of a node at `now` from its bookings, what was last seen of it and its entry."""
    if seen is None:
        return OFF
    if seen.age > DOWN:
        return DOWN_STATE
    if seen.report.state == DIRTY:
        return DIRTY
    if any(b.live(now) for b in held):
        return BOOKED
    if seen.report.state == CLEANING or uncleaned(held, seen, now):
        return CLEANING
    return FREE if entry.admin == OPEN else DRAINED


def uncleaned(held: Sequence[Booking], seen: Seen | None, now: float) -> list[Booking]:
    """Return those bookings of a node that are over and for whose end the clean-up is not confirmed."""
    return [b for b in held if b.over(now) and not (seen and seen.report.confirms(b))]


def settle(document: Document, seen: Mapping[str, Seen], now: float) -> Document:
    """Return the document without what is over and cleaned up after, node by node, and without lapsed wishes.

    It is of the same generation: what is settled is written with the next change.
    """
    bookings = {}
    for identity, booking in document.bookings.items():
        if booking.over(now):
            left = [n for n in booking.nodes if n not in seen or not seen[n].report.confirms(booking)]
            booking = booking._replace(nodes=tuple(left))
        if booking.nodes:
            bookings[identity] = booking
    return document._replace(bookings=bookings, waiting=tuple(w for w in document.waiting if w.until > now))


def found(document: Document) -> Document:
    """Return the next document, with all that an older version had as its changes: history begins with them."""
    changes = [Change("found", b) for b in document.bookings.values()] if document.version < VERSION else []
    return document.following(document.bookings, *changes)


def allocate(
    document: Document, wanted: Booking, seen: Mapping[str, Seen], now: float, kept: Sequence[Booking] = ()
) -> Document:
    """Return the document in which `wanted` is booked, which begins now or later.

    `kept` is what those are to have who have waited for longer (kiwi.booking.wishes).
    Raise BusyError (KiwiError if waiting helps with none) with a reason for each node that cannot be had then.
    """
    held = by_node(document)
    reasons = [refusal(document, held.get(name, ()), wanted, name, seen.get(name), now, kept) for name in wanted.nodes]
    if found := [reason for reason in reasons if reason]:
        raise refusals.together(found)
    return document.following({**document.bookings, wanted.id: wanted}, Change("booked", wanted))


def refusal(
    document: Document,
    held: Sequence[Booking],
    wanted: Booking,
    name: str,
    seen: Seen | None,
    now: float,
    kept: Sequence[Booking] = (),
) -> KiwiError | None:
    """Return why `wanted` cannot have a node whose bookings are `held`, or None."""
    entry = document.nodes.get(name, PLAIN)
    look = refusals.Look(name, wanted, held, seen, state_of(held, seen, now, entry), entry, now)
    return refusals.of_node(look) or refusals.kept_for(kept, wanted, name)


def release(document: Document, names: Iterable[str], user: str, now: float) -> Ended:
    """Return the document in which `user` no longer holds `names` (none given: all that `user` holds now).

    Where `user` holds a named node only later, that booking is cancelled. Raise
    UsageError if `user` has nothing, or not one of `names`.
    """
    names = list(names)
    held = by_node(document)
    if not names:
        names = [n for n, bookings in held.items() if any(b.user == user and b.live(now) for b in bookings)]
        if not names:
            raise refusals.nothing(document, user, now)
    chosen: dict[str, list[str]] = {}
    for name in names:
        chosen.setdefault(_own(held.get(name, []), name, user, now).id, []).append(name)
    bookings, ended = dict(document.bookings), []
    for identity, given in chosen.items():
        rest, part = _split(document, bookings.pop(identity), given)
        if rest:
            bookings[rest.id] = rest
        if part.begun(now):
            part = part._replace(until=now)
            bookings[part.id] = part
        ended.append(part)
    changes = [Change("released" if b.begun(now) else "cancelled", b) for b in ended]
    return Ended(document.following(bookings, *changes), tuple(ended))


def _own(held: Sequence[Booking], name: str, user: str, now: float) -> Booking:
    """Return the booking of a node that `user` gives back: the present one, else the next. Raise UsageError if none."""
    mine = [b for b in held if b.user == user and not b.over(now)]
    if not mine:
        raise refusals.not_mine(held, name, user, now)
    return mine[0]


def _split(document: Document, booking: Booking, given: Sequence[str]) -> tuple[Booking | None, Booking]:
    """Return what is left of a booking without the nodes `given`, if anything is, and the part with them.

    What is left keeps the id: its holder goes on.
    """
    left = tuple(n for n in booking.nodes if n not in given)
    if not left:
        return None, booking
    number = 1
    while f"{booking.id}.{number}" in document.bookings:
        number += 1
    part = tuple(n for n in booking.nodes if n in given)
    return booking._replace(nodes=left), booking._replace(id=f"{booking.id}.{number}", nodes=part)


def extend(
    document: Document, names: Iterable[str], user: str, until: float, now: float, kept: Sequence[Booking] = ()
) -> Document:
    """Return the document in which what `user` holds now, with any of `names` (none given: all), ends at `until`.

    `kept` is what those are to have who wait. Raise UsageError if `user` does not hold them or if that is not later
    than now, BusyError or KiwiError if another booking follows or a node is blocked.
    """
    names = list(names)
    held = by_node(document)
    if not names:
        names = [n for n, bookings in held.items() if any(b.user == user and b.live(now) for b in bookings)]
    if not names:
        raise refusals.nothing(document, user, now)
    mine = {b.id: b for b in (_live(held.get(n, []), n, user, now) for n in names)}
    if any(until <= b.until for b in mine.values()):
        raise UsageError("the new end is not later than the present one", hint="to give a node back: kiwi kill -w NODE")
    longer = {i: b._replace(until=until) for i, b in mine.items()}
    found = [reason for b in longer.values() for reason in _in_the_way(document, held, b, kept)]
    if found:
        raise refusals.together(found)
    return document.following({**document.bookings, **longer}, *(Change("extended", b) for b in longer.values()))


def _live(held: Sequence[Booking], name: str, user: str, now: float) -> Booking:
    for booking in held:
        if booking.user == user and booking.live(now):
            return booking
    raise refusals.not_mine(held, name, user, now)


def _in_the_way(
    document: Document, held: Mapping[str, Sequence[Booking]], longer: Booking, kept: Sequence[Booking]
) -> list[KiwiError]:
    """Return why a booking cannot be so long, one error for each node where it cannot."""
    found = []
    for name in longer.nodes:
        entry = document.nodes.get(name, PLAIN)
        rivals = [b for b in held[name] if b.id != longer.id and overlap(b, longer)]
        if entry.admin == BLOCKED:
            found.append(refusals.kept_back(name, entry))
        elif rivals:
            found.append(refusals.taken(name, longer, rivals[0], longer.start))
        elif waited := refusals.kept_for(kept, longer, name):
            found.append(waited)
    return found
