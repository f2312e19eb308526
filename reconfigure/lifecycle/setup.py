"""Write the home of a cluster from checked site data; what is right already stays."""

from __future__ import annotations

import filecmp
import ipaddress
import os
import shutil
from pathlib import Path
from typing import Any

from reconfigure.clusterdir import lock, paths
from reconfigure.clusterdir.paths import REPO, Home
from reconfigure.images import catalogue
from reconfigure.model import records
from reconfigure.model.records import Node
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


def init(home: Home, site: Site) -> bool:
    """Make or refresh the home; return whether anything changed.

    Raises SiteError, before anything is written, where the site data does not
    agree with this cluster's machines, with the ids that its users have had,
    or with another cluster on this host.
    """
    _no_overlap(home, site)
    user_ids.check(home, site)
    controller = _controller(home, site)
    with lock.locked(home, lock.WAIT):
        _layout(home)
        Terraform(home.local, lock.environment(home)).mend()
        nodeset, new = _nodeset(home, site)
        _same_addresses(home, nodeset)
        changes = [new, user_ids.remember(home, site), authority.make(home, site), _variables(home, site, nodeset)]
        user = site.users[0].name if site.users else "root"
        changes += [
            paths.write_json(home.site, site.data),
            paths.write_json(home.saved, {"version": 1, "slurm": controller.slurm}),
            paths.write(home.path / "ssh_config", client_config.control(home.path, nodeset, user)),
        ]
    return any(changes)


def _layout(home: Home) -> None:
    home.path.chmod(0o700)
    for folder in (home.run, home.log, home.metrics, home.path / "machines", home.path / "identity"):
        folder.mkdir(mode=0o700, exist_ok=True)


def _nodeset(home: Home, site: Site) -> tuple[dict[str, Node], bool]:
    """Copy the modules, run terraform/nodeset where its input is new, return all nodes."""
    copied = [copy_module(REPO / "terraform" / m, home.path / "terraform" / m) for m in MODULES]
    folder = home.path / "terraform" / "nodeset"
    values = {
        "subnet": site.subnet,
        "images": sorted(site.images),
        "flavors": sorted(site.flavors),
        "login": site.data["login"],
        "partitions": [{**p, "features": of.features} for p, of in zip(site.data["partitions"], site.partitions)],
    }
    if paths.write_json(folder / "nodeset.auto.tfvars.json", values) or any(copied) or not home.nodeset.exists():
        home.nodeset.unlink(missing_ok=True)
        terraform = Terraform(folder, lock.environment(home))
        terraform.init()
        found = terraform.outputs()["nodeset"]
        paths.write_json(home.nodeset, {"version": 1, "nodes": found})
        return records.nodeset(home.nodeset), True
    return records.nodeset(home.nodeset), False


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


def _variables(home: Home, site: Site, nodeset: dict[str, Node]) -> bool:
    """Write Terraform's variables and make terraform/local ready."""
    values: dict[str, Any] = {
        "cluster": {"name": home.cluster, "home": str(home.path), "subnet": site.subnet},
        "nodeset": {name: node.data() for name, node in nodeset.items()},
        "images": catalogue.current(home.root, site, _before(home).get("images", {})),
    }
    changed = paths.write_json(home.variables, values)
    if not home.names.exists():
        changed = paths.write_json(home.names, {"nodes": []})
    Terraform(home.local, lock.environment(home)).init()
    return changed


def _before(home: Home) -> dict[str, Any]:
    return paths.read_json(home.variables) if home.variables.exists() else {}


def refresh_images(home: Home, site: Site) -> None:
    """Have new machines made from what has been baked since."""
    before = _before(home)
    paths.write_json(home.variables, {**before, "images": catalogue.current(home.root, site, before["images"])})


def _same_addresses(home: Home, nodeset: dict[str, Node]) -> None:
    """Machines keep their addresses as long as they live."""
    before = _before(home).get("nodeset", {})
    state = Terraform(home.local, lock.environment(home)).instances()
    moved = [n for n in state if n in before and n in nodeset and nodeset[n].address != before[n]["address"]]
    if moved:
        home.nodeset.unlink()
        raise SiteError(
            [
                f"subnet, partitions: {records.fold(moved)} would get another address while running; needs the same "
                "subnet and order of partitions as before (new ones at the end), or bin/down first"
            ]
        )


def _controller(home: Home, site: Site) -> Release:
    """The login node's release; SiteError where its slurmctld would not read the state that is saved."""
    image = site.data["login"]["image"]
    found = releases.known()[site.images[image]]
    saved = paths.read_json(home.saved)["slurm"] if home.saved.exists() else found.slurm
    if saved not in found.takes:
        needs = (
            f"an image with Slurm {saved}, whose state this cluster has ({found.words} has {found.slurm} and does not"
        )
        raise SiteError([f"login.image: found '{image}'; needs {needs} read it), or bin/down --all first"])
    return found


def _no_overlap(home: Home, site: Site) -> None:
    own = ipaddress.IPv4Network(site.subnet)
    for file in (home.root / "clusters").glob("*/site.json"):
        other = site_rules.network(paths.read_json(file).get("subnet"))
        if file.parent.name != home.cluster and other is not None and own.overlaps(other):
            needs = f"one that does not overlap {other} of the cluster {file.parent.name}, such as 10.77.0.0/16"
            raise SiteError([f"subnet: found '{site.subnet}'; needs {needs}"])
