"""Say why a node cannot be booked or given back: one error for each node, with what helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kiwi.booking.document import OPEN, Booking, Document, NodeEntry, overlap
from kiwi.booking.seen import CLEANING, DIRTY, DOWN_STATE, OFF, Seen
from kiwi.common import durations
from kiwi.common.errors import BusyError, KiwiError, UsageError

GAP = 60.0


class Look(NamedTuple):
    """One node as it is at `now` (UTC seconds), and what is wanted of it; `held` are its bookings."""

    name: str
    wanted: Booking
    held: Sequence[Booking]
    seen: Seen | None
    state: str
    entry: NodeEntry
    now: float


def of_node(look: Look) -> KiwiError | None:
    """Return why `wanted` cannot have the node, or None."""
    rivals = [b for b in look.held if overlap(b, look.wanted) and not b.over(look.now)]
    if rivals:
        return taken(look.name, look.wanted, rivals[0], look.now)
    if look.entry.admin != OPEN:
        return kept_back(look.name, look.entry)
    return _unfit(look) if look.wanted.begun(look.now) else None


def _unfit(look: Look) -> KiwiError | None:
    """Return why the node can be nobody's now, or None. For later that does not count."""
    name, seen = look.name, look.seen
    if look.state == CLEANING:
        last = [b.user for b in look.held if b.over(look.now)]
        after = f" after {last[-1]}" if last else ""
        return BusyError(f"{name} is being cleaned{after}", hint="try again in some seconds")
    if look.state == DIRTY and seen:
        return KiwiError(f"{name} is dirty: {seen.report.message}", hint="tell an administrator; take another node")
    if look.state == DOWN_STATE and seen:
        return KiwiError(f"{name} is down: no heartbeat for {durations.short(seen.age)}", hint="take another node")
    if look.state == OFF:
        return KiwiError(f"{name} is off: its agent has never reported", hint="take another node")
    return None


def taken(name: str, wanted: Booking, held: Booking, now: float) -> KiwiError:
    """Return that another booking has the node at that time."""
    end = f"until {durations.local(held.until)}"
    if not held.begun(now):
        start = f"from {durations.local(held.start)} {end}"
        room = int(held.start - wanted.start)
        hint = f"it is free before that: -t {room}" if room > 0 else "take another time or node"
        return BusyError(f"{name} is booked by {held.user} {start}", hint=hint)
    if held.user == wanted.user:
        return BusyError(f"{held.user} holds {name} already, {end}", hint=f"to book anew, first: kiwi kill -w {name}")
    return BusyError(f"{name} is booked by {held.user} {end}", hint="see the free nodes: kiwi info")


def kept_for(kept: Sequence[Booking], wanted: Booking, name: str) -> KiwiError | None:
    """Return that somebody waits for the node who came before, and is to have it then, or None.

    Between two bookings lies the clean-up, for which GAP seconds are left.
    """
    for theirs in kept:
        if name in theirs.nodes and theirs.start < wanted.until + GAP and wanted.start < theirs.until + GAP:
            hint = "wait, too: kiwi alloc --wait; see who has which node: kiwi info"
            return BusyError(f"{name} is kept for {theirs.user}, who has waited for longer", hint=hint)
    return None


def kept_back(name: str, entry: NodeEntry) -> KiwiError:
    """Return that an administrator gives the node to nobody new."""
    why = f": {entry.reason}" if entry.reason else ""
    return KiwiError(f"{name} is {entry.admin}{why}", hint="take another node")


def together(refused: Sequence[KiwiError]) -> KiwiError:
    """Return one or several errors as one: busy if one of them is."""
    if len(refused) == 1:
        return refused[0]
    kind = BusyError if any(isinstance(r, BusyError) for r in refused) else KiwiError
    return kind("\n".join(r.args[0] for r in refused), hint="nothing was booked")


def not_mine(held: Sequence[Booking], name: str, user: str, now: float) -> UsageError:
    """Return that `user` has no booking of the node to give back."""
    for booking in held:
        if booking.live(now):
            return UsageError(
                f"{name} is booked by {booking.user}, not by {user}",
                hint="an administrator adds: -u " + booking.user,
            )
    return UsageError(f"{user} does not hold {name}", hint="see who holds what: kiwi info")


def nothing(document: Document, user: str, now: float) -> UsageError:
    """Return that `user` holds no node now; name what is booked for later."""
    later = sorted({n for b in document.bookings.values() if b.user == user and not b.over(now) for n in b.nodes})
    if later:
        return UsageError(f"{user} holds no node now", hint=f"to cancel what comes: kiwi kill -w {','.join(later)}")
    return UsageError(f"{user} holds no node", hint="see who holds what: kiwi info")
