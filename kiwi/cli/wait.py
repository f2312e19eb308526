"""Wait for nodes that are booked or being cleaned: ask again until they are there, and leave nothing behind."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, Callable

from kiwi.agent.protocol import Request
from kiwi.common import durations, waiting
from kiwi.common.errors import BusyError, KiwiError, UnreachableError, UsageError

FOREVER = "forever"  # what --wait means without a time
PAUSE, LONGEST = 0.5, 2.0  # seconds between two questions: less than kiwi.booking.wishes.RENEW
Nodes = list[dict[str, Any]]
Ask = Callable[[Request], dict[str, Any]]


def limit(text: str) -> float:
    """Return how many seconds to wait at most. Raise UsageError if it is no time."""
    return math.inf if text == FOREVER else durations.parse(text)


def wish(request: Request) -> Request:
    """Return a request as one that waits. Raise UsageError if it is for later, or only tried."""
    if request.at is not None or request.dry_run:
        raise UsageError("--wait takes nodes as soon as they are free", hint="leave out --at and --dry-run, or --wait")
    return request._replace(wish=os.urandom(8).hex())


def take(request: Request, seconds: float, ask: Ask, opened: Callable[[Nodes], Nodes]) -> Nodes:
    """Return the nodes for which `request` waits, once they are the user's and `opened`, within so many seconds.

    Whatever ends that before, a signal, too, takes back the wish, and the booking if it was made just then. Raise
    BusyError with the reason where time is up, and what else the agent refuses with. An agent or a share that does
    not answer for a while is asked again.
    """
    with _stoppable():
        try:
            nodes = _asked(request, seconds, ask)
        except BaseException:
            _forget(request, ask)
            raise
        try:
            return opened(nodes)
        except KeyboardInterrupt:
            _forget(request, ask)
            raise


def _asked(request: Request, seconds: float, ask: Ask) -> Nodes:
    reasons: list[str] = []

    def look() -> dict[str, Any]:
        try:
            answer = ask(request)
        except UnreachableError as exc:
            if not reasons:
                raise
            answer = {"nodes": [], "waits": exc.args[0]}
        reason = answer.get("waits", "")
        if reason and reason != (reasons or [""])[-1]:
            print(f"waiting: {reason.splitlines()[0]}", file=sys.stderr, flush=True)
            reasons.append(reason)
        return answer

    def late(answer: dict[str, Any]) -> KiwiError:
        return BusyError(f"{answer['waits']}\nwaited for {durations.short(seconds)}", hint="nothing was booked")

    def done(answer: dict[str, Any]) -> bool:
        return not answer.get("waits")

    found: Nodes = waiting.until(look, seconds, done=done, pause=PAUSE, growth=1.3, longest=LONGEST, late=late)["nodes"]
    return found


def _forget(request: Request, ask: Ask) -> None:
    """Take the wish back. Where nobody answers it lapses by itself."""
    with contextlib.suppress(KiwiError):
        ask(Request("forget", user=request.user, wish=request.wish))


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Have TERM and the end of the terminal interrupt as Ctrl-C does, but for those that nohup(1) has us ignore."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    wanted = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
