"""An edit of the site data takes no node from a job or a person: it waits until they are free."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.cluster.conftest import SITES, Cluster, wait_for


def edited(cluster: Cluster, folder: Path) -> Path:
    """The cluster's site with two nodes of cpu and one of lab, and another value that is no machine's."""
    data = yaml.safe_load(SITES[cluster.name].read_text())
    shipped = json.loads(cluster.command("reconfigure", "check", "--print", "partitions").out)
    most = {"cpu": 2, "lab": 1}
    parts = [{**part, "min_nodes": 1, "max_nodes": most[part["name"]]} for part in shipped]
    file = folder / "edited.yml"
    file.write_text(yaml.safe_dump({**data, "partitions": parts, "slurm_conf": "DebugFlags=Power\n"}))
    return file


def test_an_edit_waits_for_jobs_and_bookings(cluster: Cluster, tmp_path: Path) -> None:
    cluster.rest()
    submit = "sbatch --parsable -o /dev/null -w"
    job = cluster.ssh("alice@login", f"{submit} cpu-3 --wrap 'sleep 600'").out.strip()
    lost = cluster.ssh("alice@login", f"{submit} cpu-[1,3-4] --wrap hostname").out.strip()
    where = f"squeue -h -j {job} -t running -o %N"
    wait_for("the job runs", lambda: cluster.ssh("root@login", where, check=False).out.strip() == "cpu-3", 60)
    cluster.kiwi("bob", "alloc -w lab-2 -t 600")
    before, file = cluster.instances(), str(edited(cluster, tmp_path))

    refused = cluster.command("reconfigure", "init", "--site", file, check=False)
    assert (refused.code, "nothing was changed" in refused.err) == (3, True)
    waits = cluster.command("up", "--site", file, check=False, timeout=600)
    assert waits.code == 3, waits
    assert f"cpu-3: job {job} of alice" in waits.err
    assert "lab-2: bob has booked it until" in waits.err
    assert f"job {lost} of alice, pending, asks for cpu-[3-4], which goes" in waits.err
    assert cluster.instances() == before
    assert cluster.ssh("root@login", where).out.strip() == "cpu-3"
    assert cluster.ssh("root@login", "grep -c ^DebugFlags=Power /etc/slurm/slurm.conf").out == "1\n"  # the rest is done
    status = json.loads(cluster.command("reconfigure", "status", "--json").out)
    assert set(status["edit"]) == {"cpu-3", "lab-2"}
    assert "leaves the cluster" in cluster.kiwi("carol", "alloc -w lab-2 -t 60", check=False).err

    cluster.kiwi("bob", "kill -w lab-2")
    cluster.ssh("root@login", f"scancel {job}")
    done = f"squeue -h -j {job} -t all -o %T; sinfo -h -n cpu-3 -o %t"
    wait_for("cpu-3 is free", lambda: "CANCELLED" in cluster.ssh("root@login", done, check=False).out, 60)
    wait_for("lab-2 is free", lambda: cluster.bookings()["lab-2"]["state"] == "free", 60)
    assert cluster.command("up", "--site", file, timeout=600).code == 0
    assert "lab-2" not in cluster.instances()
    assert cluster.slurm().keys() == {"cpu-1", "cpu-2"}

    assert "were taken out of the cluster" in cluster.kiwi("alice", f"why {lost}").out

    cluster.up()
    assert cluster.slurm() == {"cpu-1": "idle", "cpu-2": "idle~", "cpu-3": "idle~", "cpu-4": "idle~"}
    assert {row["state"] for row in cluster.bookings().values()} == {"free"}
