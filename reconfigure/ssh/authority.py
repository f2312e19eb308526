"""Keys and certificates of a cluster; what exists stays.

The host CA signs a certificate for every node when it is made, so one
`@cert-authority` line is all that a client needs, and a machine made anew
never warns.
"""

from __future__ import annotations

import ipaddress
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from kiwi.common import process
from kiwi.common.files import replace
from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.site.data import Site

MUNGE_BYTES = 1024
NEW = "new"  # file in an identity: this machine was never configured
REMADE = "remade"  # likewise: it was made while Slurm was away


def make_missing(clusterdir: ClusterDir, site: Site) -> bool:
    """Make the keys that are missing and known_hosts; return whether anything changed."""
    users = [clusterdir.path / "keys" / "users" / user.name for user in site.users if not user.keys]
    wanted = {
        clusterdir.path / "ca" / "host_ca": f"{clusterdir.cluster} host CA",
        clusterdir.control_key: f"{clusterdir.cluster} control",
    }
    wanted |= {path: f"{path.name}@{clusterdir.cluster}" for path in users}
    made = [_key_pair(path, comment) for path, comment in wanted.items()]
    munge = site.has_slurm and _munge_key(clusterdir)
    return any([*made, munge, files.write(clusterdir.known_hosts, _authority(clusterdir, site))])


def _key_pair(path: Path, comment: str) -> bool:
    """Make an ed25519 key pair, as a whole or not at all; return whether it was missing."""
    if path.exists() and path.with_name(f"{path.name}.pub").exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    public = draft.with_name(f"{draft.name}.pub")
    draft.unlink(missing_ok=True)
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(draft)])
    pair = (public.read_bytes(), draft.read_bytes())
    draft.unlink()
    public.unlink()
    for target, content in zip((path.with_name(f"{path.name}.pub"), path), pair, strict=True):
        replace(target, content, 0o600)
    return True


def _munge_key(clusterdir: ClusterDir) -> bool:
    path = clusterdir.path / "keys" / "munge.key"
    if path.exists() and path.stat().st_size == MUNGE_BYTES:
        return False
    replace(path, secrets.token_bytes(MUNGE_BYTES), 0o600)
    return True


def _authority(clusterdir: ClusterDir, site: Site) -> str:
    names = ["login", *(f"{p.name}-*" for p in site.partitions), f"*.{clusterdir.cluster}", *patterns(site.subnet)]
    key = (clusterdir.path / "ca" / "host_ca.pub").read_text(encoding="utf-8").split()
    return f"@cert-authority {','.join(names)} {key[0]} {key[1]}\n"


def patterns(subnet: str) -> list[str]:
    """Return host patterns (10.*, 10.1.*, 10.1.2.*; ssh_config(5)) that cover exactly a subnet of /24 or larger."""
    net = ipaddress.IPv4Network(subnet)
    octets = -(-net.prefixlen // 8)
    parts = net.subnets(new_prefix=octets * 8) if net.prefixlen % 8 else [net]
    return [".".join(str(part.network_address).split(".")[:octets]) + ".*" for part in parts]


def make_identity(clusterdir: ClusterDir, node: Node) -> None:
    """Make a new host key and certificate for a node that is about to be made, and mark it new."""
    folder = clusterdir.identity(node.name)
    draft = folder.with_name(f".{node.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700, parents=True)
    key = draft / "ssh_host_ed25519_key"
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", node.name, "-f", str(key)])
    names = ",".join((node.name, f"{node.name}.{clusterdir.cluster}", node.address))
    authority = str(clusterdir.path / "ca" / "host_ca")
    process.run(["ssh-keygen", "-q", "-s", authority, "-I", node.name, "-h", "-n", names, f"{key}.pub"])
    for file in draft.iterdir():
        file.chmod(0o600)
    (draft / NEW).touch(mode=0o600)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def unconfigured(clusterdir: ClusterDir) -> frozenset[str]:
    """Nodes that were made and never configured by the driver."""
    return frozenset(path.parent.name for path in clusterdir.path.glob(f"identity/*/{NEW}"))


def identities(clusterdir: ClusterDir) -> frozenset[str]:
    """Nodes that have an identity, machines or not; and drafts that a killed run left."""
    return frozenset(path.name for path in clusterdir.path.glob("identity/*"))


def mark_configured(clusterdir: ClusterDir, names: Iterable[str]) -> None:
    """Say that nodes are configured, or that another will do it."""
    for name in names:
        (clusterdir.identity(name) / NEW).unlink(missing_ok=True)


def mark_remade(clusterdir: ClusterDir, name: str) -> None:
    """Mark a node made while Slurm was away: it may believe that a job runs there, on a machine that is gone."""
    (clusterdir.identity(name) / REMADE).touch(mode=0o600)


def remade(clusterdir: ClusterDir) -> frozenset[str]:
    """Nodes whose lost jobs Slurm was not yet told of."""
    return frozenset(path.parent.name for path in clusterdir.path.glob(f"identity/*/{REMADE}"))


def unmark_remade(clusterdir: ClusterDir, names: Iterable[str]) -> None:
    """Say that Slurm knows of the lost jobs of these nodes."""
    for name in names:
        (clusterdir.identity(name) / REMADE).unlink(missing_ok=True)


def forget(clusterdir: ClusterDir, names: Iterable[str]) -> None:
    """Remove the identities of nodes that are gone."""
    for name in names:
        shutil.rmtree(clusterdir.identity(name), ignore_errors=True)
