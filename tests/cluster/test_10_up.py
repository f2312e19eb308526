"""`bin/up`: the cluster of the README, and nothing to do the second time."""

from __future__ import annotations

import base64
import json

from tests.cluster.conftest import Cluster


def test_the_cluster_is_what_the_site_says(cluster: Cluster) -> None:
    assert set(cluster.instances()) == {"login", "cpu-1", "lab-1", "lab-2"}
    states = cluster.slurm()
    assert states.pop("cpu-1") in {"idle", "mixed", "allocated"}
    assert set(states) == {"cpu-2", "cpu-3", "cpu-4"}
    assert {row["state"] for row in cluster.bookings().values()} == {"free"}


def test_nothing_changes_the_second_time(cluster: Cluster) -> None:
    cluster.up_again()


def test_no_secret_is_in_arguments_or_logs(cluster: Cluster) -> None:
    key = (cluster.clusterdir / "keys/munge.key").read_bytes()
    encoded = base64.b64encode(key)[:40]
    for file in [
        *cluster.clusterdir.glob("log/**/*"),
        *cluster.clusterdir.glob("run/**/*"),
        *cluster.clusterdir.glob("metrics/*"),
    ]:
        if file.is_file():
            assert encoded not in file.read_bytes(), file
            assert key not in file.read_bytes(), file


def test_status_names_every_node(cluster: Cluster) -> None:
    rows = json.loads(cluster.command("reconfigure", "status", "--json").out)
    assert {row["node"] for row in rows["nodes"]} == {"login", "cpu-1", "cpu-2", "cpu-3", "cpu-4", "lab-1", "lab-2"}
    assert rows["worker"]["alive"] is True


def test_a_faulty_site_changes_nothing(cluster: Cluster, tmp_path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(
        f"cluster_name: {cluster.name}\nsuspend_time: -3\n"
        "partitions:\n  - {name: Bad_, scheduler: pbs, min_nodes: 4}\n"
    )
    before = {p: p.read_bytes() for p in (cluster.clusterdir / "site.json", cluster.clusterdir / "nodeset.json")}
    refused = cluster.command("up", "--site", str(bad), check=False)
    assert refused.code == 2
    for expected in ("suspend_time", "-3", "partitions[0].name", "Bad_", "partitions[0].scheduler", "pbs"):
        assert expected in refused.err
    assert "Traceback" not in refused.err
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_person_sees_the_way_in(cluster: Cluster) -> None:
    text = cluster.command("login", "--ssh-config").out
    assert "@cert-authority" in text
    assert f"Host {cluster.name}-login" in text
    assert "PRIVATE" not in text
