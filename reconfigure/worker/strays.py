"""Machines that run although Slurm has their nodes powered down, watched over several looks."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from reconfigure.planning import repair
from reconfigure.planning.observed import Observed

LONG = 15.0  # seconds that a machine may run so


class Strays:
    """What was seen, and since when; a node seen once may still be registering."""

    def __init__(self) -> None:
        self._since: Mapping[tuple[str, str], float] = {}

    def __bool__(self) -> bool:
        """Return whether the last look found any."""
        return bool(self._since)

    def for_long(self, observed: Observed, persistent: Collection[str]) -> frozenset[str]:
        """Take one observation in and return the nodes that have been strays for LONG seconds."""
        now, before = time.monotonic(), self._since
        self._since = {stray: before.get(stray, now) for stray in repair.strays(observed, persistent)}
        return frozenset(name for (name, _), since in self._since.items() if now - since >= LONG)
