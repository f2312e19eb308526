"""Wait until new machines answer on their SSH port, all at once."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Mapping

from kiwi.common import waiting
from reconfigure.providers.base import Machine

PORT = 22
PAUSE = 0.1  # seconds between two rounds of looks


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


def wait(
    addresses: Mapping[str, str],
    ids: Mapping[str, str],
    observe: Callable[[], Iterable[Machine]],
    seconds: float,
) -> dict[str, str]:
    """Wait for all; return why the ones that failed did (stopped, or silent for `seconds`)."""
    silent, failed = dict(addresses), dict[str, str]()

    def settled() -> bool:
        for name in greeting(silent, timeout=0.5):
            silent.pop(name)
        for name, reason in faults(observe(), {n: i for n, i in ids.items() if n in silent}).items():
            failed[name] = reason
            silent.pop(name)
        return not silent

    waiting.until(settled, seconds, pause=PAUSE)
    return failed | {name: f"no answer on its SSH port within {seconds:.0f} s" for name in silent}
