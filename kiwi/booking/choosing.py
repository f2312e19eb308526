"""Choose nodes for who asks for a number of them, or for labels, and names none."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from kiwi.booking import rules
from kiwi.booking.document import Booking, Document, by_node
from kiwi.booking.seen import Seen
from kiwi.common.errors import BusyError, KiwiError, UsageError

Fleet = Mapping[str, Collection[str]]  # the nodes that may be chosen, in their order, with the labels of each


def choose(
    document: Document, wanted: Booking, size: int, fleet: Fleet, seen: Mapping[str, Seen], now: float
) -> Booking:
    """Return `wanted` with `size` nodes of `fleet` that can be had then, or with none.

    Those with the fewest labels go first, so that special ones are left, then those whose next booking comes soonest.
    Raise UsageError if there are not so many, BusyError if not so many are free, KiwiError if waiting does not help.
    """
    if len(fleet) < size:
        raise UsageError(f"{size} such nodes are wanted, and there are {len(fleet)}", hint="see all nodes: kiwi info")
    held = by_node(document)
    refused = {name: rules.refusal(document, held.get(name, ()), wanted, name, seen.get(name), now) for name in fleet}
    free = [name for name, reason in refused.items() if reason is None]
    if len(free) < size:
        raise _too_few(size, len(free), [reason for reason in refused.values() if reason])

    def order(name: str) -> tuple[int, float]:
        coming = [b.start for b in held.get(name, ()) if b.start >= wanted.until]
        return len(fleet[name]), min(coming, default=math.inf)

    return wanted._replace(nodes=tuple(sorted(free, key=order)[:size]))


def _too_few(size: int, free: int, reasons: list[KiwiError]) -> KiwiError:
    """Return that not enough nodes are free: busy if enough of the others will be."""
    busy = [reason for reason in reasons if isinstance(reason, BusyError)]
    lost = [reason for reason in reasons if not isinstance(reason, BusyError)]
    text = f"{size} such {'node is' if size == 1 else 'nodes are'} wanted, {free} of {free + len(reasons)} can be had"
    if free + len(busy) >= size:
        return BusyError(text, hint="see who has which, and until when: kiwi info")
    return KiwiError(f"{text}; {lost[0].args[0]}", hint="ask for fewer, or tell an administrator")
