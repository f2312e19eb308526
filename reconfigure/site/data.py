"""The site data: read, laid over the shipped values, checked as a whole, frozen.

All faults come in one SiteError, each naming its key, the value found and a
good value. Nothing here writes. A cluster that was set up has its checked data
in site.json (docs/seams.md): `freeze` takes that without checking it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from kiwi.common import errors
from kiwi.common.errors import UsageError
from reconfigure.clusterdir import paths
from reconfigure.site import rules, schedule


class SiteError(UsageError):
    """The site data has faults; `faults` holds all of them."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        count = "one fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"the site data has {count}; nothing was changed:\n{lines}")


@dataclass(frozen=True)
class Partition:
    """A partition: `min_nodes` are always up, up to `max_nodes` may exist; `features` include those of its flavor.

    `min_nodes` is what the schedule says, where there is one. `warm` are kept up and idle beyond what jobs have.
    """

    name: str
    scheduler: str
    min_nodes: int
    max_nodes: int
    image: str
    flavor: str
    features: tuple[str, ...]
    warm: int = 0

    def names(self) -> tuple[str, ...]:
        """Return the names of all its nodes."""
        return tuple(f"{self.name}-{number}" for number in range(1, self.max_nodes + 1))

    def persistent(self) -> tuple[str, ...]:
        """Return the names of its nodes that are always up."""
        return tuple(f"{self.name}-{number}" for number in range(1, self.min_nodes + 1))


@dataclass(frozen=True)
class User:
    """A person with the same ids on every machine."""

    name: str
    uid: int
    gid: int
    keys: tuple[str, ...]
    admin: bool


@dataclass(frozen=True)
class Group:
    """A group of users with the same id on every machine."""

    name: str
    gid: int


@dataclass(frozen=True)
class Site:
    """The checked site data; `images` are releases by name, `flavors` names, `data` is all of it as plain JSON."""

    cluster_name: str
    subnet: str
    images: Mapping[str, str]
    flavors: tuple[str, ...]
    partitions: tuple[Partition, ...]
    users: tuple[User, ...]
    groups: tuple[Group, ...]
    data: Mapping[str, Any]

    @property
    def has_slurm(self) -> bool:
        """Whether there is a Slurm partition; without one nothing of Slurm runs anywhere."""
        return any(partition.scheduler == "slurm" for partition in self.partitions)

    def persistent(self) -> frozenset[str]:
        """Return the names of the nodes that are always up."""
        return frozenset({"login"}.union(*(p.persistent() for p in self.partitions)))


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} twice", key.start_mark)
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file. Raise SiteError with file and line if it has none."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as exc:
        raise SiteError([f"{path}: cannot be read ({exc}); needs a YAML file such as my-lab.yml"]) from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SiteError([f"{path}{line}: not YAML: {exc.problem or exc.context}"]) from exc
    except RecursionError as exc:
        raise SiteError([f"{path}: not YAML: lists or mappings in each other, too many levels deep"]) from exc
    except (yaml.YAMLError, ValueError, KeyError, AttributeError) as exc:  # the latter: a tag or date that is none
        raise SiteError([f"{path}: not YAML: {str(exc) or type(exc).__name__}"]) from exc
    if not isinstance(data, dict):
        raise SiteError([errors.fault(str(path), data, "keys and values such as cluster_name: kiwi")])
    return data


def load(site_file: str | None, stdin: TextIO | None = None) -> Site:
    """Return the shipped site data with `site_file` (a path, or - for JSON on stdin) laid over it.

    Raise SiteError with all faults if it has any.
    """
    data = read_yaml(paths.REPO / "group_vars" / "all.yml")
    if site_file == "-" and stdin is not None:
        try:
            over = json.load(stdin)
        except ValueError as exc:
            raise SiteError([f"standard input: not JSON: {exc}"]) from exc
        if not isinstance(over, dict):
            raise SiteError([errors.fault("standard input", over, "a JSON object")])
        data |= _resolved(over, Path.cwd())
    elif site_file:
        data |= _resolved(read_yaml(Path(site_file)), Path(site_file).absolute().parent)
    return check(data)


def _resolved(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return site data with absolute paths of extra roles; what is no list of paths is left for the check."""
    found = deepcopy(data)
    images = found.get("images")
    for image in images.values() if isinstance(images, dict) else ():
        if isinstance(image, dict) and isinstance(image.get("roles"), list):
            image["roles"] = [str(folder / role) if isinstance(role, str) else role for role in image["roles"]]
    return found


def check(data: Mapping[str, Any]) -> Site:
    """Return merged site data as a Site. Raise SiteError with all its faults if it has any."""
    from reconfigure.site import validation  # noqa: PLC0415 - pydantic takes long to import, and most commands only freeze

    faults, good = validation.check(data)
    rules.check(faults, good)
    if faults.lines:
        raise SiteError(faults.lines)
    return freeze(_whole(data))


def _whole(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return site data in which each partition has all keys that roles and Terraform read."""
    shipped = {"min_nodes": 0, "features": []}
    return {
        **data,
        "partitions": [{**part, **{k: v for k, v in shipped.items() if k not in part}} for part in data["partitions"]],
    }


def freeze(data: Mapping[str, Any], now: float | None = None) -> Site:
    """Return site data that is known to be good (checked, or from site.json) as a Site.

    `min_nodes` of its partitions is what their `schedule` says at `now` (unix s; None: at this moment).
    """
    zone, moment = schedule.zone_of(data.get("time_zone", "")), time.time() if now is None else now
    return Site(
        cluster_name=data["cluster_name"],
        subnet=data["subnet"],
        images={name: image["release"] for name, image in data["images"].items()},
        flavors=tuple(data["flavors"]),
        partitions=tuple(
            _partition(
                {**part, "min_nodes": schedule.number(part.get("schedule", ()), part["min_nodes"], moment, zone)},
                data["flavors"][part["flavor"]],
            )
            for part in data["partitions"]
        ),
        users=tuple(
            User(u["name"], u["uid"], u.get("gid", u["uid"]), tuple(u.get("keys", ())), u.get("admin", False))
            for u in data["users"]
        ),
        groups=tuple(Group(group["name"], group["gid"]) for group in data.get("user_groups", ())),
        data=dict(data),
    )


def _partition(data: Mapping[str, Any], flavor: Mapping[str, Any]) -> Partition:
    plain = {key: value for key, value in data.items() if key not in ("slurm", "schedule")}
    features = dict.fromkeys([*data["features"], *flavor.get("features", ())])
    return Partition(**{**plain, "features": tuple(features)})
