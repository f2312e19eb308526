"""Remove a cluster from this host; its data and keys only with --all. Needs no Terraform."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from kiwi.common.errors import BusyError, KiwiError
from reconfigure.clusterdir import lock, paths
from reconfigure.clusterdir.nodeset import load_nodeset
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.providers.base import Provider
from reconfigure.reports import textfile
from reconfigure.site import data as site_data
from reconfigure.site import written
from reconfigure.slurm.controller import Controller
from reconfigure.worker import supervisor

log = logging.getLogger(__name__)
BAKING = 900.0  # seconds for which a bake may change no folder of its image; a package may take as long
KEPT = ("data", "ca", "keys", "lock")


def down(clusterdir: ClusterDir, provider: Callable[[ClusterDir, str], Provider], everything: bool) -> None:
    """Stop the worker, remove machines and what was changed on the host, then the folder.

    Raises KiwiError, before any file is removed, where something of the folder is still mounted.
    """
    subnet = _subnet(clusterdir)
    other = provider(clusterdir, subnet).elsewhere()
    supervisor.stop(clusterdir, unit=not other)
    if other:
        log.warning("the name %s is in use by the cluster in %s, which stays as it is", clusterdir.cluster, other)
    else:
        textfile.remove(clusterdir)
    with lock.locked(clusterdir, lock.WAIT):
        machines = provider(clusterdir, subnet)
        if any(machine.name == "login" and machine.state == "running" for machine in machines.observe()):
            _save_jobs(clusterdir)
        machines.teardown()
        if busy := mounts(clusterdir.path):
            raise KiwiError(f"still mounted: {', '.join(busy)}; nothing was removed", hint="unmount them and try again")
        for path in clusterdir.path.iterdir():
            if path.name not in KEPT or (everything and path.name != "lock"):
                _remove(path)
        (clusterdir.path / "lock").unlink()
        if not any(clusterdir.path.iterdir()):
            clusterdir.path.rmdir()
    if everything:
        _images(clusterdir.root)


def _save_jobs(clusterdir: ClusterDir) -> None:
    """Have slurmctld write its state, which it otherwise does seconds late."""
    with contextlib.suppress(KiwiError):
        Controller(clusterdir, load_nodeset(clusterdir.nodeset)["login"]).call(["systemctl", "stop", "slurmctld"])


def _subnet(clusterdir: ClusterDir) -> str:
    """Return the subnet that the cluster was made with, else the shipped one."""
    with contextlib.suppress(KiwiError):
        return written.read(clusterdir).subnet
    with contextlib.suppress(KiwiError):
        return written.copy(clusterdir).subnet
    return str(site_data.read_yaml(paths.REPO / "group_vars" / "all.yml")["subnet"])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def mounts(path: Path) -> list[str]:
    """Return what is mounted below a folder on this host."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    targets = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    return [target for target in targets if target == str(path) or target.startswith(f"{path}/")]


def _newest(path: Path) -> float:
    """Return when a folder, or one below it, was changed last, in unix seconds; what vanishes meanwhile is now."""
    try:
        return max(os.stat(folder).st_mtime for folder, _, _ in os.walk(path))
    except FileNotFoundError:
        return time.time()


def _images(root: Path) -> None:
    """Remove images that no other cluster needs, and the folders that are empty then; one caller at a time."""
    removal = root / "images" / ".removal"
    with contextlib.suppress(FileNotFoundError), lock.hold(removal, lock.WAIT):  # not found: another was quicker
        _remove_images(root)
        baking = removal.with_name(".lock")
        with contextlib.suppress(BusyError), lock.hold(baking, 0):  # who bakes keeps it: it holds up the next one
            baking.unlink()
        removal.unlink()
    for folder in (root / "images", root / "clusters", root):
        with contextlib.suppress(FileNotFoundError):
            if not any(folder.iterdir()) and not folder.is_mount():  # KIWI_ROOT may be a disk of its own
                os.rmdir(folder)


def _remove_images(root: Path) -> None:
    """Remove images that no other cluster's machines are, or will be, made of."""
    mounted = Path("/proc/self/mounts").read_text(encoding="utf-8")
    variables = [f.read_text(encoding="utf-8") for f in root.glob("clusters/*/terraform/local/*.tfvars.json")]
    states = [f.read_text(encoding="utf-8") for f in root.glob("clusters/*/terraform/local/terraform.tfstate")]
    for image in sorted((root / "images").glob("[!.]*")):
        if ".part-" in image.name and (age := time.time() - _newest(image)) < BAKING:
            log.info("the image %s stays: somebody bakes it (%.0f s ago)", image.name, age)
        elif not any(str(image).partition(".part-")[0] in text for text in (mounted, *variables, *states)):
            log.info("removing the image %s", image.name)
            _remove(image)
