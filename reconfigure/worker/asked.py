"""How far each stored request has been followed, node by node. In memory: a worker that was killed follows it anew.

A request is finished when each of its nodes is: nothing had to be done, or was done, or the batch that brings the
node up has ended. Until then it stays in the queue, but no round sees those of its nodes again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from kiwi.common import hostlist
from reconfigure.model.request import Request


class Asked:
    """Which nodes of each request have been followed, and which of these are being brought up; by request id."""

    def __init__(self) -> None:
        self._followed: dict[str, set[str]] = {}
        self._coming: dict[str, set[str]] = {}

    def open(self, stored: Iterable[Request]) -> list[Request]:
        """Return what is left to be followed of the stored requests, in their order."""
        return [replace(request, nodes=hostlist.fold(names)) for request in stored if (names := self._left(request))]

    def _left(self, request: Request) -> list[str]:
        followed = self._followed.get(request.id, set())
        return [name for name in hostlist.expand(request.nodes) if name not in followed]

    def note(
        self, seen: Sequence[Request], waits: Collection[str], stays: Collection[str], brought: Iterable[str]
    ) -> None:
        """Note that a round followed these open requests.

        Not where a node `waits` for its batch; `stays` are nodes that could not be removed, which is tried again.
        `brought` are those that a batch now brings up.
        """
        coming = set(brought)
        for request in seen:
            names = set(hostlist.expand(request.nodes)) - set(waits)
            names -= set(stays) if request.kind != "resume" else set()
            self._followed.setdefault(request.id, set()).update(names)
            self._coming.setdefault(request.id, set()).update(names & coming)

    def ended(self, nodes: Iterable[str], *, again: bool = False) -> None:
        """Note that the batch of these nodes has ended; `again`: it failed of itself, so they are open once more."""
        gone = set(nodes)
        for name, coming in self._coming.items():
            if again:
                self._followed[name] -= coming & gone
            coming -= gone

    def finished(self, stored: Iterable[Request]) -> list[Request]:
        """Return the stored requests that have been followed to their end, and forget them."""
        found = [request for request in stored if not (self._left(request) or self._coming.get(request.id))]
        for request in found:
            self._followed.pop(request.id, None)
            self._coming.pop(request.id, None)
        return found
