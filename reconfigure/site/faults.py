"""The sentences that a person reads about faulty site data: each names the key, the value found and a good one."""

from __future__ import annotations

from collections.abc import Iterable


class Faults:
    """Collect sentences in `lines`; `needs` completes "needs …", such as "whole seconds from 1 to 65533"."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, key: str, found: object, needs: str) -> None:
        self.lines.append(f"{key}: found {short(found)}; needs {needs}")

    def missing(self, key: str, needs: str) -> None:
        self.lines.append(f"{key}: missing; needs {needs}")

    def unknown(self, key: str, found: object, known: Iterable[str]) -> None:
        self.lines.append(f"{key}: unknown key, found {short(found)}; remove it, or use one of {', '.join(known)}")


def short(value: object) -> str:
    """Return a value as a sentence shows it: at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
