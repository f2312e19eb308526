"""Files of a cluster that are lost or broken: what bin/up can have again of them, before it looks at the rest."""

from __future__ import annotations

import logging

from kiwi.common.errors import UsageError
from reconfigure.clusterdir import drains, files, journal, lock, orphans, sizes, waiting_edit
from reconfigure.clusterdir.nodeset import load_nodeset, wished
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.lifecycle import setup
from reconfigure.planning import cooldown
from reconfigure.site import written

log = logging.getLogger(__name__)


def mend(clusterdir: ClusterDir) -> bool:
    """Take the site data from its copy, make the nodes anew from it, set broken notes aside; say what was done.

    Return whether there is site data in force; where there is none, all else stays as it is.
    """
    if not clusterdir.path.exists():
        return False
    orphans.end(clusterdir)
    with lock.locked(clusterdir, lock.WAIT):
        if not written.mend(clusterdir):
            return False
        _nodes(clusterdir)
        _notes(clusterdir)
    return True


def _nodes(clusterdir: ClusterDir) -> None:
    try:
        load_nodeset(clusterdir.nodeset)
    except UsageError as exc:
        _note(clusterdir, f"{exc.args[0]}; making it anew from the site data")
        setup.write_nodes(clusterdir, written.read(clusterdir))


def _notes(clusterdir: ClusterDir) -> None:
    """Set aside each file that cannot be read and that is written anew, as if there were none."""
    folder = clusterdir.path
    for path, read in (
        (folder / "sizes.json", sizes.read),
        (folder / "cooldown.json", cooldown.read),
        (folder / "waiting.json", waiting_edit.read),
        (folder / "drains.json", drains.read),
        (clusterdir.names, wished),
        (clusterdir.variables, setup.before),
    ):
        try:
            read(clusterdir)
        except UsageError as exc:
            aside = files.set_aside(path)
            _note(clusterdir, f"{exc.args[0]}; going on without it, it is {aside.name} now")


def _note(clusterdir: ClusterDir, text: str) -> None:
    log.warning("%s", text)
    journal.write(clusterdir, "mended", reason=text)
