"""Define what a partition's document holds: bookings, nodes, settings and who waits. All times are UTC seconds.

A node may have several bookings, each an interval from its start, included, to
its end, excluded. A booking that is over stays in the document until every one of
its nodes has confirmed the clean-up; then it is history (kiwi.booking.journal).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

VERSION = 2  # of documents, reports and heartbeats; the one before is read, too
OPEN, DRAINED, BLOCKED, RETIRED = "open", "drained", "blocked", "retired"
ADMIN = (OPEN, DRAINED, BLOCKED, RETIRED)
ALLOC = "alloc"
NONE: Mapping[str, float] = MappingProxyType({})


class Booking(NamedTuple):
    """`user` holds all of `nodes` from `start` until `until`; it was made at `made`.

    `kind` is what it was made by; `others` are users who may enter, too ("with" in the document).
    """

    id: str
    user: str
    uid: int
    nodes: tuple[str, ...]
    start: float
    until: float
    made: float = 0.0
    kind: str = ALLOC
    others: tuple[str, ...] = ()
    note: str = ""

    def begun(self, now: float) -> bool:
        """Return whether it has begun at `now`.

        One that began when it was made has begun for all who read it, also on a machine whose idea of the file
        server's time is some milliseconds behind.
        """
        return self.start <= max(now, self.made)

    def over(self, now: float) -> bool:
        """Return whether its end has come at `now`."""
        return self.until <= now

    def live(self, now: float) -> bool:
        """Return whether `now` is in its interval."""
        return self.begun(now) and not self.over(now)


class NodeEntry(NamedTuple):
    """What is known of a node besides its bookings.

    `admin` is open, drained (nobody new), blocked (nobody new, and no booking is made longer) or retired (nobody
    ever again); `reason` says why. An empty `host` is the node's own name. `windows` are times of the day when it
    may be booked, such as 18:00-08:00; none: always.
    """

    host: str = ""
    port: int = 22
    labels: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    admin: str = OPEN
    reason: str = ""


class Settings(NamedTuple):
    """What holds for the whole partition. `managed_by` is who may change nodes and settings: site data or a person."""

    time_zone: str = "UTC"
    bypass_users: tuple[str, ...] = ()
    bypass_groups: tuple[str, ...] = ()
    limits: Mapping[str, float] = NONE
    managed_by: str = "site"


class Wish(NamedTuple):
    """Who waits for nodes: for all of `nodes`, or for `size` that have all of `labels`; given up at `until`."""

    id: str
    user: str
    uid: int
    seconds: float
    made: float
    until: float
    nodes: tuple[str, ...] = ()
    size: int = 0
    labels: tuple[str, ...] = ()


class Change(NamedTuple):
    """One step from the generation before: booked, released, cancelled or extended; `booking` as it is after that."""

    event: str
    booking: Booking


class Document(NamedTuple):
    """Generation `generation` of a partition's state: `changes` say what is new in it, `version` how it is written."""

    generation: int
    bookings: Mapping[str, Booking]
    nodes: Mapping[str, NodeEntry] = MappingProxyType({})
    config: Settings = Settings()
    waiting: tuple[Wish, ...] = ()
    changes: tuple[Change, ...] = ()
    version: int = VERSION

    def following(self, bookings: Mapping[str, Booking], *changes: Change) -> Document:
        """Return the next generation, with these bookings, and how they came about."""
        return self._replace(generation=self.generation + 1, bookings=bookings, changes=changes)


def overlap(one: Booking, other: Booking) -> bool:
    """Return whether two intervals have a moment in common."""
    return one.start < other.until and other.start < one.until


def by_node(document: Document) -> dict[str, list[Booking]]:
    """Return the bookings of each node that has any, the first to begin first."""
    found: dict[str, list[Booking]] = {}
    for booking in sorted(document.bookings.values(), key=lambda b: (b.start, b.until, b.id)):
        for name in booking.nodes:
            found.setdefault(name, []).append(booking)
    return found


def of_node(document: Document, name: str) -> list[Booking]:
    """Return the bookings of one node, the first to begin first."""
    return sorted((b for b in document.bookings.values() if name in b.nodes), key=lambda b: (b.start, b.until, b.id))
