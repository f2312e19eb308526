"""Follow a node's bookings by its boot clock, which nobody can step: pure, in seconds of that clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kiwi.booking.document import Booking
from kiwi.booking.seen import ANY_END


class Span(NamedTuple):
    """A booking of this node, from `start` until `end`."""

    booking: Booking
    start: float
    end: float


def renew(
    old: Iterable[Span], bookings: Sequence[Booking], cleaned: Mapping[str, float], boot: float, now: float
) -> list[Span]:
    """Return the spans of `bookings` where the server's clock says `now` at `boot`; those that end first come first.

    Once a booking has begun its start stays and its end may only move earlier: a server's clock that is stepped back
    prolongs nothing. Before that both follow the server's clock. A booking that had begun and is gone from the
    document ends now, unless its holder's goes on under another id; it stays until it was cleaned up after.
    """
    known = {span.booking.id: span for span in old}
    found = [_span(booking, known.get(booking.id), boot, now) for booking in bookings]
    for span in known.values():
        if span.start <= boot and not _goes_on(span.booking, bookings):
            gone = span if span.end <= boot else _ended(span, boot, now)
            found += uncleaned([gone], cleaned, boot)
    return sorted(found, key=lambda span: (span.end, span.start))


def _ended(span: Span, boot: float, now: float) -> Span:
    return span._replace(booking=span.booking._replace(until=min(span.booking.until, now)), end=boot)


def _goes_on(gone: Booking, bookings: Iterable[Booking]) -> bool:
    return any(b.id == gone.id or (b.uid, b.start) == (gone.uid, gone.start) for b in bookings)


def _span(booking: Booking, old: Span | None, boot: float, now: float) -> Span:
    start, end = boot + booking.start - now, boot + booking.until - now
    if booking.begun(now):
        start = min(start, boot)
    if old and old.start <= boot:
        start = old.start if old.booking.start == booking.start else start
        end = min(old.end, end) if old.booking.until == booking.until else end
    return Span(booking, start, end)


def present(known: Iterable[Span], boot: float) -> Span | None:
    """Return the booking that holds the node at `boot`, None where it is nobody's."""
    return next((span for span in known if span.start <= boot < span.end), None)


def uncleaned(known: Iterable[Span], cleaned: Mapping[str, float], boot: float) -> list[Span]:
    """Return those that are over at `boot` and not cleaned up after, for the end that they have."""
    return [s for s in known if s.end <= boot and cleaned.get(s.booking.id) not in (s.booking.until, ANY_END)]
