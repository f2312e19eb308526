"""All faults of the site data together, one sentence each, in the form of every wrong value (kiwi/common/errors.py)."""

from __future__ import annotations

from collections.abc import Iterable

from kiwi.common import errors


class Faults:
    """Collect sentences in `lines`; `needs` completes "needs …", such as "whole seconds from 1 to 65533"."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, key: str, found: object, needs: str) -> None:
        """Add a value that is wrong."""
        self.lines.append(errors.fault(key, found, needs))

    def missing(self, key: str, needs: str) -> None:
        """Add a key that is missing."""
        self.add(key, errors.MISSING, needs)

    def unknown(self, key: str, found: object, known: Iterable[str]) -> None:
        """Add a key that must not be there."""
        self.lines.append(errors.unknown(key, found, known))
