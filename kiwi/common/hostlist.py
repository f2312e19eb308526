"""Node names on the command line: plain names, comma lists, and sets such as lab-[1-4]."""

from __future__ import annotations

import importlib
import re

from kiwi.common.errors import UsageError

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*", re.ASCII)
MOST = 10000
GOOD = "give names such as lab-1,lab-2 or a set such as lab-[1-4]"


def expand(texts: list[str]) -> tuple[str, ...]:
    """Return the names in `texts`, in order, each once. Raises UsageError where one cannot be a name."""
    names: list[str] = []
    for text in texts:
        names += _expand_set(text) if "[" in text else text.split(",")
    for name in names:
        if len(name) > 64 or not PLAIN.fullmatch(name):
            raise UsageError(f"{name[:64]!r} is not a node name", hint=GOOD)
    return tuple(dict.fromkeys(names))


def _expand_set(text: str) -> list[str]:
    """Expand a set with ClusterShell, imported here: plain names need not pay its 20 ms."""
    nodeset = importlib.import_module("ClusterShell.NodeSet")
    try:
        found = nodeset.NodeSet(text, resolver=nodeset.RESOLVER_NOGROUP)
    except nodeset.NodeSetException as exc:
        raise UsageError(f"{text[:64]!r} is not a set of nodes: {exc}", hint=GOOD) from exc
    if len(found) > MOST:
        raise UsageError(f"{text[:64]!r} are {len(found)} nodes: at most {MOST}", hint=GOOD)
    return [str(name) for name in found]
