"""Hand out nodes by booking: apply kiwi.booking.rules to the shared document."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from kiwi.booking import leaving, rules
from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.rules import Booking, Document, Seen
from kiwi.booking.store import Store
from kiwi.common import durations
from kiwi.common.errors import KiwiError, UsageError
from kiwi.common.settings import Partition
from kiwi.engines.base import Node, User

log = logging.getLogger(__name__)


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

    def nodes(self, names: Iterable[str] = ()) -> list[Node]:
        """Return these nodes (none named: all of the partition) as they are now."""
        wanted = self._known(names) or self.partition.nodes
        document = self.store.latest()
        seen = self.heartbeats.read(wanted)
        now = self.heartbeats.now()
        return [self._view(name, document.nodes.get(name), seen.get(name), now) for name in wanted]

    def allocate(self, names: Sequence[str], user: User, seconds: int, *, dry_run: bool = False) -> list[Node]:
        """Book all of `names` for `user`, for `seconds` from now, or none; return them as they are then.

        Change nothing if `dry_run`. Raise UsageError if the time is too long or
        no node is named, BusyError or KiwiError if one is not free.
        """
        if not names:
            raise UsageError("no node was named", hint="for example: kiwi alloc -w " + self.partition.nodes[0])
        wanted = self._known(names)
        durations.check(seconds, self._longest)
        identity = os.urandom(6).hex()

        def change(document: Document) -> Document:
            self._require_staying(wanted)
            now = self.heartbeats.now()
            booking = Booking(identity, user.name, user.uid, round(now, 3), round(now + seconds, 3))
            return rules.allocate(document, wanted, booking, self.heartbeats.read(wanted))

        document = change(self.store.latest()) if dry_run else self.store.update(change)
        if not dry_run:
            self._record("booked", wanted, document)
        return self._after(wanted, document)

    def release(self, names: Sequence[str], user: User) -> list[Node]:
        """End what `user` holds of `names` (none named: all) now; return the nodes concerned.

        Raise UsageError if `user` does not hold one of them, or nothing.
        """
        wanted = self._known(names)
        touched: list[str] = []

        def change(document: Document) -> Document:
            new = rules.release(document, wanted, user.name, self.heartbeats.now())
            touched[:] = [n for n, b in new.nodes.items() if b != document.nodes[n]]
            return new

        document = self.store.update(change)
        self._record("released", touched, document)
        return self._after(touched, document)

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

    def _after(self, names: Iterable[str], document: Document) -> list[Node]:
        now = self.heartbeats.now()
        seen = self.heartbeats.read(names)
        return [self._view(name, document.nodes[name], seen.get(name), now) for name in names]

    def _view(self, name: str, booking: Booking | None, seen: Seen | None, now: float) -> Node:
        live = booking if booking and booking.live(now) else None
        return Node(
            node=name,
            partition=self.partition.name,
            state=rules.state_of(booking, seen, now),
            holder=live.user if live else None,
            until=live.until if live else None,
            remaining=round(live.until - now, 3) if live else None,
            booking=booking.id if booking else None,
            ready=bool(live and seen and seen.report.open == live.id),
            message=seen.report.message if seen else "",
        )

    def _record(self, event: str, names: Sequence[str], document: Document) -> None:
        """Write a change of the document to the journal."""
        first = document.nodes[names[0]]
        self.journal(
            {
                "event": event,
                "partition": self.partition.name,
                "nodes": list(names),
                "booking": first.id,
                "user": first.user,
                "until": first.until,
                "generation": document.generation,
            }
        )

    def journal(self, line: dict[str, Any]) -> None:
        """Append one line to the journal, with the version and the file server's time.

        Only log it if the share fails: what happened stands anyway.
        """
        try:
            self.store.record({"version": 1, "time": round(self.heartbeats.now(), 3), **line})
        except OSError as exc:
            log.warning("the journal of %s cannot be written: %s", self.partition.name, exc)
