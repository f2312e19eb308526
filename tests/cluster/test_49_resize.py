"""The number of nodes that are always up changes under jobs and bookings, over two partitions, killed in between."""

from __future__ import annotations

import json
import os
from pathlib import Path

import yaml

from kiwi.common import process
from tests.cluster.conftest import REPO, SITES, Cluster, wait_for

PID = "pidof slurmctld"


def resize(cluster: Cluster, words: str, code: int = 0) -> process.Result:
    done = cluster.command("reconfigure", "resize", *words.split(), check=False, timeout=180)
    assert done.code == code, done
    return done


def playbook(cluster: Cluster) -> process.Result:
    """`ansible-playbook resize.yml` with the cluster's own site file, as a person calls it."""
    argv = [str(REPO / ".venv/bin/ansible-playbook"), "resize.yml", "-e", f"@{SITES[cluster.name]}"]
    return process.run(argv, cwd=REPO, timeout=300, env={**os.environ, "KIWI_CLUSTER": cluster.name})


def states(cluster: Cluster, *names: str) -> list[str]:
    found = cluster.slurm()
    return [found[name] for name in names]


def test_up_and_down_under_jobs_and_bookings(cluster: Cluster) -> None:
    cluster.rest()
    slurmctld, before = cluster.ssh("root@login", PID).out, cluster.instances()
    assert "cpu: 1 -> 3 always up; up cpu-[2-3]" in resize(cluster, "cpu=3").out
    now = cluster.instances()
    assert now.keys() == {*before, "cpu-2", "cpu-3"}
    assert all(now[name] == instance for name, instance in before.items())
    assert states(cluster, "cpu-1", "cpu-2", "cpu-3", "cpu-4") == ["idle", "idle", "idle", "idle~"]
    assert "cpu: 3 always up by `reconfigure resize`" in cluster.command("reconfigure", "status").out

    job = cluster.ssh("alice@login", "sbatch --parsable -o /dev/null -w cpu-3 --wrap 'sleep 600'").out.strip()
    where = f"squeue -h -j {job} -t running -o %N"
    wait_for("the job runs", lambda: cluster.ssh("root@login", where, check=False).out == "cpu-3\n", 60)
    cluster.kiwi("bob", "alloc -w lab-2 -t 600")
    argv = [str(REPO / ".venv/bin/reconfigure"), "--cluster", cluster.name, "resize", "cpu=1", "lab=1"]
    with process.start(argv) as killed:
        wait_for("cpu-2 is gone", lambda: "cpu-2" not in cluster.instances(), 60)
        killed.kill()
    cluster.command("reconfigure", "sync")
    assert cluster.instances().keys() == {*before, "cpu-3"}
    assert "drain" in cluster.slurm()["cpu-3"]
    assert "lab-2 leaves the cluster" in cluster.kiwi("carol", "alloc -w lab-2 -t 60", check=False).err

    waits = resize(cluster, "cpu=1 lab=1 --wait 0", 3).err
    assert f"cpu-3: still there: job {job} of alice" in waits
    assert "lab-2: still there: bob has booked it until" in waits
    resize(cluster, "--cancel")
    # Slurm asks a node anew whose drain is taken back; until it has answered, there is a mark behind its state.
    wait_for("cpu-3 goes on", lambda: states(cluster, "cpu-3")[0] in ("mixed", "allocated"), 30)
    resize(cluster, "cpu=1 lab=1 --wait 0", 3)
    assert cluster.ssh("root@login", where).out == "cpu-3\n"

    cluster.ssh("root@login", f"scancel {job}")
    cluster.kiwi("bob", "kill -w lab-2")
    resize(cluster, "cpu=1 lab=1 --wait 120")
    assert cluster.instances().keys() == before.keys() - {"lab-2"}
    assert cluster.bookings()["lab-2"]["state"] == "off"
    wait_for("Slurm may use them again", cluster.asleep, 60)

    assert playbook(cluster).code == 0  # the site data says lab: 2
    assert cluster.instances().keys() == before.keys()
    wait_for("lab-2 is free", lambda: cluster.bookings()["lab-2"]["state"] == "free", 60)
    status = json.loads(cluster.command("reconfigure", "status", "--json").out)["sizes"]
    assert (status["differ"], status["leaving"]) == ([], [])
    assert cluster.ssh("root@login", PID).out == slurmctld
    assert {name: cluster.instances()[name] for name in ("cpu-1", "lab-1")} == {
        n: before[n] for n in ("cpu-1", "lab-1")
    }


def test_a_warm_pool_is_filled_and_kept(cluster: Cluster, tmp_path: Path) -> None:
    cluster.rest()
    slurmctld = cluster.ssh("root@login", PID).out
    data = yaml.safe_load(SITES[cluster.name].read_text())
    shipped = json.loads(cluster.command("reconfigure", "check", "--print", "partitions").out)
    parts = [{**part, "warm": 2} if part["name"] == "cpu" else part for part in shipped]
    file = tmp_path / "warm.yml"
    file.write_text(yaml.safe_dump({**data, "partitions": parts}))
    resize(cluster, f"--site {file}")
    cluster.command("reconfigure", "sync")  # the worker does it within a minute
    wait_for("two are idle", lambda: states(cluster, "cpu-1", "cpu-2", "cpu-3") == ["idle", "idle", "idle~"], 60)
    kept = cluster.ssh("root@login", "scontrol show config | grep SuspendExcNodes").out
    assert kept.split()[-1] == "cpu-1,cpu-[1-4]:2"
    playbook(cluster)
    kept = cluster.ssh("root@login", "scontrol show config | grep SuspendExcNodes").out
    assert (kept.split()[-1], cluster.ssh("root@login", PID).out) == ("cpu-1", slurmctld)
    cluster.rest()


def test_a_kept_node_stays_until_that_is_ended(cluster: Cluster) -> None:
    cluster.rest()
    show = "scontrol show config | grep SuspendExcNodes"
    assert "cpu-3: kept up until" in cluster.command("reconfigure", "keep", "cpu-3", "--until", "2099-01-01").out
    assert states(cluster, "cpu-1", "cpu-2", "cpu-3") == ["idle", "idle~", "idle"]
    assert cluster.ssh("root@login", show).out.split()[-1] == "cpu-1,cpu-3"
    assert "cpu-3: kept up until 2099" in cluster.command("reconfigure", "status").out
    cluster.command("reconfigure", "keep", "--end", "cpu-3")
    assert cluster.ssh("root@login", show).out.split()[-1] == "cpu-1"
    cluster.rest()
