"""The site data: read, laid together, checked as a whole, frozen.

All faults come in one SiteError, each naming its key, the value found and a
good value. Nothing here writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from kiwi.common.errors import UsageError
from reconfigure.clusterdir import paths
from reconfigure.site import releases, slurm_conf
from reconfigure.site import rules as site_rules
from reconfigure.site.rules import Faults


class SiteError(UsageError):
    """The site data has faults; `faults` holds all of them."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        count = "one fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        lines = "\n".join(f"  {fault}" for fault in self.faults)
        super().__init__(f"the site data has {count}; nothing was changed:\n{lines}")


@dataclass(frozen=True)
class Flavor:
    """A size; memory in megabytes."""

    cpus: int
    memory_mb: int
    features: tuple[str, ...] = ()


@dataclass(frozen=True)
class Partition:
    """`min_nodes` are always up, nodes up to `max_nodes` may exist; `features` are its own and its flavor's."""

    name: str
    scheduler: str
    min_nodes: int
    max_nodes: int
    image: str
    flavor: str
    features: tuple[str, ...]

    def persistent(self) -> tuple[str, ...]:
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
class Site:
    """The checked site data; `data` is the same as plain JSON. Times in seconds."""

    cluster_name: str
    subnet: str
    images: Mapping[str, str]
    flavors: Mapping[str, Flavor]
    partitions: tuple[Partition, ...]
    users: tuple[User, ...]
    data: Mapping[str, Any]

    def persistent(self) -> frozenset[str]:
        """Names of the nodes that are always up."""
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
    """The mapping in a YAML file; SiteError with file and line where it is none."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as exc:
        raise SiteError([f"{path}: cannot be read ({exc}); needs a YAML file such as my-lab.yml"]) from exc
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SiteError([f"{path}{line}: not YAML: {exc.problem or exc.context}"]) from exc
    except yaml.YAMLError as exc:
        raise SiteError([f"{path}: not YAML: {exc}"]) from exc
    if not isinstance(data, dict):
        raise SiteError([f"{path}: found {site_rules.short(data)}; needs keys and values such as cluster_name: kiwi"])
    return data


def load(site_file: str | None, stdin: TextIO | None = None) -> Site:
    """The shipped site data with `site_file` (a path, or - for JSON on stdin) laid over it, checked."""
    data = read_yaml(paths.REPO / "group_vars" / "all.yml")
    if site_file == "-" and stdin is not None:
        try:
            over = json.load(stdin)
        except ValueError as exc:
            raise SiteError([f"standard input: not JSON: {exc}"]) from exc
        if not isinstance(over, dict):
            raise SiteError([f"standard input: found {site_rules.short(over)}; needs a JSON object"])
        data |= _resolved(over, Path.cwd())
    elif site_file:
        data |= _resolved(read_yaml(Path(site_file)), Path(site_file).absolute().parent)
    return check(data)


def _resolved(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Site data with the paths of extra roles absolute; what is no list of them is left for the check."""
    found = deepcopy(data)
    images = found.get("images")
    for image in images.values() if isinstance(images, dict) else ():
        if isinstance(image, dict) and isinstance(image.get("roles"), list):
            image["roles"] = [str(folder / role) if isinstance(role, str) else role for role in image["roles"]]
    return found


def check(data: Mapping[str, Any]) -> Site:
    """Check merged site data as a whole; SiteError with all faults, else the Site."""
    faults = Faults()
    known = releases.known()
    image_rules = {**releases.rules(known), **site_rules.IMAGES}
    good = site_rules.table(faults, "", dict(data), site_rules.TOP)
    for name, image in good.get("images", {}).items():
        _named(faults, "images", name, image, site_rules.IMAGE, image_rules)
    for name, flavor in good.get("flavors", {}).items():
        _named(faults, "flavors", name, flavor, site_rules.FLAVOR, site_rules.FLAVORS)
    if "login" in good:
        login = site_rules.table(faults, "login", good["login"], site_rules.LOGIN)
        _references(faults, "login", login, good)
    _partitions(faults, good)
    releases.together(faults, good, known)
    slurm_conf.check(faults, good.get("slurm_conf", ""), slurm_conf.taken(releases.controller_lines(good, known)))
    _users(faults, good, _accounts(faults, good))
    if faults.lines:
        raise SiteError(faults.lines)
    return freeze(data)


def _named(
    faults: Faults, where: str, name: object, value: object, rule: site_rules.Rule, rules: Mapping[str, site_rules.Rule]
) -> None:
    if not rule.good(name):
        faults.add(f"{where}: key", name, rule.needs)
    site_rules.table(faults, f"{where}.{name}", value, rules)


def _references(faults: Faults, where: str, part: Mapping[str, Any], good: Mapping[str, Any]) -> None:
    for key, of in (("image", "images"), ("flavor", "flavors")):
        known = good.get(of)
        if key in part and known is not None and part[key] not in known:
            faults.add(f"{where}.{key}", part[key], f"one of {of}: {', '.join(map(str, known))}")


def _partitions(faults: Faults, good: Mapping[str, Any]) -> None:
    names: dict[str, int] = {}
    last = 10  # the login node
    for index, value in enumerate(good.get("partitions", [])):
        where = f"partitions[{index}]"
        part = site_rules.table(faults, where, value, site_rules.PARTITION)
        _references(faults, where, part, good)
        if part.get("name") in names:
            faults.add(f"{where}.name", part["name"], f"another name: partitions[{names[part['name']]}] has it")
        names.setdefault(part.get("name", ""), index)
        if part.get("min_nodes", 0) > part.get("max_nodes", 1023):
            faults.add(f"{where}.min_nodes", part["min_nodes"], f"at most max_nodes, {part['max_nodes']}")
        last = 1024 * (index + 1) + part.get("max_nodes", 1)
    _fits(faults, good, last)


def _fits(faults: Faults, good: Mapping[str, Any], last: int) -> None:
    """The number of the last node must lie in the subnet, below its broadcast address."""
    net = site_rules.network(good.get("subnet"))
    if net is not None and last > net.num_addresses - 2:
        prefix = 32 - (last + 1).bit_length()
        needs = f"a network of at least /{prefix} for these partitions, such as 198.18.0.0/16"
        faults.add("subnet", good["subnet"], needs)


def _accounts(faults: Faults, good: Mapping[str, Any]) -> list[str]:
    """Check Slurm's accounts, parents first; return their names."""
    names: list[str] = []
    for index, value in enumerate(good.get("accounts", [])):
        account = site_rules.table(faults, f"accounts[{index}]", value, site_rules.ACCOUNTS)
        if account.get("name") in names:
            needs = f"another name: accounts[{names.index(account['name'])}] has it"
            faults.add(f"accounts[{index}].name", account["name"], needs)
        if account.get("parent", "root") not in ("root", *names):
            faults.add(f"accounts[{index}].parent", account["parent"], site_rules.ACCOUNTS["parent"].needs)
        names.append(account.get("name", ""))
    return names


def _users(faults: Faults, good: Mapping[str, Any], accounts: list[str]) -> None:
    seen: dict[tuple[str, object], int] = {}
    for index, value in enumerate(good.get("users", [])):
        user = site_rules.table(faults, f"users[{index}]", value, site_rules.USERS)
        for key in ("name", "uid"):
            other = seen.setdefault((key, user[key]), index) if key in user else index
            if other != index:
                faults.add(f"users[{index}].{key}", user[key], f"another {key}: users[{other}] has it")
        if unknown := [account for account in user.get("accounts", ()) if account not in accounts]:
            faults.add(f"users[{index}].accounts", unknown[0], f"one of accounts: {', '.join(accounts) or '(none)'}")


def _partition(data: Mapping[str, Any], flavor: Flavor) -> Partition:
    plain = {key: value for key, value in data.items() if key != "slurm"}
    return Partition(**{**plain, "features": tuple(dict.fromkeys([*data["features"], *flavor.features]))})


def freeze(data: Mapping[str, Any]) -> Site:
    """Site data that is known to be good (checked, or from site.json) as a Site."""
    flavors = {n: Flavor(f["cpus"], f["memory_mb"], tuple(f.get("features", ()))) for n, f in data["flavors"].items()}
    return Site(
        cluster_name=data["cluster_name"],
        subnet=data["subnet"],
        images={name: image["release"] for name, image in data["images"].items()},
        flavors=flavors,
        partitions=tuple(_partition(p, flavors[p["flavor"]]) for p in data["partitions"]),
        users=tuple(
            User(u["name"], u["uid"], u.get("gid", u["uid"]), tuple(u.get("keys", ())), u.get("admin", False))
            for u in data["users"]
        ),
        data=dict(data),
    )
