"""Carry out what the agent asks of its storage child: all that touches the share, for every partition."""

from __future__ import annotations

import contextlib
from typing import Any, Callable

from kiwi.booking import codec
from kiwi.booking.document import of_node
from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.seen import Report
from kiwi.booking.store import Store
from kiwi.common.errors import KiwiError
from kiwi.common.settings import Config, Partition
from kiwi.engines.base import Node, User
from kiwi.engines.booking import BookingEngine


def build(config: Config, partition: Partition) -> BookingEngine:
    """Return the engine of one partition, as this machine writes to it."""
    store = Store(partition.state, config.node)
    return BookingEngine(partition, store, Heartbeats(store), config.max_time, config.leaving)


class StorageCalls:
    """Serve the calls of one agent. Made before the child is forked, used only in the child."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._engines = {p.name: build(config, p) for p in config.partitions}

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what `request["do"]` names, with its other keys as arguments, and return the result.

        Raise KiwiError with what the user shall read, and OSError if the share fails.
        """
        table: dict[str, Callable[..., dict[str, Any]]] = {
            "beat": self._beat,
            "sync": self._sync,
            "info": self._info,
            "alloc": self._alloc,
            "kill": self._kill,
            "extend": self._extend,
            "wait": self._wait,
            "forget": self._forget,
        }
        return table[request.pop("do")](**request)

    def _beat(self) -> dict[str, Any]:
        """Touch this machine's heartbeat in every partition and return the faults, by partition.

        The login node makes what is missing of each store and removes what is
        old, and takes over what an older release wrote. A partition's fault does not keep the others from it.
        """
        faults = {}
        for name, engine in self._engines.items():
            try:
                if self._config.role == "login":
                    engine.store.create()
                engine.heartbeats.beat()
                if self._config.role == "login":
                    engine.take_over()
                    now = engine.heartbeats.now()
                    engine.store.prune(now, engine.note_changes())
                    engine.history.prune(now, self._config.history_months)
            except (KiwiError, OSError) as exc:
                faults[name] = str(exc)
        return {"faults": faults}

    def _sync(self, partition: str, report: dict[str, Any] | None, events: list[dict[str, Any]]) -> dict[str, Any]:
        """Write this node's report and journal lines; return its bookings, its report and the server's time."""
        engine, node = self._engines[partition], self._config.node
        document = engine.store.latest()
        if report:
            engine.heartbeats.write(Report(**report), document.version)
        for event in events:
            engine.journal(event)
        seen = engine.heartbeats.read([node]).get(node)
        return {
            "now": engine.heartbeats.now(),
            "bookings": [[b.id, codec.to_json(b)] for b in of_node(document, node)],
            "report": seen and seen.report._asdict(),
        }

    def _info(self, partition: str, nodes: list[str]) -> dict[str, Any]:
        return _shown(self._engines[partition].nodes(nodes))

    def _alloc(self, partition: str, nodes: list[str], user: list[Any], seconds: int, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - as JSON has it
        engine = self._engines[partition]
        found = _shown(engine.allocate(nodes, User(*user), seconds, **how))
        self._note(engine)
        return found

    def _kill(self, partition: str, nodes: list[str], user: list[Any]) -> dict[str, Any]:
        engine = self._engines[partition]
        found = _shown(engine.release(nodes, User(*user)))
        self._note(engine)
        return found

    def _extend(self, partition: str, nodes: list[str], user: list[Any], until: float) -> dict[str, Any]:
        engine = self._engines[partition]
        found = _shown(engine.extend(nodes, User(*user), until))
        self._note(engine)
        return found

    def _wait(self, partition: str, nodes: list[str], user: list[Any], seconds: int, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - as JSON has it
        engine = self._engines[partition]
        found = engine.wait(nodes, User(*user), seconds, **how)
        if not found.nodes:
            return {"nodes": [], "waits": found.reason}
        self._note(engine)
        return _shown(found.nodes)

    def _forget(self, partition: str, user: list[Any], wish: str) -> dict[str, Any]:
        engine = self._engines[partition]
        engine.forget(wish, User(*user))
        self._note(engine)
        return {"nodes": []}

    def _note(self, engine: BookingEngine) -> None:
        """Bring the journal up to date at once where it is this machine's duty; what fails is done at the next beat."""
        if self._config.role == "login":
            with contextlib.suppress(KiwiError, OSError):
                engine.note_changes()


def _shown(nodes: list[Node]) -> dict[str, Any]:
    return {"nodes": [n._asdict() for n in nodes]}
