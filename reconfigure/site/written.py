"""The site data that a cluster was set up with: site.json in its folder, and kept.site.json, which is its copy.

The copy is written after the file itself. Killed in between it is older, so what the edit in between takes away is
looked at once more, never less.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kiwi.common.errors import UsageError
from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.site import data as site_data
from reconfigure.site import rules
from reconfigure.site.data import Site

log = logging.getLogger(__name__)


def read(clusterdir: ClusterDir) -> Site:
    """Return the site data in force. Raise UsageError where site.json is lost or holds anything else."""
    return _site(clusterdir, clusterdir.site)


def copy(clusterdir: ClusterDir) -> Site:
    """Return the copy of the site data. Raise UsageError where it is lost or holds anything else."""
    return _site(clusterdir, clusterdir.kept_site)


def write(clusterdir: ClusterDir, data: Mapping[str, Any]) -> bool:
    """Write the site data and its copy, under the lock; return whether the former changed."""
    changed = files.write_json(clusterdir.site, data)
    files.write_json(clusterdir.kept_site, data)
    return changed


def mend(clusterdir: ClusterDir) -> bool:
    """Take site.json from its copy where it is lost or broken, under the lock; return whether there is one now."""
    try:
        read(clusterdir)
    except UsageError as exc:
        why = exc.args[0]
    else:
        return True
    with contextlib.suppress(UsageError):
        found = copy(clusterdir)
        log.warning("%s; taking its copy, %s", why, clusterdir.kept_site.name)
        if clusterdir.site.exists():
            files.set_aside(clusterdir.site)
        files.write_json(clusterdir.site, found.data)
        return True
    return False


def _site(clusterdir: ClusterDir, path: Path) -> Site:
    with files.expected(path):
        found = site_data.freeze(files.read_json(path))
        _check(clusterdir, found)
        return found


def _check(clusterdir: ClusterDir, found: Site) -> None:
    """Raise KeyError, TypeError or ValueError where site data lacks what the driver reads of it, or is another's."""
    if found.cluster_name != clusterdir.cluster:
        raise ValueError(f"cluster_name is {found.cluster_name!r}")
    if rules.network(found.subnet) is None:
        raise ValueError(f"subnet is {found.subnet!r}")
    for image in (found.data["login"]["image"], *(part.image for part in found.partitions)):
        found.images[image]
    for flavor in found.data["flavors"].values():
        _numbers(flavor["cpus"], flavor["memory_mb"])
    for part in found.partitions:
        _numbers(part.min_nodes, part.max_nodes)


def _numbers(*values: object) -> None:
    for value in values:
        if not isinstance(value, int):
            raise TypeError(f"{value!r} is no number")
