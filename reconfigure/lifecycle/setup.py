"""Write the folder of a cluster from checked site data; what is right already stays."""

from __future__ import annotations

import contextlib
import filecmp
import ipaddress
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from kiwi.common import hostlist
from kiwi.common.errors import UsageError
from reconfigure.clusterdir import files, lock, rivals, sizes
from reconfigure.clusterdir.nodeset import load_nodeset, wish, wished
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.images import catalogue
from reconfigure.lifecycle import name_files
from reconfigure.model.node import Node, parse_node
from reconfigure.planning.sizes import pruned
from reconfigure.site import releases, user_ids, written
from reconfigure.site.data import Site, SiteError
from reconfigure.site.releases import Release
from reconfigure.ssh import authority, client_config
from reconfigure.terraform.client import Terraform

MODULES = ("nodeset", "local")
INPUT = "nodeset.auto.tfvars.json"  # of terraform/nodeset
NOT_COPIED = shutil.ignore_patterns(
    ".terraform*", "*.tfstate*", "*.tfvars*", "*.tfplan", "apply.*", "tests", "__pycache__"
)


def init(clusterdir: ClusterDir, site: Site) -> bool:
    """Make or refresh the folder; return whether anything changed.

    Raise SiteError, before anything is written, if the site data does not
    agree with this cluster's machines, with the ids that its users have had,
    or with another cluster on this host.
    """
    controller = check(clusterdir, site)
    with lock.locked(clusterdir, lock.WAIT):
        _layout(clusterdir)
        Terraform(clusterdir.local, rivals.environment(clusterdir)).mend()
        values = _input(site)
        nodes = _work_out(clusterdir, values)
        nodeset = {name: parse_node(record) for name, record in nodes.items()}
        _same_addresses(clusterdir, nodeset)
        changes = [
            _write_nodeset(clusterdir, values, nodes),
            user_ids.remember(clusterdir, site),
            authority.make_missing(clusterdir, site),
            _variables(clusterdir, site, nodeset),
            name_files.write(clusterdir, nodeset.values()),
        ]
        users = [user.name for user in site.users]
        changes += [
            sizes.write(clusterdir, pruned(sizes.read(clusterdir), site)),
            written.write(clusterdir, site.data),
            site.has_slurm and files.write_json(clusterdir.saved, {"version": 1, "slurm": controller.slurm}),
            files.write(clusterdir.path / "ssh_config", client_config.control(clusterdir, nodeset, users)),
        ]
    return any(changes)


def check(clusterdir: ClusterDir, site: Site) -> Release:
    """Return the login node's release. Raise SiteError if `init` would refuse the site data at once."""
    _no_overlap(clusterdir, site)
    user_ids.check(clusterdir, site)
    return _controller(clusterdir, site)


def check_addresses(clusterdir: ClusterDir, site: Site) -> None:
    """Raise SiteError if a machine that is there would get another address; change nothing."""
    nodes = _work_out(clusterdir, _input(site))
    _same_addresses(clusterdir, {name: parse_node(record) for name, record in nodes.items()})


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


def _input(site: Site) -> dict[str, Any]:
    """Return what terraform/nodeset works the nodes out from."""
    return {
        "subnet": site.subnet,
        "images": sorted(site.images),
        "flavors": sorted(site.flavors),
        "login": site.data["login"],
        "partitions": [{**p, "features": of.features} for p, of in zip(site.data["partitions"], site.partitions)],
    }


def _work_out(clusterdir: ClusterDir, values: dict[str, Any]) -> dict[str, Any]:
    """Return the records of all nodes: those that are written, or new ones if the input or the module has changed.

    New ones are worked out in a folder of their own, which is gone afterwards: they may still be refused.
    """
    folder, source = clusterdir.path / "terraform" / "nodeset", REPO / "terraform" / "nodeset"
    if clusterdir.nodeset.exists() and not module_differs(source, folder):
        with contextlib.suppress(UsageError), files.expected(folder / INPUT):
            if files.read_json(folder / INPUT) == json.loads(json.dumps(values)):
                return {name: node.data() for name, node in load_nodeset(clusterdir.nodeset).items()}
    clusterdir.run.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=clusterdir.run) as scratch:
        module = Path(scratch, "nodeset")
        copy_module(source, module)
        files.write_json(module / INPUT, values)
        terraform = Terraform(module, rivals.environment(clusterdir))
        terraform.init()
        return dict(terraform.outputs()["nodeset"])


def write_nodes(clusterdir: ClusterDir, site: Site) -> None:
    """Make nodeset.json anew from site data, under the lock: the same nodes have the same addresses."""
    values = _input(site)
    (clusterdir.path / "terraform" / "nodeset" / INPUT).unlink(missing_ok=True)
    _write_nodeset(clusterdir, values, _work_out(clusterdir, values))


def _write_nodeset(clusterdir: ClusterDir, values: dict[str, Any], nodes: dict[str, Any]) -> bool:
    """Write the nodes, the modules and last the input, which says that all is written; return whether any changed."""
    changes = [files.write_json(clusterdir.nodeset, {"version": 1, "nodes": nodes})]
    changes += [copy_module(REPO / "terraform" / name, clusterdir.path / "terraform" / name) for name in MODULES]
    changes.append(files.write_json(clusterdir.path / "terraform" / "nodeset" / INPUT, values))
    return any(changes)


def copy_module(source: Path, target: Path) -> bool:
    """Make `target` hold the module's files, its state and variables kept; return whether it changed."""
    differs = module_differs(source, target)
    if differs:
        for name in set(_module_files(target)) - set(_module_files(source)):
            (target / name).unlink()
        shutil.copytree(source, target, ignore=NOT_COPIED, dirs_exist_ok=True)
    return differs


def module_differs(source: Path, target: Path) -> bool:
    """Return whether the files of two folders of a module differ in name, content or execute bits."""
    names = _module_files(source)
    return set(names) != set(_module_files(target)) or any(
        not filecmp.cmp(source / n, target / n, shallow=False)
        or (source / n).stat().st_mode & 0o111 != (target / n).stat().st_mode & 0o111
        for n in names
    )


def _module_files(folder: Path) -> list[Path]:
    """Return the files of a module relative to its folder; none if that is not there."""
    found: list[Path] = []
    for path, folders, names in os.walk(folder):
        left_out = NOT_COPIED(path, [*folders, *names])
        folders[:] = [f for f in folders if f not in left_out]
        found += [Path(path, n).relative_to(folder) for n in names if n not in left_out]
    return found


def _variables(clusterdir: ClusterDir, site: Site, nodeset: dict[str, Node]) -> bool:
    """Write Terraform's variables and make terraform/local ready."""
    values: dict[str, Any] = {
        "cluster": {"name": clusterdir.cluster, "home": str(clusterdir.path), "subnet": site.subnet},
        "images": catalogue.current(clusterdir.root, site, before(clusterdir).get("images", {})),
    }
    changes = [files.write_json(clusterdir.variables, values), wish(clusterdir, wished(clusterdir), nodeset)]
    Terraform(clusterdir.local, rivals.environment(clusterdir)).init()
    return any(changes)


def before(clusterdir: ClusterDir) -> dict[str, Any]:
    """Return Terraform's variables as they are written; empty where there are none yet. Raise UsageError if broken."""
    if not clusterdir.variables.exists():
        return {}
    with files.expected(clusterdir.variables):
        found = files.read_json(clusterdir.variables)
        return {**found, "images": dict(found["images"])}


def refresh_images(clusterdir: ClusterDir, site: Site) -> None:
    """Have new machines made from what has been baked since."""
    found = before(clusterdir)
    files.write_json(
        clusterdir.variables, {**found, "images": catalogue.current(clusterdir.root, site, found["images"])}
    )


def _same_addresses(clusterdir: ClusterDir, nodeset: dict[str, Node]) -> None:
    """Raise SiteError if a machine that is there would get another address."""
    given = dict[str, str]()
    with contextlib.suppress(UsageError):
        given = {name: node.address for name, node in load_nodeset(clusterdir.nodeset).items()}
    state = Terraform(clusterdir.local, rivals.environment(clusterdir)).instances()
    moved = [n for n in state if n in nodeset and nodeset[n].address != given.get(n, nodeset[n].address)]
    if moved:
        raise SiteError(
            [
                f"subnet, partitions: {hostlist.fold(moved)} would get another address while running; needs the same "
                "subnet and order of partitions as before (new ones at the end), each within its block of addresses "
                "(1024, 2048, 4096 …, more than max_nodes), or bin/down first"
            ]
        )


def _controller(clusterdir: ClusterDir, site: Site) -> Release:
    """Return the login node's release. Raise SiteError if its slurmctld would not read the state that is saved."""
    image = site.data["login"]["image"]
    found = releases.known()[site.images[image]]
    saved = files.read_json(clusterdir.saved)["slurm"] if clusterdir.saved.exists() else found.slurm
    if site.has_slurm and saved not in found.takes:
        needs = (
            f"an image with Slurm {saved}, whose state this cluster has ({found.words} has {found.slurm} and does not"
        )
        raise SiteError([f"login.image: found '{image}'; needs {needs} read it), or bin/down --all first"])
    return found


def _no_overlap(clusterdir: ClusterDir, site: Site) -> None:
    own = ipaddress.IPv4Network(site.subnet)
    for file in (clusterdir.root / "clusters").glob("*/site.json"):
        name = file.parent.name
        if name == clusterdir.cluster:
            continue
        with contextlib.suppress(UsageError):  # broken: that cluster's bridge, which is looked for, too, tells the rest
            other = ipaddress.IPv4Network(written.read(ClusterDir(clusterdir.root, name)).subnet)
            if own.overlaps(other):
                break
    else:
        return
    needs = f"one that does not overlap {other} of the cluster {name}, such as 10.77.0.0/16"
    raise SiteError([f"subnet: found '{site.subnet}'; needs {needs}"])
