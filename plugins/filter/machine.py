"""What a machine's files say, worked out from site data."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Callable

SUBIDS = 65536  # subordinate ids per user: enough for one rootless container with all ids
LAST_BLOCK = 65534  # the block after it ends at 2**32 - 1, which means "no id"


def _nameservers(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            yield words[1]


def _is_reachable(address: str) -> bool:
    try:
        return not ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def resolvers(texts: list[str]) -> list[str]:
    """Name servers of the first resolv.conf text that has any which another machine reaches.

    A loopback resolver answers on its own host only. Empty where there is none:
    an empty resolv.conf fails at once, a wrong one after 10 s.
    """
    usable = ([server for server in _nameservers(text) if _is_reachable(server)] for text in texts)
    return next((servers for servers in usable if servers), [])


def subids(users: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`{name, start, count}` per user: ranges of subordinate ids that overlap neither each other nor a uid or gid.

    A user's range depends on the uid alone unless two of them meet (uids 65536
    apart): then the higher uid moves on. Block 0 holds the system's own ids.
    """
    taken = {0} | {i // SUBIDS for user in users for i in (user["uid"], user.get("gid", user["uid"]))}
    ranges = []
    for user in sorted(users, key=lambda user: int(user["uid"])):
        block = user["uid"] % (LAST_BLOCK + 1)
        while block in taken:
            block = (block + 1) % (LAST_BLOCK + 1)
        taken.add(block)
        ranges.append({"name": user["name"], "start": block * SUBIDS, "count": SUBIDS})
    return ranges


def groups_of(users: list[dict[str, Any]], groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`{name, gid, members}` of the site's groups and of the users' primary ones.

    A primary group that is none of the site's has the name of the first user who has it.
    """
    found = {group["gid"]: (group["name"], group.get("members", [])) for group in groups}
    for user in users:
        found.setdefault(user.get("gid", user["uid"]), (user["name"], []))
    return [{"name": name, "gid": gid, "members": members} for gid, (name, members) in found.items()]


def homes(users: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The users' homes as directories of a bundle; made private and as new homes are, then left to their owners."""
    return [
        {
            "path": f"/home/{user['name']}",
            "owner": str(user["uid"]),
            "group": str(user.get("gid", user["uid"])),
            "mode": "0700",
            "keep": True,
            "skeleton": "/etc/skel",
        }
        for user in users
    ]


def keyless(users: list[dict[str, Any]]) -> list[str]:
    """Names of the users who bring no public key of their own."""
    return [user["name"] for user in users if not user.get("keys")]


def key_files(users: list[dict[str, Any]], made: dict[str, str], control: str) -> list[dict[str, Any]]:
    """The key file of each user, and root's, as files of a bundle.

    `made` are the public keys of the pairs made for users without any, by name;
    `control` is the key that lets the control host in as root.
    """
    keys = {user["name"]: user.get("keys") or [made[user["name"]]] for user in users}
    return [
        {"path": f"/etc/ssh/authorized_keys.d/{name}", "content": "".join(f"{key.strip()}\n" for key in lines)}
        for name, lines in {**keys, "root": [control]}.items()
    ]


def accounts_of(accounts: list[dict[str, str]]) -> list[dict[str, str]]:
    """`{name, parent, description}` of Slurm's accounts, with what the site data leaves out."""
    return [{"parent": "root", "description": account["name"], **account} for account in accounts]


def variables_of(roles: list[str], what: str) -> list[str]:
    """Names of the variables in which roles declare `what`: `_dns_files`, `_share_files`, …"""
    return [f"_{role}_{what}" for role in roles]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name of each filter and what it calls."""
        return {
            "accounts_of": accounts_of,
            "groups_of": groups_of,
            "homes": homes,
            "key_files": key_files,
            "keyless": keyless,
            "resolvers": resolvers,
            "subids": subids,
            "variables_of": variables_of,
        }
