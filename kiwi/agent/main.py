"""Run the agent of one machine: answer its users, keep its gate, send its heartbeat.

root starts it as `kiwi agent` (roles/booking/files/kiwi-agent.service). One
thread and one loop; what may block is done in children.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from kiwi.agent import protocol
from kiwi.agent.authorization import Authorizer
from kiwi.agent.socket_server import Server
from kiwi.agent.storage_calls import StorageCalls
from kiwi.agent.storage_child import StorageChild
from kiwi.booking import codec
from kiwi.booking.heartbeats import boot_clock
from kiwi.booking.seen import BEAT, Report
from kiwi.common import settings
from kiwi.common.errors import OK, KiwiError
from kiwi.common.settings import Config
from kiwi.node import allow_file
from kiwi.node.controller import Boot, NodeController
from kiwi.node.processes import KIWI

TICK = 1.0  # seconds between two looks at the document
MOST_EVENTS = 1000  # kept for the journal while the share is away
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Agent:
    """Hold the parts of the agent together; `poll` is one round of its loop.

    `path` is where its socket is made, `gate` is the allow file that it keeps.
    """

    def __init__(self, config: Config, path: Path = protocol.SOCKET, gate: Path = allow_file.PATH) -> None:
        self._config = config
        self._storage = StorageChild(StorageCalls(config), KIWI if os.geteuid() == 0 else None)
        authorizer = Authorizer(config, self._storage, emit)
        self._partition = next((p.name for p in config.partitions if config.node in p.nodes), "")
        boot = Boot(BOOT_ID.read_text(encoding="ascii").strip(), boot_clock)
        self._controller = NodeController(config, boot, self._transition, gate) if config.role == "booking" else None
        self._events: list[dict[str, Any]] = []
        self._reported: Report | None = None
        self._observed = False
        self._faults: dict[str, str] = {}
        self._beat_at = self._tick_at = time.monotonic()
        self._server = Server(path, authorizer.handle, authorizer.refused)

    def poll(self) -> None:
        """Answer callers until the next tick or until the node has something due, then see to both."""
        due = min(self._beat_at, self._tick_at if self._controller else self._beat_at) - time.monotonic()
        self._server.poll(max(0.0, min(due, self._controller.due() if self._controller else due)))
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + (BEAT if self._beat() else TICK)
        if self._controller and now >= self._tick_at:
            self._tick_at = now + TICK
            self._sync(self._controller, None)
        if self._controller and self._observed:
            report = self._controller.step()
            if report != self._reported:
                self._sync(self._controller, report)

    def close(self) -> None:
        """End the children; the allow file stays, and the gate goes by it."""
        self._server.close()
        self._storage.close()
        if self._controller:
            self._controller.close()

    def _beat(self) -> bool:
        """Send the heartbeat to all partitions and return whether all took it."""
        try:
            faults = self._storage.call({"do": "beat"})["faults"]
        except KiwiError as exc:
            faults = {p.name: str(exc) for p in self._config.partitions}
        for partition in self._config.partitions:
            self._note(f"beat of {partition.name}", faults.get(partition.name, ""))
        return not faults

    def _sync(self, controller: NodeController, report: Report | None) -> None:
        """Bring the report (if any) and the waiting events to the share, and what is booked there to the controller."""
        call = {"do": "sync", "partition": self._partition, "events": self._events}
        try:
            found = self._storage.call({**call, "report": report and report._asdict()})
        except KiwiError as exc:
            self._note("state", str(exc))
            return
        self._note("state", "")
        self._events = []
        self._reported = report or self._reported
        bookings = [codec.from_json(identity, value) for identity, value in found["bookings"]]
        controller.observe(bookings, (found["report"] or {}).get("cleaned", {}), found["now"])
        self._observed = True

    def _transition(self, event: dict[str, Any]) -> None:
        """Emit a transition of this node, and keep it for the journal on the share."""
        event = {**event, "node": self._config.node}
        emit(event)
        self._events = [*self._events[-MOST_EVENTS:], event]

    def _note(self, where: str, fault: str) -> None:
        """Emit a fault when it begins and when it ends; an empty `fault` is none."""
        if self._faults.get(where, "") != fault:
            emit({"event": "fault" if fault else "mended", "where": where, "message": fault})
        self._faults[where] = fault


def emit(event: dict[str, Any]) -> None:
    """Print one event as a line of JSON; systemd's journal keeps it, with the time."""
    print(json.dumps({"version": 1, **event}), flush=True)


def run(path: Path = settings.PATH) -> int:
    """Serve until TERM and return the exit code. Raise UsageError if the configuration at `path` has faults."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    agent = Agent(settings.load(path))
    emit({"event": "started"})
    try:
        agent.poll()
        _ready()
        while True:
            agent.poll()
    except KeyboardInterrupt:
        return OK
    finally:
        agent.close()


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _ready() -> None:
    """Notify systemd that callers are answered (sd_notify(3), $NOTIFY_SOCKET; @ begins an abstract name)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"READY=1", address.replace("@", "\0", 1) if address.startswith("@") else address)
