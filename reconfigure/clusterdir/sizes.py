"""Which nodes are always up where that is not what the site data says, and which are being taken away: sizes.json.

    {"version": 1,
     "partitions": {PARTITION: {"nodes": [NODE, …], "site": N}},
     "leaving": {NODE: unix s},
     "announced": {PARTITION: [NODE, …]},
     "kept": {NODE: unix s | null}}

`partitions` are those of which `reconfigure resize` has said so; each counts while `min_nodes` of the site data is N,
so whoever edits that number has the last word. `leaving` are nodes that take no new job or booking, and are removed
when nobody has them, with the time since when; `announced` is what the bookings of a partition were last told of
these. `kept` are nodes that `reconfigure keep` has named, always up besides, until then (null: until somebody ends it).
There is no file where none of this is to be said.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir


class Size(NamedTuple):
    """The nodes of a partition that are always up, and what `min_nodes` of the site data was when that was said."""

    nodes: tuple[str, ...]
    site: int


@dataclass(frozen=True)
class Sizes:
    """What sizes.json holds; empty where there is none."""

    partitions: Mapping[str, Size] = field(default_factory=dict)
    leaving: Mapping[str, float] = field(default_factory=dict)
    announced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept: Mapping[str, float | None] = field(default_factory=dict)


def read(clusterdir: ClusterDir) -> Sizes:
    """Return what is noted, without nodes that were to be kept until a moment that is over."""
    path = _path(clusterdir)
    if not path.exists():
        return Sizes()
    with files.expected(path):
        found, now = files.read_json(path), time.time()
        return Sizes(
            {name: Size(tuple(size["nodes"]), size["site"]) for name, size in found["partitions"].items()},
            dict(found["leaving"]),
            {name: tuple(nodes) for name, nodes in found["announced"].items()},
            {name: until for name, until in found.get("kept", {}).items() if until is None or until > now},
        )


def write(clusterdir: ClusterDir, sizes: Sizes) -> bool:
    """Note it, under the lock; return whether it changed."""
    if sizes == read(clusterdir):
        return False
    if sizes == Sizes():
        _path(clusterdir).unlink(missing_ok=True)
        return True
    partitions = {name: {"nodes": list(size.nodes), "site": size.site} for name, size in sizes.partitions.items()}
    announced = {name: list(nodes) for name, nodes in sizes.announced.items()}
    data = {"version": 1, "partitions": partitions, "leaving": dict(sizes.leaving), "announced": announced}
    data["kept"] = dict(sizes.kept)
    return files.write_json(_path(clusterdir), data)


def _path(clusterdir: ClusterDir) -> Path:
    return clusterdir.path / "sizes.json"
