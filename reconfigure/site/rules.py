"""What one key of the site data demands of another: plain functions that add a sentence for each fault.

They see only values that are good by themselves (reconfigure/site/validation.py):
a key that is not there was faulted, and is not judged again.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from reconfigure.site import releases, slurm_conf
from reconfigure.site.faults import Faults

NETWORKS = tuple(ipaddress.IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"))
MOST_NODES = 16000  # of a partition
PARENT = "root or an account above it in the list"


def network(value: object) -> ipaddress.IPv4Network | None:
    """Return the private (RFC 1918) or benchmark (RFC 2544) IPv4 network that a value names, or None."""
    try:
        found = ipaddress.IPv4Network(value) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None
    return found if found and any(found.subnet_of(private) for private in NETWORKS) else None


def check(faults: Faults, good: Mapping[str, Any]) -> None:
    """Add a sentence for each key that does not go with another one; `good` are the values good by themselves."""
    known = releases.known()
    references(faults, "login", good.get("login", {}), good)
    partitions(faults, good)
    subnet_fits(faults, good)
    releases.together(faults, good, known)
    slurm_conf.check(faults, good.get("slurm_conf", ""), slurm_conf.taken(releases.controller_lines(good, known)))
    accounting(faults, good)
    accounts(faults, good.get("accounts", []))
    users(faults, good.get("users", []), [account.get("name", "") for account in good.get("accounts", [])])
    groups(faults, good.get("user_groups", []), good.get("users", []))


def references(faults: Faults, where: str, part: Mapping[str, Any], good: Mapping[str, Any]) -> None:
    """Image and flavor of the login node or a partition must be among `images` and `flavors`."""
    for key, of in (("image", "images"), ("flavor", "flavors")):
        if key in part and of in good and part[key] not in good[of]:
            faults.add(f"{where}.{key}", part[key], f"one of {of}: {', '.join(map(str, good[of]))}")


def partitions(faults: Faults, good: Mapping[str, Any]) -> None:
    """Names are given once, min_nodes and warm are at most max_nodes, images and flavors are there."""
    listed = good.get("partitions", [])
    unique(faults, "partitions", "name", listed, "another name: {} has it")
    for index, part in enumerate(listed):
        where = f"partitions[{index}]"
        references(faults, where, part, good)
        if part.get("min_nodes", 0) > part.get("max_nodes", MOST_NODES):
            faults.add(f"{where}.min_nodes", part["min_nodes"], f"at most max_nodes, {part['max_nodes']}")
        if part.get("warm", 0) > part.get("max_nodes", MOST_NODES):
            faults.add(f"{where}.warm", part["warm"], f"at most max_nodes, {part['max_nodes']}")
        for n, entry in enumerate(part.get("schedule", ())):
            if entry.get("min_nodes", 0) > part.get("max_nodes", MOST_NODES):
                most = f"at most max_nodes, {part['max_nodes']}"
                faults.add(f"{where}.schedule[{n}].min_nodes", entry["min_nodes"], most)
        for key in ("warm", "schedule"):
            if part.get(key) and part.get("scheduler") == "booking":
                faults.add(f"{where}.{key}", part[key], "to be left out: nodes to book are up when min_nodes says so")


def block(max_nodes: int) -> int:
    """Return how many addresses a partition of this size has: a power of two, at least 1024."""
    return 1 << max(10, max_nodes.bit_length())


def subnet_fits(faults: Faults, good: Mapping[str, Any]) -> None:
    """Have the last node's number lie in the subnet, below its broadcast address (docs/seams.md, section 1)."""
    net = network(good.get("subnet"))
    listed = good.get("partitions", [])
    sizes = [part.get("max_nodes", 1) for part in listed]
    last = 1024 + sum(map(block, sizes[:-1])) + sizes[-1] if sizes else 10  # the login node
    if net is not None and last > net.num_addresses - 2:
        prefix = 32 - (last + 1).bit_length()
        good_one = "198.18.0.0/16" if prefix >= 16 else "10.0.0.0/8"
        needs = f"a network of at least /{prefix} for these partitions, such as {good_one}"
        faults.add("subnet", good["subnet"], needs)


def accounting(faults: Faults, good: Mapping[str, Any]) -> None:
    """Have accounting only where there are jobs to account for."""
    schedulers = [part.get("scheduler") for part in good.get("partitions", [])]
    if good.get("accounting") and set(schedulers) == {"booking"}:
        faults.add("accounting", True, "false, or a partition with `scheduler: slurm`")


def accounts(faults: Faults, listed: Sequence[Mapping[str, Any]]) -> None:
    """Names are given once, and a parent stands above its children: sacctmgr adds accounts in this order."""
    unique(faults, "accounts", "name", listed, "another name: {} has it")
    above = {"root"}
    for index, account in enumerate(listed):
        if account.get("parent", "root") not in above:
            faults.add(f"accounts[{index}].parent", account["parent"], PARENT)
        above.add(account.get("name", ""))


def users(faults: Faults, listed: Sequence[Mapping[str, Any]], known: Sequence[str]) -> None:
    """Names and uids are given once, and accounts are among the `known` ones."""
    for key in ("name", "uid"):
        unique(faults, "users", key, listed, f"another {key}: {{}} has it")
    for index, user in enumerate(listed):
        if unknown := [account for account in user.get("accounts", ()) if account not in known]:
            faults.add(f"users[{index}].accounts", unknown[0], f"one of accounts: {', '.join(known) or '(none)'}")


def groups(faults: Faults, listed: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]]) -> None:
    """Names and gids are given once and are no user's own, and members are among the users.

    A user whose `gid` says so has the group for a primary one.
    """
    for key in ("name", "gid"):
        unique(faults, "user_groups", key, listed, f"another {key}: {{}} has it")
    names = {user["name"]: index for index, user in enumerate(people) if "name" in user}
    own = {user["uid"]: index for index, user in enumerate(people) if "uid" in user and "gid" not in user}
    for index, group in enumerate(listed):
        for key, taken in (("name", names), ("gid", own)):
            if group.get(key) in taken:
                faults.add(
                    f"user_groups[{index}].{key}",
                    group[key],
                    f"another {key}: users[{taken[group[key]]}] has it, and a group of their own by it",
                )
        if unknown := [member for member in group.get("members", ()) if member not in names]:
            faults.add(f"user_groups[{index}].members", unknown[0], f"one of users: {', '.join(names) or '(none)'}")


def unique(faults: Faults, where: str, key: str, listed: Sequence[Mapping[str, Any]], needs: str) -> None:
    """No two entries of a list have the same value of `key`; `needs` is told which entry had it first."""
    seen: dict[object, int] = {}
    for index, entry in enumerate(listed):
        if key in entry and seen.setdefault(entry[key], index) != index:
            faults.add(f"{where}[{index}].{key}", entry[key], needs.format(f"{where}[{seen[entry[key]]}]"))
