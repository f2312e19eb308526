"""Write the folder of a cluster from checked site data; what is right already stays."""

from __future__ import annotations

import filecmp
import ipaddress
import os
import shutil
from pathlib import Path
from typing import Any

from kiwi.common import hostlist
from reconfigure.clusterdir import files, lock
from reconfigure.clusterdir.nodeset import load_nodeset
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.images import catalogue
from reconfigure.model.node import Node
from reconfigure.site import releases, user_ids
from reconfigure.site import rules as site_rules
from reconfigure.site.data import Site, SiteError
from reconfigure.site.releases import Release
from reconfigure.ssh import authority, client_config
from reconfigure.terraform.client import Terraform

MODULES = ("nodeset", "local")
NOT_COPIED = shutil.ignore_patterns(
    ".terraform*", "*.tfstate*", "*.tfvars*", "*.tfplan", "apply.*", "tests", "__pycache__"
)


def init(clusterdir: ClusterDir, site: Site) -> bool:
    """Make or refresh the folder; return whether anything changed.

    Raises SiteError, before anything is written, where the site data does not
    agree with this cluster's machines, with the ids that its users have had,
    or with another cluster on this host.
    """
    _no_overlap(clusterdir, site)
    user_ids.check(clusterdir, site)
    controller = _controller(clusterdir, site)
    with lock.locked(clusterdir, lock.WAIT):
        _layout(clusterdir)
        Terraform(clusterdir.local, lock.environment(clusterdir)).mend()
        nodeset, new = _nodeset(clusterdir, site)
        _same_addresses(clusterdir, nodeset)
        changes = [
            new,
            user_ids.remember(clusterdir, site),
            authority.make_missing(clusterdir, site),
            _variables(clusterdir, site, nodeset),
        ]
        user = site.users[0].name if site.users else "root"
        changes += [
            files.write_json(clusterdir.site, site.data),
            files.write_json(clusterdir.saved, {"version": 1, "slurm": controller.slurm}),
            files.write(clusterdir.path / "ssh_config", client_config.control(clusterdir, nodeset, user)),
        ]
    return any(changes)


def _layout(clusterdir: ClusterDir) -> None:
    clusterdir.path.chmod(0o700)
    for folder in (
        clusterdir.run,
        clusterdir.log,
        clusterdir.metrics,
        clusterdir.path / "machines",
        clusterdir.path / "identity",
    ):
        folder.mkdir(mode=0o700, exist_ok=True)


def _nodeset(clusterdir: ClusterDir, site: Site) -> tuple[dict[str, Node], bool]:
    """Copy the modules, run terraform/nodeset where its input is new, return all nodes."""
    copied = [copy_module(REPO / "terraform" / m, clusterdir.path / "terraform" / m) for m in MODULES]
    folder = clusterdir.path / "terraform" / "nodeset"
    values = {
        "subnet": site.subnet,
        "images": sorted(site.images),
        "flavors": sorted(site.flavors),
        "login": site.data["login"],
        "partitions": [{**p, "features": of.features} for p, of in zip(site.data["partitions"], site.partitions)],
    }
    if files.write_json(folder / "nodeset.auto.tfvars.json", values) or any(copied) or not clusterdir.nodeset.exists():
        clusterdir.nodeset.unlink(missing_ok=True)
        terraform = Terraform(folder, lock.environment(clusterdir))
        terraform.init()
        found = terraform.outputs()["nodeset"]
        files.write_json(clusterdir.nodeset, {"version": 1, "nodes": found})
        return load_nodeset(clusterdir.nodeset), True
    return load_nodeset(clusterdir.nodeset), False


def copy_module(source: Path, target: Path) -> bool:
    """Make `target` hold the module's files, its state and variables kept; return whether it changed."""
    with_names = {p.relative_to(source) for p in _module_files(source)}
    present = {p.relative_to(target) for p in _module_files(target)} if target.exists() else set()
    differ = with_names != present or any(
        not filecmp.cmp(source / n, target / n, shallow=False)
        or (source / n).stat().st_mode & 0o111 != (target / n).stat().st_mode & 0o111
        for n in with_names
    )
    if differ:
        for name in present - with_names:
            (target / name).unlink()
        shutil.copytree(source, target, ignore=NOT_COPIED, dirs_exist_ok=True)
    return differ


def _module_files(folder: Path) -> list[Path]:
    found = []
    for path, folders, names in os.walk(folder):
        left_out = NOT_COPIED(path, [*folders, *names])
        folders[:] = [f for f in folders if f not in left_out]
        found += [Path(path, n) for n in names if n not in left_out]
    return found


def _variables(clusterdir: ClusterDir, site: Site, nodeset: dict[str, Node]) -> bool:
    """Write Terraform's variables and make terraform/local ready."""
    values: dict[str, Any] = {
        "cluster": {"name": clusterdir.cluster, "home": str(clusterdir.path), "subnet": site.subnet},
        "nodeset": {name: node.data() for name, node in nodeset.items()},
        "images": catalogue.current(clusterdir.root, site, _before(clusterdir).get("images", {})),
    }
    changed = files.write_json(clusterdir.variables, values)
    if not clusterdir.names.exists():
        changed = files.write_json(clusterdir.names, {"nodes": []})
    Terraform(clusterdir.local, lock.environment(clusterdir)).init()
    return changed


def _before(clusterdir: ClusterDir) -> dict[str, Any]:
    return files.read_json(clusterdir.variables) if clusterdir.variables.exists() else {}


def refresh_images(clusterdir: ClusterDir, site: Site) -> None:
    """Have new machines made from what has been baked since."""
    before = _before(clusterdir)
    files.write_json(
        clusterdir.variables, {**before, "images": catalogue.current(clusterdir.root, site, before["images"])}
    )


def _same_addresses(clusterdir: ClusterDir, nodeset: dict[str, Node]) -> None:
    """Raise SiteError if a machine that is there would get another address."""
    before = _before(clusterdir).get("nodeset", {})
    state = Terraform(clusterdir.local, lock.environment(clusterdir)).instances()
    moved = [n for n in state if n in before and n in nodeset and nodeset[n].address != before[n]["address"]]
    if moved:
        clusterdir.nodeset.unlink()
        raise SiteError(
            [
                f"subnet, partitions: {hostlist.fold(moved)} would get another address while running; needs the same "
                "subnet and order of partitions as before (new ones at the end), or bin/down first"
            ]
        )


def _controller(clusterdir: ClusterDir, site: Site) -> Release:
    """Return the login node's release. Raise SiteError if its slurmctld would not read the state that is saved."""
    image = site.data["login"]["image"]
    found = releases.known()[site.images[image]]
    saved = files.read_json(clusterdir.saved)["slurm"] if clusterdir.saved.exists() else found.slurm
    if saved not in found.takes:
        needs = (
            f"an image with Slurm {saved}, whose state this cluster has ({found.words} has {found.slurm} and does not"
        )
        raise SiteError([f"login.image: found '{image}'; needs {needs} read it), or bin/down --all first"])
    return found


def _no_overlap(clusterdir: ClusterDir, site: Site) -> None:
    own = ipaddress.IPv4Network(site.subnet)
    for file in (clusterdir.root / "clusters").glob("*/site.json"):
        other = site_rules.network(files.read_json(file).get("subnet"))
        if file.parent.name != clusterdir.cluster and other is not None and own.overlaps(other):
            needs = f"one that does not overlap {other} of the cluster {file.parent.name}, such as 10.77.0.0/16"
            raise SiteError([f"subnet: found '{site.subnet}'; needs {needs}"])
