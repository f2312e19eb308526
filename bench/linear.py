"""Prove from the journal of a stress run that what happened to the bookings is one linear history.

A checker of its own: it knows no rule of kiwi.booking. It reads the lines of the journal, what each client was told
(`Told`), and the last document, and returns a sentence for each thing that is not as it must be:

- each generation is there once, from the first to the last;
- no two bookings of a node overlap, and whoever follows on a node follows a clean-up for the end of the one before;
- what a client was told is there at its generation; what no client was told is by one that was killed;
- who asked after another one had been told comes after that one;
- the last document has what the history leads to, no more and no less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Line = Mapping[str, Any]


class Told(NamedTuple):
    """One operation of a client: from when to when (one clock for all), and the generation it was told of.

    `ended` is None where the client was killed before it was told, `generation` where it was refused.
    """

    user: str
    began: float
    ended: float | None = None
    generation: int | None = None
    event: str = ""
    nodes: tuple[str, ...] = ()


class Held(NamedTuple):
    """A booking as the history has it."""

    user: str
    nodes: frozenset[str]
    start: float
    until: float


def check(lines: Sequence[Line], told: Sequence[Told], last: Mapping[str, Any], now: float) -> list[str]:
    """Return what is wrong, nothing if it is one linear history. `last` is the last document, read at `now`."""
    changes = sorted((line for line in lines if "generation" in line), key=lambda line: line["generation"])
    replay = Replay()
    for line in changes:
        replay.follow(line)
    faults = [*_generations(changes, last), *replay.faults, *replay.unclean(lines), *_order(told)]
    return faults + _answers(changes, told) + replay.differs(last, now)


def _generations(changes: Sequence[Line], last: Mapping[str, Any]) -> list[str]:
    numbers = sorted({line["generation"] for line in changes})
    expected = list(range(numbers[0] if numbers else 0, last["generation"] + 1))
    missing = sorted(set(expected) - set(numbers))
    keys = Counter((line["generation"], line["event"], line.get("booking")) for line in changes)
    twice = [key for key, count in keys.items() if count > 1]
    return [f"generation {number} is in no line" for number in missing] + [f"{key} is there twice" for key in twice]


class Replay:
    """Follow the lines, and keep who has what."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.held: dict[str, Held] = {}
        self.nodes: dict[str, list[tuple[float, float, str]]] = defaultdict(list)  # start, until, booking

    def follow(self, line: Line) -> None:
        """Take one line; note what is wrong with it."""
        if line["event"] == "nothing":
            return
        booking, new = line["booking"], Held(line["user"], frozenset(line["nodes"]), line["start"], line["until"])
        root = booking if booking in self.held else booking.rpartition(".")[0]
        old = self.held.get(root)
        if line["event"] in ("booked", "found"):
            self._require(booking not in self.held, line, "its id was there already")
        elif old is None or old.user != new.user or not new.nodes <= old.nodes:
            self._require(False, line, f"it does not follow from {old}")
            return
        else:
            self._take(root, new.nodes)
        if line["event"] != "cancelled":
            self._put(line, booking, new)

    def _put(self, line: Line, booking: str, new: Held) -> None:
        for node in new.nodes:
            for start, until, other in self.nodes[node]:
                apart = other == booking or until <= new.start or new.until <= start
                self._require(apart, line, f"{node} is {other}'s from {start} until {until}")
            self.nodes[node].append((new.start, new.until, booking))
        self.held[booking] = new

    def _take(self, booking: str, nodes: frozenset[str]) -> None:
        for node in nodes:
            self.nodes[node] = [span for span in self.nodes[node] if span[2] != booking]
        left = self.held[booking].nodes - nodes
        if left:
            self.held[booking] = self.held[booking]._replace(nodes=left)
        else:
            del self.held[booking]

    def _require(self, good: bool, line: Line, fault: str) -> None:
        if not good:
            self.faults.append(f"generation {line['generation']}, {line['event']} {line.get('booking')}: {fault}")

    def unclean(self, lines: Iterable[Line]) -> list[str]:
        """Return the bookings that another one followed on a node that was not cleaned for their end."""
        cleaned = {(c["node"], c["booking"], c["until"]) for c in lines if c["event"] == "cleaned"}
        opened = {(c["node"], c["booking"]) for c in lines if c["event"] == "booked" and "node" in c}
        faults = []
        for node, spans in self.nodes.items():
            ordered = sorted(spans)
            for (_, until, before), (_, _, after) in zip(ordered, ordered[1:]):
                if (node, after) in opened and (node, before, until) not in cleaned:
                    faults.append(f"{node} was {after}'s before it was cleaned after {before} for {until}")
        return faults

    def differs(self, last: Mapping[str, Any], now: float) -> list[str]:
        """Return what the last document has and the history has not, or the other way round."""
        written = {
            i: Held(b["user"], frozenset(b["nodes"]), b["start"], b["until"]) for i, b in last["bookings"].items()
        }
        coming = {i: held for i, held in self.held.items() if held.until > now}
        faults = [f"{i} is lost: {held}" for i, held in coming.items() if written.get(i) != held]
        for identity, found in written.items():
            held = self.held.get(identity)
            if held is None or not found.nodes <= held.nodes or found._replace(nodes=held.nodes) != held:
                faults.append(f"{identity} is in the document as {found}, by its history {held}")
        return faults


def _order(told: Iterable[Told]) -> list[str]:
    """Return the operations that were asked for after another had been told of a later or the same generation."""
    done = sorted((t.ended, t.generation) for t in told if t.ended is not None and t.generation is not None)
    faults, place, highest = [], 0, -1
    for one in sorted((t for t in told if t.generation is not None), key=lambda t: t.began):
        while place < len(done) and done[place][0] < one.began:
            highest = max(highest, done[place][1])
            place += 1
        if one.generation is not None and one.generation <= highest:
            faults.append(f"generation {one.generation} of {one.user} was asked for after {highest} had been told of")
    return faults


def _answers(changes: Iterable[Line], told: Sequence[Told]) -> list[str]:
    """Return what clients were told and the history has not, and what is there and nobody can have asked for."""
    written: dict[int, list[Line]] = defaultdict(list)
    for line in changes:
        written[line["generation"]].append(line)
    faults = []
    for one in told:
        if one.generation is None:
            continue
        found = written.pop(one.generation, [])
        nodes = {node for line in found for node in line.get("nodes", ())}
        right = {line.get("user") for line in found} == {one.user} and nodes >= set(one.nodes)
        if not right or not {line["event"] for line in found} <= set(one.event.split("|")):
            faults.append(f"{one} was told, and generation {one.generation} is {found}")
    killed = Counter(t.user for t in told if t.ended is None)
    others = [found[0] for found in written.values() if found[0]["event"] not in ("nothing", "found")]
    left = Counter(line["user"] for line in others)
    return faults + [f"{count} of {user}'s changes are nobody's" for user, count in (left - killed).items()]
