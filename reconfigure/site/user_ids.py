"""Remember the uid and gid of every user that a cluster ever had: files on the share belong to these numbers.

    CLUSTERDIR/data/users.json   {"version": 1, "users": {"alice": {"uid": 10001, "gid": 10001}}}

The file is beside the homes and outlives `down` as they do. A user who was
removed from the site data stays in it until a person takes them out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.site.data import Site, SiteError, User

VERSION = 1
Ids = Mapping[str, Mapping[str, int]]


def path(clusterdir: ClusterDir) -> Path:
    """Return the file that remembers them."""
    return clusterdir.path / "data" / "users.json"


def given(clusterdir: ClusterDir) -> Ids:
    """Return uid and gid by name of all users that the cluster ever had."""
    file = path(clusterdir)
    return files.read_json(file)["users"] if file.exists() else {}


def check(clusterdir: ClusterDir, site: Site) -> None:
    """Raise SiteError if a user would get other ids than before, or a uid that another one had."""
    found = [fault for i, user in enumerate(site.users) for fault in _faults(f"users[{i}]", user, given(clusterdir))]
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


def remember(clusterdir: ClusterDir, site: Site) -> bool:
    """Add the users of the site data; return whether there was a new one."""
    new = {user.name: {"uid": user.uid, "gid": user.gid} for user in site.users}
    return files.write_json(path(clusterdir), {"version": VERSION, "users": {**given(clusterdir), **new}})
