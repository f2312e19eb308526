"""The uid and gid that every user of a cluster was ever given: they stay, since files on the share belong to numbers.

    HOME/data/users.json   {"version": 1, "users": {"alice": {"uid": 10001, "gid": 10001}}}

It lies with the homes and lives as long as they do. Users who were removed
from the site data are still in it, until a person takes them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from reconfigure.clusterdir import paths
from reconfigure.clusterdir.paths import Home
from reconfigure.site.data import Site, SiteError, User

VERSION = 1
Ids = Mapping[str, Mapping[str, int]]


def path(home: Home) -> Path:
    return home.path / "data" / "users.json"


def given(home: Home) -> Ids:
    """uid and gid by name, of all users that the cluster ever had."""
    file = path(home)
    return paths.read_json(file)["users"] if file.exists() else {}


def check(home: Home, site: Site) -> None:
    """Raise SiteError where a user would get other ids than before, or a uid that another one had."""
    found = [fault for i, user in enumerate(site.users) for fault in _faults(f"users[{i}]", user, given(home))]
    if found:
        raise SiteError(f"{fault} out of {path(home)}, then bin/up" for fault in found)


def _faults(where: str, user: User, known: Ids) -> Iterator[str]:
    """The faults of one user, each to be completed with the name of the file."""
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


def remember(home: Home, site: Site) -> bool:
    """Add the users of the site data; return whether there was a new one."""
    new = {user.name: {"uid": user.uid, "gid": user.gid} for user in site.users}
    return paths.write_json(path(home), {"version": VERSION, "users": {**given(home), **new}})
