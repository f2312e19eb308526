"""Define what a node's agent reports of it, and how old its last heartbeat is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from kiwi.booking.document import Booking

BEAT = 10.0  # seconds between two heartbeats of a node
DOWN = 30.0  # a node whose last heartbeat is older is down
FREE, BOOKED, CLEANING, DIRTY = "free", "booked", "cleaning", "dirty"  # as a node reports itself
DRAINED, OFF, DOWN_STATE = "drained", "off", "down"  # as others see it, besides
ANY_END = -1.0  # what an agent of version 1 confirms: a booking, whatever its end


class Report(NamedTuple):
    """What a node's agent reports of it.

    `state` is free, booked, cleaning or dirty; `message` says why it is dirty, or what was left.
    `open` is the id of the booking whose gate is open. `cleaned` are the bookings after
    which it was cleaned, by id, with the end (UTC seconds) that they had then: one that was made longer
    meanwhile is cleaned up after again at its real end.
    """

    node: str
    state: str
    boot_id: str
    open: str | None = None
    cleaned: Mapping[str, float] = MappingProxyType({})
    message: str = ""

    def confirms(self, booking: Booking) -> bool:
        """Return whether the node was cleaned after this booking and its present end."""
        return self.cleaned.get(booking.id) in (booking.until, ANY_END)


class Seen(NamedTuple):
    """A node's report and the age of its heartbeat in seconds."""

    report: Report
    age: float
