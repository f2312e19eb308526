"""Kills: of machines, of the worker, of the control side."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from kiwi.common import process
from tests.cluster.conftest import Cluster, wait_for


def worker(cluster: Cluster) -> int:
    return int(json.loads(cluster.command("reconfigure", "status", "--json").out)["worker"]["pid"])


def restart(cluster: Cluster) -> None:
    cluster.command("reconfigure", "serve", "--detach")


def test_the_worker_killed_in_an_apply(cluster: Cluster) -> None:
    cluster.rest()
    names = cluster.clusterdir / "terraform/local/nodes.auto.tfvars.json"
    with cluster.child("alice@login", "srun -N 3 hostname") as job:
        wait_for("a machine is being made", lambda: "cpu-3" in names.read_text(), 60, pause=0.02)
        os.kill(worker(cluster), signal.SIGKILL)
        restart(cluster)
        out, err = job.communicate(timeout=240)
    assert len(set(out.split())) == 3, err
    wait_for("back to the start", cluster.asleep, 180)
    assert set(cluster.instances()) == {"login", "cpu-1", "lab-1", "lab-2"}


def test_the_control_side_stopped_for_a_while(cluster: Cluster) -> None:
    cluster.rest()
    cluster.command("reconfigure", "serve", "--stop")
    with cluster.child("alice@login", "srun -N 3 hostname") as job:
        spool = "ls /var/spool/kiwi/requests"
        wait_for("Slurm asks", lambda: cluster.ssh("root@login", spool).out, 60)
        assert job.poll() is None
        restart(cluster)
        out, err = job.communicate(timeout=240)
    assert len(set(out.split())) == 3, err


def running(cluster: Cluster) -> bool:
    return "RUNNING" in cluster.ssh("root@login", "squeue -h -o %T").out


def test_every_machine_killed_then_up(cluster: Cluster) -> None:
    cluster.ssh("alice@login", "echo precious >~/keep.txt")
    with cluster.child("bob@login", "srun -N 2 sleep 1000"):
        wait_for("a job runs on two nodes", lambda: "cpu-2" in cluster.instances() and running(cluster), 60)
        before = cluster.instances()
        for file in cluster.clusterdir.glob("machines/*/instance.json"):
            pid = json.loads(file.read_text())["pid"]
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
    cluster.up()
    after = cluster.instances()
    assert set(after) >= {"login", "cpu-1", "lab-1", "lab-2"}
    assert all(after[name] != before[name] for name in after if name in before)
    assert cluster.ssh("alice@login", "cat keep.txt").out.strip() == "precious"
    wait_for("Slurm idle", cluster.asleep, 180)
    assert cluster.ssh("alice@login", "srun -N 1 hostname").out.strip() == "cpu-1"
    wait_for("booking nodes free", lambda: {r["state"] for r in cluster.bookings().values()} == {"free"}, 60)


def test_a_node_that_dies_while_idle_is_noticed(cluster: Cluster) -> None:
    cluster.ssh("alice@login", "srun -w cpu-2 true", timeout=180)
    os.kill(cluster.record("cpu-2")["pid"], signal.SIGKILL)
    cluster.command("reconfigure", "sync")
    assert "cpu-2" not in cluster.instances()
    wait_for("Slurm has cpu-2 powered down", lambda: cluster.slurm()["cpu-2"] == "idle~", 120)
    assert process.run(["sh", "-c", f"grep -c {cluster.name}-cpu-2 /proc/mounts"], check=False).out.strip() == "0"
