"""Hand out nodes by booking: apply kiwi.booking.rules to the shared document."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Callable

from kiwi.booking import choosing, codec, journal, leaving, rules, wishes
from kiwi.booking.document import VERSION, Booking, Document, Wish, by_node
from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.journal import Journal
from kiwi.booking.seen import Seen
from kiwi.booking.store import Store
from kiwi.common import durations
from kiwi.common.errors import BusyError, KiwiError, UnreachableError, UsageError
from kiwi.common.settings import Partition
from kiwi.engines import view
from kiwi.engines.base import Node, User, Waiting

log = logging.getLogger(__name__)

AHEAD = 28 * 86400  # seconds from now on in which a booking may begin
SLACK = 60  # seconds that a start may be past: it was typed in, and clocks differ
_Change = Callable[[Document, Mapping[str, Seen], float], Document]


class BookingEngine:
    """Be the kiwi.engines.base.Engine of one partition; `longest` is the longest booking in seconds.

    All methods raise UsageError if a name is not of this partition, and OSError if the share fails.
    """

    def __init__(
        self, partition: Partition, store: Store, heartbeats: Heartbeats, longest: int, leaving: Collection[str] = ()
    ) -> None:
        self.partition = partition
        self.store = store
        self.heartbeats = heartbeats
        self._longest = longest
        self._leaving = leaving
        self.history = Journal(store.root, store.writer)
        self._noted: int | None = None  # the last generation whose changes this machine wrote to the journal

    def nodes(self, names: Iterable[str] = ()) -> list[Node]:
        """Return these nodes (none named: all of the partition) as they are now."""
        return self._shown(self._known(names) or self.partition.nodes, self.store.latest())

    def allocate(
        self,
        names: Sequence[str],
        user: User,
        seconds: int,
        *,
        at: float | None = None,
        dry_run: bool = False,
        size: int = 0,
        labels: Collection[str] = (),
    ) -> list[Node]:
        """Book all of `names` for `user`, for `seconds` from now or from `at` (UTC seconds), or none.

        None named: book `size` nodes that have all of `labels`.
        Return them as they are then. Change nothing if `dry_run`. Raise UsageError if the time is too long, begins
        before now or more than AHEAD seconds from now or no node is named, BusyError or KiwiError if one cannot be had.
        """
        wish = self._wish(os.urandom(6).hex(), names, user, seconds, size, labels)

        def change(document: Document, seen: Mapping[str, Seen], now: float) -> Document:
            return self._booked(document, wish, seen, now, now if at is None else _checked(at, now))

        document = self._next(self.store.latest(), wish, change) if dry_run else self._write(wish, change)
        return self._shown(document.bookings[wish.id].nodes, document)

    def wait(
        self, names: Sequence[str], user: User, seconds: int, *, wish: str, size: int = 0, labels: Collection[str] = ()
    ) -> Waiting:
        """Allocate from now on, or have the wish of that id stand in the document: the caller asks again, with it.

        Who does not ask for wishes.LEASE seconds waits no longer. Raise what `allocate` does, but no BusyError.
        """
        asked = self._wish(wish, names, user, seconds, size, labels)
        latest = self.store.latest()
        if wish in latest.bookings:  # an answer was lost
            return Waiting(self._shown(_own(latest.bookings[wish], user).nodes, latest), "")
        reason = ""

        def change(document: Document, seen: Mapping[str, Seen], now: float) -> Document:
            nonlocal reason
            try:
                return self._booked(document, asked, seen, now, now)
            except BusyError as exc:
                reason = exc.args[0]
                renewed = wishes.renew(document, asked, now)
                if renewed is None:
                    raise
                return renewed

        try:
            document = self._write(asked, change)
        except BusyError as exc:
            return Waiting([], reason or exc.args[0])
        booking = document.bookings.get(wish)
        return Waiting(self._shown(booking.nodes, document) if booking else [], "" if booking else reason)

    def forget(self, wish: str, user: User) -> None:
        """Have `user` wait no longer by that id; if a booking was made of it, end that."""
        latest = self.store.latest()
        if wish in latest.bookings or any(w.id == wish for w in latest.waiting):
            self._write(None, lambda d, _, now: wishes.forget(d, wish, user.name, now))

    def _wish(
        self, wish: str, names: Sequence[str], user: User, seconds: int, size: int, labels: Collection[str]
    ) -> Wish:
        """Return what is asked for. Raise UsageError if it is too long, or not either nodes or how many."""
        if bool(names) == bool(size):
            hint = f"for example: kiwi alloc -w {self.partition.nodes[0]}"
            raise UsageError("name nodes, or say how many", hint=hint)
        durations.check(seconds, self._longest)
        nodes = tuple(self._known(names))
        return Wish(wish, user.name, user.uid, seconds, 0.0, 0.0, nodes, size, tuple(labels))

    def _booked(self, document: Document, wish: Wish, seen: Mapping[str, Seen], now: float, start: float) -> Document:
        """Return the document in which `wish` is booked from `start` on."""
        self._require_staying(wish.nodes)
        if wish.id in document.bookings:
            raise UsageError("this wish was fulfilled already")
        fleet = self._fleet(document)
        if not wish.nodes and not choosing.labelled(fleet, wish.labels):
            known = sorted({label for own in fleet.values() for label in own})
            raise UsageError(
                f"no node of partition {self.partition.name} has {', '.join(wish.labels)}",
                hint=f"labels there: {', '.join(known) or 'none'}",
            )
        span = round(start, 3), round(start + wish.seconds, 3)
        booking = Booking(wish.id, wish.user, wish.uid, wish.nodes, *span, made=round(now, 3))
        return wishes.allocate(document, booking, wish, seen, now, fleet)

    def _fleet(self, document: Document) -> choosing.Fleet:
        """Return the nodes that stay, with the labels of each."""
        gone = leaving.read(self.store.root).union(self._leaving)
        return {n: own for n, own in self._labels(document).items() if n not in gone}

    def release(self, names: Sequence[str], user: User) -> list[Node]:
        """End what `user` holds of `names` (none named: all) now; return the nodes concerned.

        Raise UsageError if `user` does not hold one of them, or nothing.
        """
        wanted = self._known(names)
        document = self._write(None, lambda d, _, now: rules.release(d, wanted, user.name, now).document)
        touched = [name for change in document.changes for name in change.booking.nodes]
        return self._shown(touched, document)

    def extend(self, names: Sequence[str], user: User, until: float) -> list[Node]:
        """Let what `user` holds now, with any of `names` (none named: all), end at `until` (UTC seconds), not before.

        Return the nodes concerned. Raise UsageError if `user` does not hold them or if that is further from now than
        the longest booking, BusyError or KiwiError if it cannot be so long.
        """
        wanted = self._known(names)

        def change(document: Document, seen: Mapping[str, Seen], now: float) -> Document:
            durations.check(int(until - now), self._longest)
            kept = wishes.kept(document, self._fleet(document), seen, now)
            longer = rules.extend(document, wanted, user.name, round(until, 3), now, kept)
            self._require_staying(name for made in longer.changes for name in made.booking.nodes)
            return longer

        document = self._write(None, change)
        touched = [name for change in document.changes for name in change.booking.nodes]
        return self._shown(touched, document)

    def take_over(self) -> None:
        """Write a document of an older version anew in this one, as soon as all agents know it; nothing is lost."""
        if self.store.latest().version < VERSION and not self.heartbeats.outdated():
            self._write(None, lambda d, _, __: rules.found(d))

    def note_changes(self) -> int:
        """Write to the journal what the documents changed that it does not have; return the last one that it has.

        For one machine alone, the login node's. Raise KiwiError if a document is damaged, OSError if the share fails.
        """
        if self._noted is None:
            self._noted = self.history.last_generation()
        self._noted = journal.note(self.store, self.history, self.partition.name, self._noted)
        return self._noted

    def _write(self, wish: Wish | None, change: _Change) -> Document:
        """Write `change` of the newest document and return what was written."""
        return self.store.update(lambda d: self._next(d, wish, change))

    def _next(self, document: Document, wish: Wish | None, change: _Change) -> Document:
        """Return what follows `document`, in the newest version that all agents know.

        `change` is called with it, what is seen of the nodes that are to be cleaned or that somebody wishes, the asker
        or who waits, and the time. Raise UnreachableError if an agent knows only a version that cannot say it.
        """
        now = self.heartbeats.now()
        over = [name for b in document.bookings.values() if b.over(now) for name in b.nodes]
        asked = [*document.waiting, *([wish] if wish else [])]
        wished = [name for one in asked for name in one.nodes or self.partition.nodes]
        seen = self.heartbeats.read({*wished, *over})
        new = change(rules.settle(document, seen, now), seen, now)
        if new.version == VERSION:
            return new
        if not (outdated := self.heartbeats.outdated()):
            return new._replace(version=VERSION)
        if codec.fits_first_version(new):
            return new
        raise UnreachableError(
            f"the agent of {', '.join(outdated)} is of an older release and does not know version {VERSION}",
            hint="an administrator brings it up to date: bin/up",
        )

    def _require_staying(self, names: Iterable[str]) -> None:
        """Raise KiwiError if a node is being taken away. Read anew for each generation (kiwi.booking.leaving)."""
        gone = leaving.read(self.store.root).union(self._leaving)
        if going := [name for name in names if name in gone]:
            raise KiwiError(f"{', '.join(going)} leaves the cluster: nobody may book it", hint="take another node")

    def _known(self, names: Iterable[str]) -> list[str]:
        """Return `names`, each once. Raise UsageError if one is not of this partition."""
        names = list(dict.fromkeys(names))
        unknown = [n for n in names if n not in self.partition.nodes]
        if unknown:
            raise UsageError(
                f"partition {self.partition.name} has no node {', '.join(unknown)}", hint="see all nodes: kiwi info"
            )
        return names

    def _shown(self, names: Iterable[str], document: Document) -> list[Node]:
        """Return nodes as they are now, by a document."""
        seen = self.heartbeats.read(names)
        now = self.heartbeats.now()
        held = by_node(document)
        labels = self._labels(document)
        entries = {n: document.nodes.get(n, rules.PLAIN)._replace(labels=labels[n]) for n in names}
        return [view.node(n, self.partition.name, held.get(n, []), seen.get(n), now, entries[n]) for n in names]

    def _labels(self, document: Document) -> dict[str, tuple[str, ...]]:
        """Return the labels of each node of the partition: its own, and those that all of them have."""
        return {
            name: tuple(dict.fromkeys([*self.partition.labels, *document.nodes.get(name, rules.PLAIN).labels]))
            for name in self.partition.nodes
        }

    def journal(self, line: dict[str, Any]) -> None:
        """Append one line to the journal, with the version and the file server's time.

        Only log it if the share fails: what happened stands anyway.
        """
        try:
            self.history.append([{"version": VERSION, "time": round(self.heartbeats.now(), 3), **line}])
        except OSError as exc:
            log.warning("the journal of %s cannot be written: %s", self.partition.name, exc)


def _own(booking: Booking, user: User) -> Booking:
    """Return a booking that was made of a wish. Raise UsageError if it is not this user's."""
    if booking.user != user.name:
        raise UsageError("somebody else has a booking with this id")
    return booking


def _checked(at: float, now: float) -> float:
    """Return when a booking begins that is to begin at `at`, in UTC seconds. Raise UsageError if it cannot then."""
    if not now - SLACK <= at <= now + AHEAD:
        needs = f"a time from now until {durations.local(now + AHEAD)}"
        raise UsageError(key="at", found=durations.local(at), needs=needs)
    return max(at, now)
