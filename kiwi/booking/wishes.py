"""Serve who waits for nodes first come, first served: what their wishes keep from all who ask later.

A document lists wishes in the order in which they came. Each has in mind the nodes and the time that it can have
soonest, after those before it, chosen as kiwi.booking.choosing does; who asks later gets nothing that reaches into
that. So it matters little who asks most often. A wish whose nodes are off, down, dirty or kept back keeps nothing:
waiting does not help there.

A wish stands until LEASE seconds after its client was last known to ask. The client of one that was not taken back
may have been killed, or its machine is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kiwi.booking import choosing, rules
from kiwi.booking.choosing import Fleet
from kiwi.booking.document import OPEN, Booking, Document, Wish, by_node
from kiwi.booking.refusals import GAP
from kiwi.booking.seen import DIRTY, DOWN_STATE, FREE, OFF, Seen
from kiwi.common.errors import KiwiError, UsageError

LEASE = 30.0  # seconds that a wish stands after it was written
RENEW = 10.0  # seconds after which one that is still asked for is written anew
MOST, OWN = 200, 8  # wishes of a partition, and of one user
LOST = (OFF, DOWN_STATE, DIRTY)
Held = Mapping[str, Sequence[Booking]]


def kept(document: Document, fleet: Fleet, seen: Mapping[str, Seen], now: float, before: str = "") -> list[Booking]:
    """Return what those are to have who wait, as bookings: all, or those who came before the wish of that id.

    `fleet` are the nodes of the partition that stay, with their labels.
    """
    held: dict[str, list[Booking]] = {}
    found: list[Booking] = []
    if document.waiting:
        held = by_node(document)
    for wish in document.waiting:
        if wish.id == before:
            break
        plan = _plan(document, wish, held, fleet, seen, now) if wish.until > now else None
        if plan:
            found.append(plan)
            for name in plan.nodes:
                room = plan._replace(start=plan.start - GAP, until=plan.until + GAP)
                held[name] = sorted([*held.get(name, ()), room], key=lambda b: (b.start, b.until))
    return found


def _plan(
    document: Document, wish: Wish, held: Held, fleet: Fleet, seen: Mapping[str, Seen], now: float
) -> Booking | None:
    """Return what a wish can have soonest, None if waiting alone does not get it that."""
    wanted = wish.nodes or choosing.labelled(fleet, wish.labels)
    fit = [n for n in wanted if n in fleet and _fit(document, n, held, seen.get(n), now)]
    size = wish.size or len(wish.nodes)
    if len(fit) < size:
        return None

    def order(name: str) -> tuple[float, bool, tuple[int, float]]:
        own = held.get(name, ())
        start, free = _from(own, wish.seconds, now), rules.state_of(own, seen.get(name), now) == FREE
        return start, not free, choosing.preference(fleet[name], own, start + wish.seconds)

    names, start, later = sorted(fit, key=order)[:size], now, now
    while (later := max(_from(held.get(n, ()), wish.seconds, start) for n in names)) > start:
        start = later
    return Booking(wish.id, wish.user, wish.uid, tuple(names), start, start + wish.seconds, made=wish.made)


def _fit(document: Document, name: str, held: Held, seen: Seen | None, now: float) -> bool:
    entry = document.nodes.get(name, rules.PLAIN)
    return entry.admin == OPEN and rules.state_of(held.get(name, ()), seen, now, entry) not in LOST


def _from(held: Sequence[Booking], seconds: float, start: float) -> float:
    """Return from when on, `start` or later, a node is nobody's for so long by its bookings, sorted by their start."""
    for booking in held:
        if booking.start < start + seconds and booking.until > start:
            start = booking.until
    return start


def renew(document: Document, wish: Wish, now: float) -> Document | None:
    """Return the document in which a wish stands from `now` on, at its old place or at the end.

    None: nothing needs to be written yet. Raise UsageError if the id is another user's, KiwiError if too many wait.
    """
    wish = wish._replace(made=round(now, 3), until=round(now + LEASE, 3))
    old = next((w for w in document.waiting if w.id == wish.id), None)
    if old and old.uid != wish.uid:
        raise UsageError("somebody else waits with this id")
    if old and old._replace(made=wish.made, until=wish.until) == wish:
        if old.until - now > LEASE - RENEW:
            return None
        waiting = [w._replace(until=wish.until) if w is old else w for w in document.waiting]
    else:
        waiting = [*(w for w in document.waiting if w is not old), wish]
        if len(waiting) > MOST or sum(w.uid == wish.uid for w in waiting) > OWN:
            raise KiwiError(f"too many wait: {OWN} times one user, {MOST} in all", hint="try again later")
    return document.following(document.bookings)._replace(waiting=tuple(waiting))


def forget(document: Document, identity: str, user: str, now: float) -> Document:
    """Return the document without a wish of `user`, or with the booking ended that was made of it."""
    booking = document.bookings.get(identity)
    if booking and booking.user == user and not booking.over(now):
        return rules.release(document, booking.nodes, user, now).document
    left = tuple(w for w in document.waiting if w.id != identity or w.user != user)
    return document.following(document.bookings)._replace(waiting=left)


def allocate(
    document: Document, wanted: Booking, wish: Wish, seen: Mapping[str, Seen], now: float, fleet: Fleet
) -> Document:
    """Return the document in which `wanted` is booked, as `wish` has it, which waits no longer if it did.

    Where that names no node, it is `wish.size` nodes with its labels. Raise UsageError, BusyError or KiwiError as
    kiwi.booking.choosing and kiwi.booking.rules do, BusyError also where somebody waits who came before.
    """
    before = kept(document, fleet, seen, now, wanted.id)
    if not wanted.nodes:
        choice = {name: fleet[name] for name in choosing.labelled(fleet, wish.labels)}
        wanted = choosing.choose(document, wanted, wish.size, choice, seen, now, before)
    new = rules.allocate(document, wanted, seen, now, before)
    return new._replace(waiting=tuple(w for w in new.waiting if w.id != wanted.id))
