"""Choose nodes for who asks for a number of them, or for labels, and names none."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from kiwi.booking import refusals, rules
from kiwi.booking.document import Booking, Document, by_node
from kiwi.booking.seen import Seen
from kiwi.common.errors import BusyError, KiwiError, UsageError

Fleet = Mapping[str, Collection[str]]  # the nodes that may be chosen, in their order, with the labels of each


def labelled(fleet: Fleet, labels: Collection[str]) -> list[str]:
    """Return the nodes that have all of `labels`."""
    return [name for name, own in fleet.items() if set(labels) <= set(own)]


def choose(
    document: Document,
    wanted: Booking,
    size: int,
    fleet: Fleet,
    seen: Mapping[str, Seen],
    now: float,
    kept: Sequence[Booking] = (),
) -> Booking:
    """Return `wanted` with `size` nodes of `fleet` that can be had then, or with none.

    `kept` is what others are to have who came before. Those with the fewest labels go first, so that special ones are
    left, then those whose next booking comes soonest. Raise UsageError if there are not so many, BusyError if not so
    many are free, KiwiError if waiting does not help.
    """
    if len(fleet) < size:
        raise UsageError(f"{size} such nodes are wanted, and there are {len(fleet)}", hint="see all nodes: kiwi info")
    held = by_node(document)
    refused = {
        name: rules.refusal(document, held.get(name, ()), wanted, name, seen.get(name), now, kept) for name in fleet
    }
    free = [name for name, reason in refused.items() if reason is None]
    if len(free) < size:
        raise _too_few(size, len(free), [reason for reason in refused.values() if reason])

    def order(name: str) -> tuple[int, float]:
        theirs = [b._replace(start=b.start - refusals.GAP) for b in kept if name in b.nodes]
        return preference(fleet[name], [*held.get(name, ()), *theirs], wanted.until)

    return wanted._replace(nodes=tuple(sorted(free, key=order)[:size]))


def preference(labels: Collection[str], held: Sequence[Booking], until: float) -> tuple[int, float]:
    """Return what is less for a node that is rather taken until that time: see `choose`."""
    return len(labels), min((b.start for b in held if b.start >= until), default=math.inf)


def _too_few(size: int, free: int, reasons: list[KiwiError]) -> KiwiError:
    """Return that not enough nodes are free: busy if enough of the others will be."""
    busy = [reason for reason in reasons if isinstance(reason, BusyError)]
    lost = [reason for reason in reasons if not isinstance(reason, BusyError)]
    text = f"{size} such {'node is' if size == 1 else 'nodes are'} wanted, {free} of {free + len(reasons)} can be had"
    if free + len(busy) >= size:
        return BusyError(text, hint="see who has which: kiwi info; wait for them: --wait")
    return KiwiError(f"{text}; {lost[0].args[0]}", hint="ask for fewer, or tell an administrator")
