"""Read node names on the command line: plain names, comma lists, and sets such as lab-[1-4]."""

from __future__ import annotations

import importlib
import re

from kiwi.common.errors import UsageError

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*", re.ASCII)
MOST = 10000  # names in one set
GOOD = "names such as lab-1,lab-2 or a set such as lab-[1-4]"


def expand(texts: list[str]) -> tuple[str, ...]:
    """Return the names in `texts`, in order, each once. Raise UsageError if one cannot be a name, or for too many."""
    names: list[str] = []
    for text in texts:
        names += _expand_set(text) if "[" in text else text.split(",")
    for name in names:
        if len(name) > 64 or not PLAIN.fullmatch(name):
            raise UsageError(key="nodes", found=name, needs=GOOD)
    return tuple(dict.fromkeys(names))


def _expand_set(text: str) -> list[str]:
    """Expand a set with ClusterShell, imported here: plain names need not pay its 20 ms."""
    nodeset = importlib.import_module("ClusterShell.NodeSet")
    try:
        found = nodeset.NodeSet(text, resolver=nodeset.RESOLVER_NOGROUP)
    except nodeset.NodeSetException as exc:
        raise UsageError(key="nodes", found=text, needs=GOOD, hint=str(exc)) from exc
    if len(found) > MOST:
        raise UsageError(key="nodes", found=text, needs=f"at most {MOST} nodes", hint=f"these are {len(found)} nodes")
    return [str(name) for name in found]
