"""The second cluster goes; the first one keeps its job, its machines and the host's settings."""

from __future__ import annotations

from pathlib import Path

from tests import tracks
from tests.cluster.conftest import Cluster, host_state, wait_for


def test_down_of_one_leaves_the_other(cluster: Cluster, second: Cluster, host_shared: None) -> None:
    before, machines = host_state(), cluster.instances()
    with cluster.child("alice@login", "srun -w cpu-1 sh -c 'sleep 15; hostname'") as job:
        wait_for("the job runs", lambda: cluster.slurm()["cpu-1"] in {"allocated", "mixed"}, 60)
        second.command("down", "--all")
        out, _ = job.communicate(timeout=120)
    assert out.strip() == "cpu-1"
    assert cluster.instances().items() >= {n: i for n, i in machines.items() if n in ("login", "cpu-1")}.items()
    after = host_state()
    assert not second.clusterdir.exists()
    assert second.name not in after["links"] + after["rules"]
    assert f"kw-{cluster.name}" in after["links"]
    assert f"table ip kiwi-{cluster.name}" in after["rules"]
    assert {name: after[name] for name in tracks.SETTINGS} == {name: before[name] for name in tracks.SETTINGS}
    for record in (cluster.clusterdir.parents[1] / "host").iterdir():
        users = [line.split()[1] for line in record.read_text().splitlines() if line.startswith("cluster ")]
        assert cluster.name in users
        assert second.name not in users
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text() == "1\n"
    assert cluster.ssh("alice@login", "srun -w cpu-1 hostname").out.strip() == "cpu-1"
