"""Read and check the configuration of this machine's agent, which root writes: /etc/kiwi/config.json.

    {"version": 1, "node": "lab-1", "role": "login" | "booking",
     "partitions": [{"name": "lab", "nodes": ["lab-1", …], "state": "/var/lib/kiwi/state/lab", "labels": ["gpu"]}],
     "admins": ["carol"], "bypass": [],
     "leaving": [],
     "max_time": 604800, "grace": 5, "clean_tmp": true, "left_files_block": true, "history_months": 24}

All nodes of a partition have its `labels`. `admins` may act for others, `bypass`
are users whom the gate never refuses and
the clean-up never touches. `max_time` is the longest booking and `grace` the
time between TERM and KILL, both in seconds; `clean_tmp` says whether the
clean-up removes the user's files in /tmp and /var/tmp and the crontab,
`left_files_block` whether files that it cannot remove keep the node from the
next user, as processes always do. Who booked what is kept for `history_months`.
The file holds no secret (mode 0644). Unknown keys are faults: a misspelt limit must not pass.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple

from kiwi.common.errors import MISSING, UsageError, fault, unknown

PATH = Path("/etc/kiwi/config.json")
VERSION = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class Partition(NamedTuple):
    """Nodes that are booked together, the folder of their state, and labels that each of them has."""

    name: str
    nodes: tuple[str, ...]
    state: Path
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """The checked file; keys and units are the module's text's. Nodes are sorted, lab-10 after lab-9."""

    node: str
    role: str
    partitions: tuple[Partition, ...]
    admins: frozenset[str]
    bypass: frozenset[str]
    leaving: frozenset[str]
    max_time: int
    grace: int
    clean_tmp: bool
    left_files_block: bool
    history_months: int


class _Key(NamedTuple):
    """How one value must look: `needs` completes "it needs …"."""

    good: Callable[[Any], bool]
    needs: str


def _is_name(value: object) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(_is_name(v) for v in value)


def _seconds(low: int, high: int, example: int) -> _Key:
    return _Key(lambda v: type(v) is int and low <= v <= high, f"seconds from {low} to {high}, such as {example}")


KEYS = {
    "version": _Key(lambda v: v == VERSION and type(v) is int, str(VERSION)),
    "node": _Key(_is_name, "a name such as lab-1"),
    "role": _Key(lambda v: v in ("login", "booking"), '"login" or "booking"'),
    "partitions": _Key(lambda v: isinstance(v, list), "a list of partitions, empty if none is booked"),
    "admins": _Key(_is_names, 'a list of users such as ["carol"]'),
    "bypass": _Key(_is_names, 'a list of users such as ["carol"], or []'),
    "leaving": _Key(_is_names, 'a list of nodes such as ["lab-2"], or []'),
    "max_time": _seconds(1, 366 * 86400, 604800),
    "grace": _seconds(0, 300, 5),
    "clean_tmp": _Key(lambda v: isinstance(v, bool), "true or false"),
    "left_files_block": _Key(lambda v: isinstance(v, bool), "true or false"),
    "history_months": _Key(lambda v: type(v) is int and 1 <= v <= 1200, "months from 1 to 1200, such as 24"),
}
# Keys that came later: where a machine gets newer code, its agent starts before its file is written anew.
PARTITION_DEFAULTS: dict[str, Any] = {"labels": []}
DEFAULTS = {"leaving": [], "left_files_block": True, "history_months": 24}
PARTITION_KEYS = {
    "name": _Key(_is_name, "a name such as lab"),
    "nodes": _Key(lambda v: _is_names(v) and bool(v) and len(set(v)) == len(v), 'names such as ["lab-1"], each once'),
    "labels": _Key(_is_names, 'a list of words such as ["gpu"], or []'),
    "state": _Key(lambda v: isinstance(v, str) and v.startswith("/"), "a path such as /var/lib/kiwi/state/lab"),
}


def load(path: Path = PATH) -> Config:
    """Return the checked file, with the DEFAULTS of keys that an older release did not write.

    Raise UsageError with all of its faults, or if it is not there or not JSON.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise UsageError(f"{path} is not there", hint="the role `booking` writes it") from exc
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path} cannot be read as JSON: {exc}") from exc
    if isinstance(raw, dict):
        raw = {**DEFAULTS, **raw}
        if isinstance(raw.get("partitions"), list):
            raw["partitions"] = [{**PARTITION_DEFAULTS, **p} if isinstance(p, dict) else p for p in raw["partitions"]]
    faults = _faults(raw)
    if faults:
        raise UsageError(f"{path} has faults:\n  " + "\n  ".join(faults))
    return _build(raw)


def _faults(raw: object) -> list[str]:
    """Return one line for each fault of the file."""
    if not isinstance(raw, dict):
        return [fault("the file", raw, f"an object with the keys {', '.join(KEYS)}")]
    faults = _check(raw, KEYS, "")
    if any(line.startswith("partitions") for line in faults):
        return faults
    for number, part in enumerate(raw.get("partitions", [])):
        where = f"partitions[{number}]"
        if isinstance(part, dict):
            faults += _check(part, PARTITION_KEYS, where + ".")
        else:
            faults.append(fault(where, part, f"an object with the keys {', '.join(PARTITION_KEYS)}"))
    return faults or _clashes(raw)


def _check(raw: dict[str, Any], keys: dict[str, _Key], where: str) -> list[str]:
    bad = {name: key for name, key in keys.items() if name not in raw or not key.good(raw[name])}
    faults = [fault(f"{where}{name}", raw.get(name, MISSING), key.needs) for name, key in bad.items()]
    return faults + [unknown(f"{where}{name}", raw[name], keys) for name in raw if name not in keys]


def _clashes(raw: dict[str, Any]) -> list[str]:
    """Return the faults between values that are good by themselves."""
    names = _twice(p["name"] for p in raw["partitions"])
    nodes = [n for p in raw["partitions"] for n in p["nodes"]]
    faults = [fault("partitions", name, "each name once") for name in names]
    faults += [fault("partitions", node, "each node in one partition") for node in _twice(nodes)]
    if raw["role"] == "booking" and raw["node"] not in nodes:
        faults.append(fault("node", raw["node"], f"a node of a partition ({', '.join(nodes[:5]) or 'there is none'})"))
    return faults


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _build(raw: dict[str, Any]) -> Config:
    return Config(
        node=raw["node"],
        role=raw["role"],
        partitions=tuple(
            Partition(p["name"], tuple(sorted(p["nodes"], key=_natural)), Path(p["state"]), tuple(p["labels"]))
            for p in raw["partitions"]
        ),
        admins=frozenset(raw["admins"]),
        bypass=frozenset(raw["bypass"]),
        leaving=frozenset(raw["leaving"]),
        max_time=raw["max_time"],
        grace=raw["grace"],
        clean_tmp=raw["clean_tmp"],
        left_files_block=raw["left_files_block"],
        history_months=raw["history_months"],
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts lab-10 after lab-9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", name)]
