"""Show a node as people and scripts see it, from its bookings and what was last seen of it."""

from __future__ import annotations

from collections.abc import Sequence

from kiwi.booking import rules
from kiwi.booking.document import Booking, NodeEntry
from kiwi.booking.seen import Seen
from kiwi.engines.base import Node


def node(
    name: str, partition: str, held: Sequence[Booking], seen: Seen | None, now: float, entry: NodeEntry = rules.PLAIN
) -> Node:
    """Return a node of a partition as it is at `now` (UTC seconds); `held` are its bookings in order of their start."""
    live = next((b for b in held if b.live(now)), None)
    coming = next((b for b in held if not b.begun(now) and not b.over(now)), None)
    last = live or next((b for b in reversed(held) if b.begun(now)), None)
    return Node(
        node=name,
        partition=partition,
        state=rules.state_of(held, seen, now, entry),
        holder=live.user if live else None,
        until=live.until if live else None,
        remaining=round(live.until - now, 3) if live else None,
        booking=last.id if last else None,
        ready=bool(live and seen and seen.report.open == live.id),
        message=(seen.report.message if seen else "") or entry.reason,
        next_holder=coming.user if coming else None,
        next_start=coming.start if coming else None,
        next_until=coming.until if coming else None,
        labels=entry.labels,
    )
