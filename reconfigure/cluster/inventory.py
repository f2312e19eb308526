"""The inventory: nodeset records that exist in Terraform's state (docs/seams.md, section 2)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import groupby
from pathlib import Path
from typing import Any

from reconfigure.clusterdir import batches, files, sizes, ssh_options
from reconfigure.clusterdir.environment import ours
from reconfigure.clusterdir.nodeset import load_nodeset
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.model.node import Node
from reconfigure.planning.sizes import excluded
from reconfigure.site import releases, written
from reconfigure.terraform.client import Terraform
from reconfigure.terraform.events import Instance


@dataclass(frozen=True)
class Inventory:
    """Variables of each host, members of each group, variables of all."""

    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {"hosts": dict(self.hosts), "groups": dict(self.groups), "variables": dict(self.variables)}


def build(
    clusterdir: ClusterDir,
    nodeset: Mapping[str, Node],
    state: Mapping[str, Instance],
    baked: Mapping[str, Mapping[str, str]],
    facts: Mapping[str, Mapping[str, Any]],
    suspend_exc: str = "",
) -> Inventory:
    """Return the inventory of the nodes that are in the state (pure); all groups are named, also empty ones.

    The login node is the host `login`, in no group: Ansible warns of a group
    that has a host's name, and `hosts: login` needs none.
    """
    there = [node for name, node in nodeset.items() if name in state]
    hosts = {node.name: _variables(clusterdir, node, state[node.name], facts[node.name]) for node in there}
    groups: dict[str, list[str]] = {"slurm": [], "booking": [], "nodes": []}
    groups |= {f"partition_{node.partition}": [] for node in nodeset.values() if node.partition}
    for node in (node for node in there if node.role != "login"):
        for group in (node.role, "nodes", f"partition_{node.partition}"):
            groups[group].append(node.name)
    variables = {
        "nodeset": {node.name: node.data() for node in nodeset.values() if node.name in state or node.role == "login"},
        "addresses": addresses(nodeset.values()),
        "cluster_home": str(clusterdir.path),
        "kiwi_repo": str(REPO),
        "images_baked": dict(baked),
        "suspend_exc": suspend_exc,
    }
    return Inventory(hosts, {name: tuple(members) for name, members in groups.items()}, variables)


def addresses(nodes: Iterable[Node]) -> dict[str, str]:
    """Return the addresses of each partition's nodes in the order of their numbers, as one hostlist.

    With it slurm.conf has one line for a partition, whatever its size.
    """
    numbers: dict[str, list[IPv4Address]] = {}
    for node in sorted((node for node in nodes if node.partition), key=lambda node: int(node.name.rpartition("-")[2])):
        numbers.setdefault(node.partition, []).append(IPv4Address(node.address))
    return {partition: ",".join(_runs(found)) for partition, found in numbers.items()}


def _runs(found: Sequence[IPv4Address]) -> Iterator[str]:
    """Yield addresses that follow each other as one word: 198.18.4.[1-255]."""
    for _, run in groupby(enumerate(map(int, found)), key=lambda item: (item[1] - item[0], item[1] >> 8)):
        each = [number for _, number in run]
        first, last = IPv4Address(each[0]), each[-1] & 0xFF
        network, _, host = str(first).rpartition(".")
        yield str(first) if len(each) == 1 else f"{network}.[{host}-{last}]"


def _variables(clusterdir: ClusterDir, node: Node, instance: Instance, facts: Mapping[str, Any]) -> dict[str, Any]:
    options = {**ssh_options.to_node(clusterdir, node.name), **ssh_options.ALIVE}
    return {
        "node": {**node.data(), "instance": instance.id},
        "release": dict(facts),
        "ansible_host": node.address,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(clusterdir.control_key),
        "ansible_ssh_common_args": " ".join(["-F", "none", *ssh_options.arguments(options)]),
    }


def load(clusterdir: ClusterDir, batch: str = "") -> Inventory:
    """Return the inventory of a cluster as a batch began with it, or ("") as it is now; no hosts if there is none yet.

    Nodes that a batch brings up at this moment are in that one's inventory alone.
    """
    if not clusterdir.nodeset.exists():
        return build(clusterdir, {}, {}, {}, {})
    with files.expected(clusterdir.variables):
        named = files.read_json(clusterdir.variables)["images"]
    baked = {name: image for name, image in named.items() if (Path(image["path"]) / "image.json").exists()}
    state = _state(clusterdir, batch)
    nodeset, site = load_nodeset(clusterdir.nodeset), written.read(clusterdir)
    known = {name: releases.facts(name) for name in releases.known()}
    there = [node for name, node in nodeset.items() if name in state]
    facts = {node.name: known[releases.of_machine(clusterdir, node, site.data["images"])] for node in there}
    return build(clusterdir, nodeset, state, baked, facts, excluded(site, sizes.read(clusterdir)))


def _state(clusterdir: ClusterDir, batch: str) -> Mapping[str, Instance]:
    """Return Terraform's state, but nodes that are busy; of a batch the one that it began with.

    A later change may be writing the state file in this moment.
    """
    path = clusterdir.batches / batch / batches.INSTANCES
    if batch and path.exists():
        return {name: Instance(**values) for name, values in files.read_json(path).items()}
    busy = batches.busy(clusterdir)
    state = Terraform(clusterdir.local, ours(os.environ)).instances()
    return {name: instance for name, instance in state.items() if name not in busy}
