"""What root told the agent of this machine: `/etc/kiwi/config.json`.

    {"version": 1, "node": "lab-1", "role": "login" | "booking",
     "partitions": [{"name": "lab", "nodes": ["lab-1", …], "state": "/var/lib/kiwi/state/lab"}],
     "admins": ["carol"], "bypass": [],
     "max_time": 604800, "grace": 5, "clean_tmp": true}

`admins` may act for others, `bypass` are users whom the gate never refuses and
the clean-up never touches. `max_time` is the longest booking and `grace` the
time between TERM and KILL, both in seconds; `clean_tmp` says whether the
clean-up removes the user's files in /tmp and /var/tmp and the crontab. The file holds no
secret (mode 0644). Unknown keys are faults: a misspelt limit must not pass.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NamedTuple

from kiwi.common.errors import UsageError

PATH = Path("/etc/kiwi/config.json")
VERSION = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)


class Partition(NamedTuple):
    """Nodes that are booked together, and the folder of their state."""

    name: str
    nodes: tuple[str, ...]
    state: Path


@dataclass(frozen=True)
class Config:
    """The checked file; see the module's text for the keys."""

    node: str
    role: str
    partitions: tuple[Partition, ...]
    admins: frozenset[str]
    bypass: frozenset[str]
    max_time: int
    grace: int
    clean_tmp: bool


class _Key(NamedTuple):
    """How one value must look: a check and an example for the message."""

    good: Callable[[Any], bool]
    example: str


def _is_name(value: object) -> bool:
    return isinstance(value, str) and NAME.fullmatch(value) is not None


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(_is_name(v) for v in value)


def _is_between(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


KEYS = {
    "version": _Key(lambda v: v == VERSION and type(v) is int, str(VERSION)),
    "node": _Key(_is_name, '"lab-1"'),
    "role": _Key(lambda v: v in ("login", "booking"), '"login" or "booking"'),
    "partitions": _Key(lambda v: isinstance(v, list), "a list; empty where no partition is booked"),
    "admins": _Key(_is_names, '["carol"]'),
    "bypass": _Key(_is_names, "[]"),
    "max_time": _Key(_is_between(1, 366 * 86400), "604800 (seconds)"),
    "grace": _Key(_is_between(0, 300), "5 (seconds)"),
    "clean_tmp": _Key(lambda v: isinstance(v, bool), "true or false"),
}
PARTITION_KEYS = {
    "name": _Key(_is_name, '"lab"'),
    "nodes": _Key(lambda v: _is_names(v) and bool(v) and len(set(v)) == len(v), '["lab-1", "lab-2"], each once'),
    "state": _Key(lambda v: isinstance(v, str) and v.startswith("/"), '"/var/lib/kiwi/state/lab"'),
}


def load(path: Path = PATH) -> Config:
    """Read and check the file. Raises UsageError with every fault: key, value found, good value."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise UsageError(f"{path} is not there", hint="the role `booking` writes it") from exc
    except (OSError, ValueError) as exc:
        raise UsageError(f"{path} cannot be read as JSON: {exc}") from exc
    faults = _faults(raw)
    if faults:
        raise UsageError(f"{path} has faults:\n  " + "\n  ".join(faults))
    return _build(raw)


def _faults(raw: object) -> list[str]:
    """Return one line for each fault of the file."""
    if not isinstance(raw, dict):
        return ["the file: is not an object; good: { … }"]
    faults = _check(raw, KEYS, "")
    if any(fault.startswith("partitions") for fault in faults):
        return faults
    for number, part in enumerate(raw.get("partitions", [])):
        where = f"partitions[{number}]"
        if isinstance(part, dict):
            faults += _check(part, PARTITION_KEYS, where + ".")
        else:
            faults.append(f"{where}: {part!r} is not an object; good: {{name, nodes, state}}")
    return faults or _clashes(raw)


def _check(raw: dict[str, Any], keys: dict[str, _Key], where: str) -> list[str]:
    faults = [f"{where}{k}: is missing; good: {v.example}" for k, v in keys.items() if k not in raw]
    faults += [
        f"{where}{k}: {raw[k]!r:.100} is wrong; good: {v.example}"
        for k, v in keys.items()
        if k in raw and not v.good(raw[k])
    ]
    return faults + [f"{where}{k}: is not a key; good: {', '.join(keys)}" for k in raw if k not in keys]


def _clashes(raw: dict[str, Any]) -> list[str]:
    """Return the faults between values that are good by themselves."""
    names = [p["name"] for p in raw["partitions"]]
    nodes = [n for p in raw["partitions"] for n in p["nodes"]]
    faults = [f"partitions: {n!r} is there twice; good: one of each" for n in set(names) if names.count(n) > 1]
    if len(set(nodes)) < len(nodes):
        faults.append("partitions: a node is in two of them; good: each node in one")
    if raw["role"] == "booking" and raw["node"] not in nodes:
        faults.append(f"node: {raw['node']!r} is in no partition; good: one of {', '.join(nodes[:5])}")
    return faults


def _build(raw: dict[str, Any]) -> Config:
    return Config(
        node=raw["node"],
        role=raw["role"],
        partitions=tuple(
            Partition(p["name"], tuple(sorted(p["nodes"], key=_natural)), Path(p["state"])) for p in raw["partitions"]
        ),
        admins=frozenset(raw["admins"]),
        bypass=frozenset(raw["bypass"]),
        max_time=raw["max_time"],
        grace=raw["grace"],
        clean_tmp=raw["clean_tmp"],
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort lab-10 after lab-9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"([0-9]+)", name)]
