"""SuspendExcNodes: the nodes that Slurm never powers down (slurm.conf(5)), as it is read and as it is set."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kiwi.common import hostlist

SHOW = ("scontrol", "show", "config")
SET = "/usr/lib/kiwi/slurmscripts/suspend_exc"
_LINE = re.compile(r"^SuspendExcNodes\s*=\s*(\S*)\s*$", re.MULTILINE)
_ITEM = re.compile(r"(?:[^,:\[]|\[[^\]]*\])+(?::([0-9]+))?")


def parse(text: str) -> str:
    """Return the value in what SHOW prints, "" where it is not set. Raise ValueError if there is no such line."""
    found = _LINE.search(text)
    if found is None:
        raise ValueError("scontrol show config has no line SuspendExcNodes")
    return "" if found[1] == "(null)" else found[1]


def meaning(value: str) -> Mapping[str, int]:
    """Return what a value means: by node 0 where it stays up, or how many of its set do (SET:COUNT).

    Raise UsageError if it is no such value.
    """
    found: dict[str, int] = {}
    for item in _ITEM.finditer(value):
        count = int(item[1] or 0)
        names = item.group().rpartition(":")[0] if item[1] else item.group()
        found |= {name if count == 0 else f"{name}:{count}": count for name in hostlist.expand(names)}
    return found
