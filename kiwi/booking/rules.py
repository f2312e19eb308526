"""Decide who holds a node and what may happen to it: the rules of booking, without any input or output.

A document has at most one booking per node: the last one. It stays there after
its end, until the next one takes its place, so that its clean-up can be
confirmed by its id. All times are UTC seconds by the file server's clock; a
booking is the interval from its start, included, to its end, excluded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kiwi.common import durations
from kiwi.common.errors import BusyError, KiwiError, UsageError

BEAT = 10.0  # seconds between two heartbeats of a node
DOWN = 30.0  # a node whose last heartbeat is older is down

FREE, BOOKED, CLEANING, DIRTY, OFF, DOWN_STATE = "free", "booked", "cleaning", "dirty", "off", "down"


class Booking(NamedTuple):
    """`user` holds a node from `start` until `until`, in UTC seconds. Nodes booked together share the `id`."""

    id: str
    user: str
    uid: int
    start: float
    until: float

    def live(self, now: float) -> bool:
        """Return whether its end is still to come at `now`, in UTC seconds."""
        return now < self.until


class Document(NamedTuple):
    """All bookings of a partition, as generation `generation` has them."""

    generation: int
    nodes: Mapping[str, Booking]


class Report(NamedTuple):
    """What a node's agent reports of it.

    `state` is free, booked, cleaning or dirty; `message` says why it is dirty, or what was left.
    `open` is the id of the booking whose gate is open, `cleaned` of the last one
    after which it was cleaned.
    """

    node: str
    state: str
    boot_id: str
    open: str | None = None
    cleaned: str | None = None
    message: str = ""


class Seen(NamedTuple):
    """A node's report and the age of its heartbeat in seconds."""

    report: Report
    age: float


def state_of(booking: Booking | None, seen: Seen | None, now: float) -> str:
    """Return the state of a node at `now` (UTC seconds) from its last booking and what was last seen of it."""
    if seen is None:
        return OFF
    if seen.age > DOWN:
        return DOWN_STATE
    if seen.report.state == DIRTY:
        return DIRTY
    if booking is None:
        return FREE
    if booking.live(now):
        return BOOKED
    return FREE if seen.report.cleaned == booking.id else CLEANING


def allocate(document: Document, names: Iterable[str], booking: Booking, seen: Mapping[str, Seen]) -> Document:
    """Return the document in which `booking` holds all of `names`.

    Raise BusyError (KiwiError if waiting helps with none) with a reason for each node that is not free.
    """
    names = list(names)
    reasons = [_refusal(n, booking, document.nodes.get(n), seen.get(n)) for n in names]
    refusals = [r for r in reasons if r]
    if refusals:
        raise refusals[0] if len(refusals) == 1 else _together(refusals)
    return Document(document.generation + 1, {**document.nodes, **dict.fromkeys(names, booking)})


def _together(refusals: list[KiwiError]) -> KiwiError:
    """Return the several refusals as one error: busy if one of them is."""
    kind = BusyError if any(isinstance(r, BusyError) for r in refusals) else KiwiError
    return kind("\n".join(r.args[0] for r in refusals), hint="nothing was booked")


def _refusal(name: str, wanted: Booking, held: Booking | None, seen: Seen | None) -> KiwiError | None:
    """Return why `wanted` cannot have the node, or None."""
    now = wanted.start
    state = state_of(held, seen, now)
    if held and held.live(now):
        return _held(name, wanted, held)
    if state == CLEANING and held:
        return BusyError(f"{name} is being cleaned after {held.user}", hint="try again in some seconds")
    if state == DIRTY and seen:
        return KiwiError(f"{name} is dirty: {seen.report.message}", hint="tell an administrator; take another node")
    if state == DOWN_STATE and seen:
        return KiwiError(f"{name} is down: no heartbeat for {durations.short(seen.age)}", hint="take another node")
    if state == OFF:
        return KiwiError(f"{name} is off: its agent has never reported", hint="take another node")
    return None


def _held(name: str, wanted: Booking, held: Booking) -> KiwiError:
    end = f"until {durations.local(held.until)}"
    if held.user == wanted.user:
        return BusyError(f"{held.user} holds {name} already, {end}", hint=f"to book anew, first: kiwi kill -w {name}")
    return BusyError(f"{name} is booked by {held.user} {end}", hint="see the free nodes: kiwi info")


def release(document: Document, names: Iterable[str], user: str, now: float) -> Document:
    """Return the document in which `user` no longer holds `names` (none given: all that `user` holds).

    Raise UsageError if `user` holds nothing, or not one of `names`. `now` is in UTC seconds.
    """
    mine = [n for n, b in document.nodes.items() if b.user == user and b.live(now)]
    names = list(names)
    for name in names:
        if name not in mine:
            raise _not_mine(name, document.nodes.get(name), user, now)
    if not mine:
        raise UsageError(f"{user} holds no node", hint="see who holds what: kiwi info")
    ended = {n: document.nodes[n]._replace(until=now) for n in names or mine}
    return Document(document.generation + 1, {**document.nodes, **ended})


def _not_mine(name: str, held: Booking | None, user: str, now: float) -> UsageError:
    if held and held.live(now):
        return UsageError(
            f"{name} is booked by {held.user}, not by {user}", hint="an administrator adds: -u " + held.user
        )
    return UsageError(f"{user} does not hold {name}", hint="see who holds what: kiwi info")
