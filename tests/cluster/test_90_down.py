"""`bin/down`: gone without a trace, data kept; `--all`: data gone, too. Last, as it removes the cluster."""

from __future__ import annotations

import psutil

from tests.cluster.conftest import Cluster, host_state


def strays(cluster: Cluster) -> list[str]:
    """Processes that work for this cluster."""
    found = []
    for child in psutil.process_iter(["cmdline"]):
        line = " ".join(child.info["cmdline"] or [])
        if str(cluster.clusterdir) in line or f"-M {cluster.name}-" in line:
            found.append(line)
    return found


def test_down_keeps_the_data_and_nothing_else(cluster: Cluster, before: dict[str, str], host_alone: None) -> None:
    cluster.ssh("alice@login", "echo kept >~/kept.txt")
    cluster.command("down")
    assert host_state() == before
    assert strays(cluster) == []
    assert sorted(p.name for p in cluster.clusterdir.iterdir()) == ["ca", "data", "keys"]
    assert (cluster.clusterdir / "data/home/alice/kept.txt").read_text() == "kept\n"
    assert cluster.command("down").code == 0, "down is idempotent"


def test_up_again_has_the_same_data_and_host_ca(cluster: Cluster) -> None:
    authority = (cluster.clusterdir / "ca/host_ca.pub").read_text()
    cluster.up()
    assert cluster.ssh("alice@login", "cat kept.txt").out == "kept\n"
    assert (cluster.clusterdir / "ca/host_ca.pub").read_text() == authority


def test_down_all_leaves_nothing(cluster: Cluster, before: dict[str, str], host_alone: None) -> None:
    cluster.command("down", "--all")
    assert not cluster.clusterdir.exists()
    assert host_state() == before
    assert strays(cluster) == []
