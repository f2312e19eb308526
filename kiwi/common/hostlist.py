"""Hostlists: names of nodes as people and Slurm write them, such as lab-1,cpu-[1-3,7] (scontrol(1), "show hostnames").

They may come from a stranger: the grammar is strict and bounds length and number
of names before anything is expanded, and no resolver is ever asked. ClusterShell
by itself reads @name as a group and runs a shell command to learn its members.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable

from kiwi.common.errors import UsageError

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # one name
MOST = 65536  # names in one hostlist
LONGEST = 262144  # characters of a hostlist; 64 of one name
GOOD = "names such as lab-1,lab-2 or a set such as lab-[1-4]"
_RANGE = r"[0-9]{1,9}(?:-[0-9]{1,9})?"
_SET = rf"\[{_RANGE}(?:,{_RANGE})*\]"
_ITEM = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9._-]|{_SET})*")
_LIST = re.compile(rf"(?:{_ITEM.pattern})(?:,(?:{_ITEM.pattern}))*")

_NUMBERED = re.compile(r"(.*[^0-9])(0|[1-9][0-9]{0,8})")  # not one with leading zeros, which are part of a name


def expand(texts: str | Iterable[str], key: str = "nodes") -> tuple[str, ...]:
    """Return the names in one hostlist or several, in order, each once.

    Raise UsageError, naming `key`, if one is no hostlist, or has a name of
    over 64 characters, or if there are more than MOST names.
    """
    items: list[str] = []
    for text in [texts] if isinstance(texts, str) else texts:
        if len(text) > LONGEST or not _LIST.fullmatch(text):
            raise UsageError(key=key, found=text, needs=GOOD)
        items += [match.group() for match in _ITEM.finditer(text)]
    if (count := sum(map(_count, items))) > MOST:
        raise UsageError(key=key, found=",".join(items), needs=f"at most {MOST} nodes", hint=f"these are {count} nodes")
    names = [name for item in items for name in (_expand_set(item, key) if "[" in item else [item])]
    if long := [name for name in names if len(name) > 64]:
        raise UsageError(key=key, found=long[0], needs=GOOD)
    return tuple(dict.fromkeys(names))


def fold(names: Iterable[str]) -> str:
    """Return names as a hostlist, in its shortest form; what is no name comes last, as it is."""
    names = sorted(set(names))
    plain, odd = [n for n in names if PLAIN.fullmatch(n)], [n for n in names if not PLAIN.fullmatch(n)]
    nodeset = importlib.import_module("ClusterShell.NodeSet")
    folded = str(nodeset.NodeSet.fromlist(_runs(plain), resolver=nodeset.RESOLVER_NOGROUP)) if plain else ""
    return ",".join([*filter(None, [folded]), *odd])


def _runs(names: Iterable[str]) -> list[str]:
    """Return names with those that follow each other as one item: ClusterShell takes 0.6 s for 10,000 names."""
    numbers: dict[str, list[int]] = {}
    found = []
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match:
            numbers.setdefault(match.group(1), []).append(int(match.group(2)))
        else:
            found.append(name)
    for prefix, each in numbers.items():
        each.sort()
        first = [number for number, before in zip(each, [-1, *each]) if number != before + 1 or before < 0]
        last = [number for number, after in zip(each, [*each[1:], -1]) if number + 1 != after]
        found += [f"{prefix}{a}" if a == b else f"{prefix}[{a}-{b}]" for a, b in zip(first, last)]
    return found


def _count(item: str) -> int:
    """Return how many names an item of a hostlist stands for; 1 if it has no set."""
    return math.prod(sum(map(_length, text.split(","))) for text in re.findall(r"\[([^\]]*)\]", item))


def _length(text: str) -> int:
    low, _, high = text.partition("-")
    return max(0, int(high or low) - int(low) + 1)


def _expand_set(item: str, key: str) -> list[str]:
    """Expand an item with ClusterShell, imported here: plain names need not pay its 20 ms."""
    nodeset = importlib.import_module("ClusterShell.NodeSet")
    try:
        return list(nodeset.NodeSet(item, resolver=nodeset.RESOLVER_NOGROUP))
    except nodeset.NodeSetException as exc:
        raise UsageError(key=key, found=item, needs=GOOD, hint=str(exc)) from exc
