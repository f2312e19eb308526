"""Compare a node's booking with the machine, move the gate, clean up, and report.

It does no input or output on the share: the agent brings the booking (`observe`)
and takes the report away. Everything is compared anew each time, so
a restart of agent or machine needs no special case.
"""

from __future__ import annotations

import json
import logging
import math
import socket
import time
from pathlib import Path
from typing import Any, Callable, NamedTuple

from kiwi.booking.rules import BOOKED, CLEANING, DIRTY, FREE, Booking, Report
from kiwi.common import durations
from kiwi.common.children import Forked, fork
from kiwi.common.settings import Config
from kiwi.node import allow_file
from kiwi.node.cleanup import Target, clean
from kiwi.node.processes import is_system

log = logging.getLogger(__name__)

STEP = 0.1  # seconds between two looks at a clean-up
RETRY = 30.0  # seconds between two clean-ups of a dirty node
MOST, MOST_TOLD = 3, 100  # things that are left, as `kiwi info` and the journal name them


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
        self._booking: Booking | None = None
        self._start = self._end = 0.0  # of the booking, by the boot clock
        self._cleaned: str | None = None
        self._dirty = False
        self._message = ""  # what the last clean-up left
        self._cleaner: _Cleaner | None = None
        self._retry = 0.0
        self._state = ""

    def observe(self, booking: Booking | None, cleaned: str | None, now: float) -> None:
        """Take over what the share has: this node's booking, and `cleaned` of its last report.

        `now` is the file server's time in UTC seconds. The end of a booking in
        boot time may only move earlier: a server clock that is stepped back
        prolongs nothing.
        """
        self._cleaned = self._cleaned or cleaned
        boot = self._boot.clock()
        same = booking == self._booking
        if booking:
            end = boot + booking.until - now
            self._end = min(self._end, end) if same else end
            self._start = self._start if same else min(boot, boot + booking.start - now)
        self._booking = booking

    def step(self) -> Report:
        """Do what is due now and return the report. The gate stays closed while a clean-up runs.

        Raise OSError if the allow file cannot be written.
        """
        self._reap()
        booking = self._booking
        live = booking is not None and self._boot.clock() < self._end
        holder = booking if live and not self._cleaner else None
        self._move_gate(holder)
        if booking and not live and booking.id != self._cleaned:
            self._begin_cleaning(booking)
        return self._report(booking, live, holder)

    def due(self) -> float:
        """Return in how many seconds `step` has something to do of itself; math.inf: not before `observe`."""
        if self._cleaner:
            return STEP
        left = self._end - self._boot.clock() if self._booking else math.inf
        return left if left > 0 else math.inf

    def close(self) -> None:
        """Kill a running clean-up; the next agent begins it anew."""
        if self._cleaner:
            self._cleaner.child.kill()

    def _report(self, booking: Booking | None, live: bool, holder: Booking | None) -> Report:
        state = self._name_state(booking, live)
        if state != self._state:
            self._emit({"event": state, "booking": booking and booking.id, "user": booking and booking.user})
            self._state = state
        return Report(
            node=self._config.node,
            state=state,
            boot_id=self._boot.id,
            open=holder.id if holder else None,
            cleaned=self._cleaned,
            message="" if live else self._message,
        )

    def _name_state(self, booking: Booking | None, live: bool) -> str:
        if live:
            return BOOKED
        if booking is None or booking.id == self._cleaned:
            return FREE
        return DIRTY if self._dirty else CLEANING

    def _move_gate(self, live: Booking | None) -> None:
        entry = allow_file.Entry(live.user, math.floor(self._start), math.floor(self._end)) if live else None
        text = allow_file.render(self._boot.id, entry, self._refusal(live))
        if text != self._text:
            allow_file.write(self._path, text)
            self._text = text

    def _refusal(self, live: Booking | None) -> list[str]:
        """Return the lines that those read whom the gate refuses."""
        node, booking = self._config.node, self._booking
        command = f"on the login node: kiwi alloc -w {node} -t 3600"
        if live:
            return [
                f"Kiwi: {node} is booked by {live.user} until {durations.local(live.until)}.",
                f"See the free nodes with kiwi info; book this one after that, {command}",
            ]
        if booking and booking.id != self._cleaned:
            return [f"Kiwi: {node} is being cleaned after {booking.user}.", f"Book it when it is free, {command}"]
        return [f"Kiwi: {node} is free, and only its holder can enter.", f"Book it {command}"]

    def _begin_cleaning(self, booking: Booking) -> None:
        if self._cleaner or self._boot.clock() < self._retry:
            return
        if is_system(booking.uid) or booking.user in self._config.bypass:
            self._finish(booking, [], [])
            return
        target = Target(booking.user, booking.uid, self._config.grace, self._config.clean_tmp)
        self._cleaner = _Cleaner(booking, fork(lambda channel: _clean(channel, target)))

    def _reap(self) -> None:
        """Take the result of a clean-up that ended."""
        code = self._cleaner.child.ended() if self._cleaner else None
        if self._cleaner is None or code is None:
            return
        booking, child = self._cleaner
        self._cleaner = None
        with child.channel, child.channel.makefile("r") as file:
            answer = file.read()
        processes, things = _read(answer) if code == 0 else ([f"the clean-up failed ({code})"], [])
        self._finish(booking, processes, things)

    def _finish(self, booking: Booking, faults: list[str], things: list[str]) -> None:
        """Confirm the clean-up, or make the node dirty: for `faults` always, for `things` where the site wants it."""
        left = [f"not removed: {', '.join(_first(things, MOST))}"] if things else []
        self._message = "; ".join(faults + left)
        if things:
            self._emit({"event": "left", "booking": booking.id, "user": booking.user, "things": things})
        self._dirty = bool(faults or (things and self._config.left_files_block))
        if self._dirty:
            self._retry = self._boot.clock() + RETRY
        else:
            self._cleaned = booking.id


def _clean(channel: socket.socket, target: Target) -> None:
    """Clean, as the body of the child, and send what is left: names of survivors, and of things."""
    began = time.monotonic()
    left = clean(target)
    log.info("cleaned after %s in %.1f s, %d left", target.user, time.monotonic() - began, len(left.processes))
    names = [f"{p.pid} {p.name!a}" for p in left.processes]
    channel.sendall(json.dumps([_first(names, MOST_TOLD), _first(left.things, MOST_TOLD)]).encode())


def _first(things: list[str], most: int) -> list[str]:
    """Return so many of `things` and how many more there are: a socket that nobody reads yet has room for few."""
    return things[:most] + [f"{len(things) - most} more"] * (len(things) > most)


def _read(answer: str) -> tuple[list[str], list[str]]:
    """Return faults and things from what a clean-up sent. One that sent nothing whole is a fault: no answer is no."""
    try:
        processes, things = json.loads(answer)
        return [f"still there: {', '.join(processes)}"] * bool(processes), list(things)
    except (ValueError, TypeError):
        return ["the clean-up ended without an answer"], []
