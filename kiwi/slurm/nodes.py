"""Ask sinfo for nodes and say in plain words how each is.

A reason is text that somebody wrote, with line breaks and any sign in it. It comes last, and ends with a mark that
nobody can have known when they wrote it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import NamedTuple

from kiwi.common import hostlist
from kiwi.common.errors import UsageError
from kiwi.common.process import CommandError
from kiwi.common.words import one_line
from kiwi.slurm.jobs import Call, silent

# What the sign behind a state means (man sinfo).
SIGNS = {
    "*": "does not answer",
    "~": "is powered down",
    "#": "is being powered up",
    "%": "is being powered down",
    "!": "is about to be powered down",
    "@": "is to be made anew when its jobs end",
    "^": "is being made anew",
    "$": "is reserved for maintenance",
    "+": "is being planned for",
    "-": "is planned for a job",
}
STATES = {
    "idle": "is up and free",
    "idle~": "is powered down; Slurm starts it for a job",
    "mixed": "is up and partly in use",
    "allocated": "is up and in use",
    "completing": "is being tidied up after a job",
    "drained": "takes no new job",
    "draining": "takes no new job; one still runs",
    "down": "is down: no job is sent there",
    "fail": "is about to fail: no job is sent there",
    "reserved": "is reserved",
    "maint": "is reserved for maintenance",
}


class Node(NamedTuple):
    """A node in a partition: state as people read it (idle~), with all flags (idle+cloud+powered_down), reason."""

    name: str
    state: str
    flags: str
    reason: str

    @property
    def reserved(self) -> bool:
        """Return whether a reservation that is in force has it."""
        return not {"reserved", "maintenance"}.isdisjoint(self.flags.split("+")) or "$" in self.state


def find(call: Call, *which: str) -> list[Node]:
    """Return the nodes that options of sinfo choose, once each. Raise what `silent` returns if none answers."""
    mark = f"@{secrets.token_hex(8)}"
    fields = f"NodeList:|,StateLong:|,StateComplete:|,Reason:{mark}"
    hidden = [] if "-p" in which else ["-a"]  # sinfo takes either
    return parse(_ask(call, ["sinfo", *hidden, "-h", "-N", "-O", fields, *which]), mark)


def _ask(call: Call, argv: list[str]) -> str:
    try:
        return call(argv)
    except CommandError as exc:
        raise silent(exc) from exc


def parse(text: str, mark: str) -> list[Node]:
    """Return the nodes that sinfo printed, whose reasons end with `mark`; a node of two partitions comes once."""
    rows = (record.lstrip("\n").split("|", 3) for record in text.split(f"{mark}\n"))
    return list(dict.fromkeys(Node(*row) for row in rows if len(row) == len(Node._fields)))


def reservations(call: Call, nodes: list[Node]) -> dict[str, str]:
    """Return of each node that is reserved until when, and by which reservation; ask Slurm only if one is."""
    reserved = {node.name for node in nodes if node.reserved}
    if not reserved:
        return {}
    found = {}
    for row in (line.rsplit(None, 5) for line in _ask(call, ["sinfo", "-a", "-h", "-T"]).splitlines()):
        if len(row) == 6 and row[1] == "ACTIVE":
            for name in reserved.intersection(_names(row[5])):
                found[name] = f"until {row[3].replace('T', ' ')} (reservation {one_line(row[0])})"
    return found


def _names(text: str) -> tuple[str, ...]:
    try:
        return hostlist.expand(text)
    except UsageError:
        return ()


def describe(nodes: list[Node], until: Mapping[str, str]) -> list[str]:
    """Return one sentence for each node; `until` is what `reservations` returned."""
    return [f"{node.name} {_predicate(node, until)}{_reason(node.reason)}" for node in nodes]


def _predicate(node: Node, until: Mapping[str, str]) -> str:
    words = in_words(node.state)
    if node.reserved and node.state.rstrip("".join(SIGNS)) in ("reserved", "maint"):
        off = "powered_down" in node.flags.split("+") and "powered down" not in words
        words += " " + until.get(node.name, "by a reservation") + (", and powered down" if off else "")
        return f"{words}: only jobs of that reservation get it before (scontrol show reservation)"
    return f"{words}, reserved {until[node.name]}" if node.name in until else words


def in_words(state: str) -> str:
    """Return what a state as sinfo prints it means, as a predicate."""
    if state in STATES:
        return STATES[state]
    base = state.rstrip("".join(SIGNS))
    words = [SIGNS[sign] for sign in state[len(base) :]]
    if not words or base not in ("idle", "mixed", "allocated"):
        words.insert(0, STATES.get(base, f"is {base}"))
    return ", ".join(words)


def _reason(reason: str) -> str:
    words = one_line(reason)
    return "" if words in ("", "none") else f" ({words})"
