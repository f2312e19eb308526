"""Ansible's view of a cluster; all of it is decided in reconfigure/cluster/inventory.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from reconfigure.cluster import inventory
from reconfigure.clusterdir import orphans, paths, rivals

DOCUMENTATION = """
name: nodes
short_description: Machines of a Kiwi cluster
description:
  - Hosts are the node records whose machines are in the Terraform state of the cluster
    that C(KIWI_CLUSTER) names (default is C(cluster_name) of the shipped site data).
options:
  plugin:
    description: Name of this plugin.
    required: true
    choices: [kiwi.cluster.nodes]
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """Hosts and groups of one cluster."""

    NAME = "kiwi.cluster.nodes"

    def verify_file(self, path: str) -> bool:
        """Only inventory.yml at the root asks for this plugin."""
        return bool(super().verify_file(path)) and path.endswith("inventory.yml")

    def parse(self, inventory_: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Fill Ansible's inventory."""
        super().parse(inventory_, loader, path, cache)
        orphans.end_with_parent()
        self._read_config_data(path)
        found = inventory.load(paths.of(paths.default_cluster(os.environ)), os.environ.get(rivals.BATCH, ""))
        for group in found.groups:
            inventory_.add_group(group)
        for name, variables in found.hosts.items():
            inventory_.add_host(name)
            for key, value in variables.items():
                inventory_.set_variable(name, key, value)
        for group, members in found.groups.items():
            for name in members:
                inventory_.add_child(group, name)
        for key, value in found.variables.items():
            inventory_.set_variable("all", key, value)
