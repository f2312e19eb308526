"""Remember the ids of every user and group that a cluster ever had: files on the share belong to these numbers.

    CLUSTERDIR/data/users.json   {"version": 1, "users": {"alice": {"uid": 10001, "gid": 10001}},
                                  "groups": {"physics": 20000}}

The file is beside the homes and outlives `down` as they do. Who was removed
from the site data stays in it until a person takes them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.site.data import Group, Site, SiteError, User

VERSION = 1
Ids = Mapping[str, Mapping[str, int]]
Gids = Mapping[str, int]


def path(clusterdir: ClusterDir) -> Path:
    """Return the file that remembers them."""
    return clusterdir.path / "data" / "users.json"


def given(clusterdir: ClusterDir) -> Ids:
    """Return uid and gid by name of all users that the cluster ever had."""
    file = path(clusterdir)
    return files.read_json(file)["users"] if file.exists() else {}


def given_groups(clusterdir: ClusterDir) -> Gids:
    """Return the gid by name of all groups that the cluster ever had, besides users' own ones."""
    file = path(clusterdir)
    return files.read_json(file).get("groups", {}) if file.exists() else {}


def check(clusterdir: ClusterDir, site: Site) -> None:
    """Raise SiteError if a user or group would get other ids than before, or ids that another one had."""
    known, groups = given(clusterdir), given_groups(clusterdir)
    found = [fault for i, user in enumerate(site.users) for fault in _faults(f"users[{i}]", user, known)]
    # Who had a group's number for their own one, unless the site data says that they have it together.
    shared = {user.gid for user in site.users if user.gid != user.uid}
    owners = {name: ids["gid"] for name, ids in known.items() if ids["gid"] not in shared}
    for i, group in enumerate(site.groups):
        found += _group_faults(f"user_groups[{i}].gid", group, groups, owners)
    for i, user in enumerate(site.users):
        if user.name not in known:
            found += _strangers(f"users[{i}].gid", user.gid, groups, {group.name for group in site.groups})
    if found:
        raise SiteError(f"{fault} out of {path(clusterdir)}, then bin/up" for fault in found)


def _faults(where: str, user: User, known: Ids) -> Iterator[str]:
    """Return the faults of one user, each to be completed with the name of the file."""
    before = known.get(user.name, {})
    for key, value in (("uid", user.uid), ("gid", user.gid)):
        if key in before and before[key] != value:
            yield (
                f"{where}.{key}: found {value}; needs {before[key]}, which {user.name} has had: files on the share "
                f"belong to it. For another one chown them and take {user.name}"
            )
    for name in (n for n, ids in known.items() if n != user.name and ids["uid"] == user.uid):
        yield (
            f"{where}.uid: found {user.uid}; needs one that nobody has had: it is {name}'s, and {user.name} would own "
            f"{name}'s files on the share. Once they are removed or chowned take {name}"
        )


def _group_faults(where: str, group: Group, known: Gids, owners: Gids) -> Iterator[str]:
    """Return the faults of one group; `owners` are users with a group of their own, by name."""
    if known.get(group.name, group.gid) != group.gid:
        yield (
            f"{where}: found {group.gid}; needs {known[group.name]}, which {group.name} has had: files on the share "
            f"belong to it. For another one chgrp them and take {group.name}"
        )
    if known.get(group.name) != group.gid:
        yield from _strangers(where, group.gid, {**owners, **known}, {group.name})


def _strangers(where: str, gid: int, known: Gids, own: set[str]) -> Iterator[str]:
    """Return a fault for each other one who had a gid, whose files its new members could read."""
    for name in (n for n, had in known.items() if had == gid and n not in own):
        yield (
            f"{where}: found {gid}; needs one that nobody has had: it is {name}'s, and others would share {name}'s "
            f"files. Once they are removed or changed by chgrp take {name}"
        )


def remember(clusterdir: ClusterDir, site: Site) -> bool:
    """Add the users and groups of the site data; return whether there was a new one."""
    users = {**given(clusterdir), **{user.name: {"uid": user.uid, "gid": user.gid} for user in site.users}}
    groups = {**given_groups(clusterdir), **{group.name: group.gid for group in site.groups}}
    known = {"groups": groups} if groups else {}
    return files.write_json(path(clusterdir), {"version": VERSION, "users": users, **known})
