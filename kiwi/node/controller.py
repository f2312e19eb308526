"""Compare a node's bookings with the machine, move the gate, clean up, and report.

It does no input or output on the share: the agent brings the bookings (`observe`)
and takes the report away. Everything is compared anew each time, so
a restart of agent or machine needs no special case.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, NamedTuple

from kiwi.booking.document import Booking
from kiwi.booking.seen import BOOKED, CLEANING, DIRTY, DOWN, FREE, Report
from kiwi.common import durations
from kiwi.common.children import Forked
from kiwi.common.settings import Config
from kiwi.node import allow_file, cleaning_child, spans
from kiwi.node.cleanup import Target
from kiwi.node.processes import is_system
from kiwi.node.spans import Span

STEP = 0.1  # seconds between two looks at a clean-up
RETRY = 30.0  # seconds between two clean-ups of a dirty node
MOST = 3  # things that are left, as `kiwi info` names them


class Boot(NamedTuple):
    """This boot: its id (/proc/sys/kernel/random/boot_id) and its clock, in seconds."""

    id: str
    clock: Callable[[], float]


class _Cleaner(NamedTuple):
    """A clean-up under way."""

    booking: Booking
    child: Forked


class NodeController:
    """Keep the gate of the node `config.node`, the file at `path`; pass an event to `emit` for each transition."""

    def __init__(
        self, config: Config, boot: Boot, emit: Callable[[dict[str, Any]], None], path: Path = allow_file.PATH
    ) -> None:
        self._config = config
        self._boot = boot
        self._emit = emit
        self._path = path
        self._text = ""
        self._spans: list[Span] = []
        self._observed = -math.inf  # when the share was seen last, by the boot clock
        self._open: str | None = None  # the booking whose gate is open
        self._cleaned: dict[str, float] = {}  # by booking, the end (UTC seconds) after which it was cleaned
        self._dirty = False
        self._message = ""  # what the last clean-up left
        self._last_left: tuple[str, list[str]] = ("", [])  # the booking and the things of the last `left` event
        self._cleaner: _Cleaner | None = None
        self._retry = 0.0
        self._state = ""

    def observe(self, bookings: Iterable[Booking], cleaned: Mapping[str, float], now: float) -> None:
        """Take over what the share has: this node's bookings, and `cleaned` of its last report.

        `now` is the file server's time in UTC seconds.
        """
        boot = self._boot.clock()
        self._cleaned = {**cleaned, **self._cleaned}
        self._spans = spans.renew(self._spans, list(bookings), self._cleaned, boot, now)
        known = {span.booking.id for span in self._spans}
        self._cleaned = {identity: end for identity, end in self._cleaned.items() if identity in known}
        self._observed = boot

    def step(self) -> Report:
        """Do what is due now and return the report. The gate stays closed while a clean-up runs or is due.

        Raise OSError if the allow file cannot be written.
        """
        self._reap()
        boot = self._boot.clock()
        unclean = spans.uncleaned(self._spans, self._cleaned, boot)
        present = spans.present(self._spans, boot)
        holder = None if self._cleaner or unclean or not self._may_open(present, boot) else present
        self._move_gate(holder, unclean)
        if unclean:
            self._begin_cleaning(unclean[0].booking)
        return self._report(present, unclean, holder)

    def _may_open(self, present: Span | None, boot: float) -> bool:
        """Return whether the gate is open for the present booking, or the share was seen since it may have changed."""
        return present is not None and (self._open == present.booking.id or boot - self._observed <= DOWN)

    def due(self) -> float:
        """Return in how many seconds `step` has something to do of itself; math.inf: not before `observe`."""
        if self._cleaner:
            return STEP
        boot = self._boot.clock()
        moments = [moment - boot for span in self._spans for moment in (span.start, span.end)]
        return min((left for left in moments if left > 0), default=math.inf)

    def close(self) -> None:
        """Kill a running clean-up; the next agent begins it anew."""
        if self._cleaner:
            self._cleaner.child.kill()

    def _report(self, present: Span | None, unclean: Sequence[Span], holder: Span | None) -> Report:
        state = self._name_state(present, unclean)
        if state != self._state:
            about = unclean[0].booking if unclean else present.booking if present else None
            self._emit({"event": state, "booking": about and about.id, "user": about and about.user})
            self._state = state
        return Report(
            node=self._config.node,
            state=state,
            boot_id=self._boot.id,
            open=holder.booking.id if holder else None,
            cleaned=dict(self._cleaned),
            message="" if state == BOOKED else self._message,
        )

    def _name_state(self, present: Span | None, unclean: Sequence[Span]) -> str:
        if unclean:
            return DIRTY if self._dirty else CLEANING
        return BOOKED if present else FREE

    def _move_gate(self, holder: Span | None, unclean: Sequence[Span]) -> None:
        entry = holder and allow_file.Entry(holder.booking.user, math.floor(holder.start), math.floor(holder.end))
        text = allow_file.render(self._boot.id, entry, self._refusal(holder, unclean))
        if text != self._text:
            allow_file.write(self._path, text)
            self._text = text
        self._open = holder.booking.id if holder else None

    def _refusal(self, holder: Span | None, unclean: Sequence[Span]) -> list[str]:
        """Return the lines that those read whom the gate refuses."""
        node = self._config.node
        command = f"on the login node: kiwi alloc -w {node} -t 3600"
        if holder:
            return [
                f"Kiwi: {node} is booked by {holder.booking.user} until {durations.local(holder.booking.until)}.",
                f"See the free nodes with kiwi info; book this one after that, {command}",
            ]
        if unclean:
            user = unclean[0].booking.user
            return [f"Kiwi: {node} is being cleaned after {user}.", f"Book it when it is free, {command}"]
        return [f"Kiwi: {node} is free, and only its holder can enter.", f"Book it {command}"]

    def _begin_cleaning(self, booking: Booking) -> None:
        if self._cleaner or self._boot.clock() < self._retry:
            return
        if is_system(booking.uid) or booking.user in self._config.bypass:
            self._finish(booking, [], [])
            return
        target = Target(booking.user, booking.uid, self._config.grace, self._config.clean_tmp)
        self._cleaner = _Cleaner(booking, cleaning_child.begin(target))

    def _reap(self) -> None:
        """Take the result of a clean-up that ended."""
        code = self._cleaner.child.ended() if self._cleaner else None
        if self._cleaner is None or code is None:
            return
        booking, child = self._cleaner
        self._cleaner = None
        self._finish(booking, *cleaning_child.outcome(child, code))

    def _finish(self, booking: Booking, faults: list[str], things: list[str]) -> None:
        """Confirm the clean-up, or make the node dirty: for `faults` always, for `things` where the site wants it."""
        left = [f"not removed: {', '.join(cleaning_child.first(things, MOST))}"] if things else []
        self._message = "; ".join(faults + left)
        if things and self._last_left != (booking.id, things):  # not again at each attempt
            self._last_left = booking.id, things
            self._emit({"event": "left", "booking": booking.id, "user": booking.user, "things": things})
        self._dirty = bool(faults or (things and self._config.left_files_block))
        if self._dirty:
            self._retry = self._boot.clock() + RETRY
        else:
            self._cleaned[booking.id] = booking.until
            self._emit({"event": "cleaned", "booking": booking.id, "user": booking.user, "until": booking.until})
