"""Files that name every node: what they say, and what slurm.conf says of addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconfigure.cluster import inventory
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.lifecycle import name_files
from reconfigure.model.node import Node


def node(name: str, address: str) -> Node:
    return Node(name, "slurm", name.partition("-")[0], address, "debian13", "small", ())


def test_they_name_all_nodes_and_are_written_once(tmp_path: Path) -> None:
    clusterdir, nodes = ClusterDir(tmp_path, "lab"), [node("cpu-1", "198.18.4.1"), node("cpu-2", "198.18.4.2")]
    assert name_files.write(clusterdir, iter(nodes))
    assert not name_files.write(clusterdir, nodes)
    hosts = (clusterdir.path / "names" / "hosts").read_text()
    assert hosts.startswith("127.0.0.1 localhost\n")
    assert hosts.endswith("\n\n198.18.4.1 cpu-1.lab cpu-1\n198.18.4.2 cpu-2.lab cpu-2\n")
    assert (clusterdir.path / "names" / "shosts.equiv").read_text() == "cpu-1.lab\ncpu-1\ncpu-2.lab\ncpu-2\n"


@pytest.mark.parametrize(
    ("addresses", "hostlist"),
    [
        (["198.18.4.1"], "198.18.4.1"),
        (["198.18.4.254", "198.18.4.255", "198.18.5.0", "198.18.5.1"], "198.18.4.[254-255],198.18.5.[0-1]"),
        (["198.18.4.255", "198.18.5.0"], "198.18.4.255,198.18.5.0"),
        (["10.0.0.7", "10.0.0.6", "10.0.0.8"], "10.0.0.7,10.0.0.6,10.0.0.8"),
    ],
)
def test_addresses_of_a_partition_are_one_hostlist_in_the_order_of_its_nodes(
    addresses: list[str], hostlist: str
) -> None:
    nodes = [node(f"cpu-{number}", address) for number, address in enumerate(addresses, 1)]
    assert inventory.addresses([*reversed(nodes), Node("login", "login", "", "198.18.0.10", "i", "f", ())]) == {
        "cpu": hostlist
    }
