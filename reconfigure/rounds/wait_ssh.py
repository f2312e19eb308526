"""Wait until new machines answer on their SSH port, those that boot together at once."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kiwi.common import waiting
from reconfigure.providers.base import Machine

PORT = 22
PAUSE = 0.1  # seconds between two rounds of looks
QUIET = 1.5  # seconds without a further greeting after which those that greeted go on


@dataclass
class Settled:
    """New machines that are waited for no longer: they greeted, failed (with the reason), or were dropped."""

    greeted: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)


def greeting(addresses: Mapping[str, str], timeout: float = 1.0) -> set[str]:
    """Return the names whose SSH server greets; all are asked at once, within `timeout` seconds (RFC 4253, 4.2)."""
    found: set[str] = set()
    until = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for name, address in addresses.items():
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((address, PORT))
            selector.register(connection, selectors.EVENT_READ, name)
        try:
            while selector.get_map() and time.monotonic() < until:
                for key, _ in selector.select(max(0.0, until - time.monotonic())):
                    if _reads(key.fileobj):
                        found.add(key.data)
                    selector.unregister(key.fileobj)
                    _close(key.fileobj)
        finally:
            for key in list(selector.get_map().values()):
                _close(key.fileobj)
    return found


def _reads(connection: object) -> bool:
    try:
        return isinstance(connection, socket.socket) and connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _close(connection: object) -> None:
    if isinstance(connection, socket.socket):
        connection.close()


def faults(machines: Iterable[Machine], ids: Mapping[str, str]) -> dict[str, str]:
    """Return why machines of these ids do not run any more; one that is missing has stopped."""
    running = {m.instance: m for m in machines}
    found = {}
    for name, instance in ids.items():
        machine = running.get(instance)
        if machine is None:
            found[name] = "its machine vanished while it started"
        elif machine.state != "running":
            found[name] = f"its machine stopped while it started: {machine.fault or 'no reason given'}"
    return found


class Greetings:
    """New machines that have not greeted yet, of which some are ready before others.

    `silent` are those that are waited for, until `seconds` have passed; `ids` are the instances of all.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        ids: Mapping[str, str],
        observe: Callable[[], Iterable[Machine]],
        seconds: float,
    ) -> None:
        self.silent = dict(addresses)
        self._ids, self._observe, self._seconds = ids, observe, seconds
        self._deadline = time.monotonic() + seconds

    def next(self, dropped: Callable[[], Collection[str]] = tuple, *, others: bool = False) -> Settled:
        """Wait for all; where some have settled (or `others` are ready), for those within QUIET seconds of each.

        So machines that boot together are one wave, and one that does not greet holds up nobody.
        """
        found, news = Settled(), time.monotonic()

        def rests() -> bool:
            nonlocal news
            before = len(self.silent)
            self._settle(found, dropped())
            news = time.monotonic() if len(self.silent) < before else news
            some = others or found.greeted or found.failed or found.dropped
            return not self.silent or (bool(some) and time.monotonic() - news >= QUIET)

        waiting.until(rests, self._deadline - time.monotonic(), pause=PAUSE)
        if time.monotonic() >= self._deadline:
            found.failed |= dict.fromkeys(self.silent, f"no answer on its SSH port within {self._seconds:.0f} s")
            self.silent.clear()
        return found

    def _settle(self, found: Settled, dropped: Collection[str]) -> None:
        found.greeted |= greeting(self.silent, timeout=0.5)
        ids = {name: i for name, i in self._ids.items() if name in self.silent.keys() - found.greeted}
        found.failed |= faults(self._observe(), ids)
        found.dropped |= self.silent.keys() & set(dropped) - found.greeted - found.failed.keys()
        for name in (*found.greeted, *found.failed, *found.dropped):
            self.silent.pop(name, None)


def wait(
    addresses: Mapping[str, str],
    ids: Mapping[str, str],
    observe: Callable[[], Iterable[Machine]],
    seconds: float,
) -> dict[str, str]:
    """Wait for all; return why the ones that failed did (stopped, or silent for `seconds`)."""
    greetings, failed = Greetings(addresses, ids, observe, seconds), dict[str, str]()
    while greetings.silent:
        failed |= greetings.next().failed
    return failed
