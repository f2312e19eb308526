"""Which tests of Slurm's suite there are for us: what list.txt says of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).with_name("list.txt")


class Case(NamedTuple):
    """A test of the suite; `why`: why it is not one of those that must pass."""

    name: str
    user: str
    why: str = ""

    @property
    def kind(self) -> str:
        """The folder of the suite that it lies in."""
        return "python" if "_" in self.name else "expect"


def known(text: str) -> dict[str, Case]:
    """Return the tests that a list names: `USER TEST...`, `not TEST...: REASON`, `never TEST...: REASON`."""
    tests: dict[str, Case] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        names, _, reason = line.partition(": ")
        first, *rest = names.split()
        user = "alice" if first in ("not", "never") else first
        tests |= {name: Case(name, user, f"{first}: {reason}" if reason else "") for name in rest}
    return tests


def chosen(listed: dict[str, Case], there: set[str], asked: list[str], full: bool) -> list[Case]:
    """Return the tests to run: those asked for; else all that must pass, or all but what is `never` run."""
    if asked:
        return [listed.get(name, Case(name, "alice", "not in the list")) for name in asked]
    if full:
        both = [listed.get(name, Case(name, "alice", "not in the list")) for name in sorted(there, key=_order)]
        return [test for test in both if not test.why.startswith("never")]
    return [test for test in listed.values() if not test.why]


def _order(name: str) -> list[int]:
    return [int("_" in name), *map(int, re.findall(r"\d+", name))]
