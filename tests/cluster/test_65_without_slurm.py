"""Booking partitions only: no Slurm anywhere, and bin/up ends in a booking; then with Slurm, and without again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import LAB, SITES, Cluster, wait_for

SLURM = ("slurmctld.service", "slurm-reconfigure.service", "slurm-joblog.timer", "munge.service", "slurmd.service")
CPU = {"name": "cpu", "scheduler": "slurm", "max_nodes": 1, "image": "debian13", "flavor": "small"}
LEFT = "ls /etc/slurm/slurm.conf 2>/dev/null; pgrep -x -l 'slurm.*|munged'"
LINGERS = "setsid sleep 7777 >/dev/null 2>&1 </dev/null & sleep 0.2; pgrep -c -u dave sleep"


@pytest.fixture(scope="module")
def lab(before: dict[str, str]) -> Iterator[Cluster]:
    """Always made anew: a cluster that once had Slurm keeps its key."""
    made = Cluster(LAB)
    made.up()
    yield made
    made.command("down", "--all")


def site(folder: Path, **over: Any) -> Path:
    """The site data of klab with other values."""
    path = folder / "site.yml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(SITES[LAB].read_text()), **over}))
    return path


def assert_no_slurm(lab: Cluster) -> None:
    for node in ("login", "lab-1"):
        active = lab.ssh(f"root@{node}", f"systemctl is-active {' '.join(SLURM)}", check=False).out.split()
        assert set(active) == {"inactive"}, node
        assert lab.ssh(f"root@{node}", LEFT, check=False).out == "", node
    assert lab.ssh("root@login", "ls /etc/munge").out == ""


def test_nothing_of_slurm_is_there(lab: Cluster) -> None:
    assert_no_slurm(lab)
    assert not (lab.clusterdir / "keys/munge.key").exists()
    assert not (lab.clusterdir / "data/slurm.json").exists()
    for why in (lab.kiwi("alice", "why 42", check=False), lab.command("reconfigure", "why", "42", check=False)):
        assert why.code == 2
        assert "no jobs" in why.err
    metrics = lab.ssh("root@login", "kiwi metrics").out
    assert "kiwi_booking_nodes" in metrics
    assert "slurm" not in metrics
    assert "Slurm does not answer" not in lab.command("reconfigure", "status").out
    assert "connection to the controller" not in (lab.clusterdir / "log/serve.log").read_text()


def test_slurm_comes_and_goes_with_its_last_partition(lab: Cluster, tmp_path: Path) -> None:
    """With it goes dave, whose booking is given back although its node has just died."""
    data = yaml.safe_load(SITES[LAB].read_text())
    lab.up(site(tmp_path, partitions=[*data["partitions"], CPU]))
    assert lab.slurm() == {"cpu-1": "idle~"}
    assert lab.ssh("root@login", "munge -n | unmunge >/dev/null; echo $?").out == "0\n"

    wait_for("lab-1 is free", lambda: lab.bookings()["lab-1"]["state"] == "free", 30)  # bin/up has booked it
    lab.kiwi("dave", "alloc -w lab-1 -t 3600")
    assert lab.ssh("dave@login", LINGERS).out == "1\n"
    os.kill(lab.record("lab-1")["pid"], signal.SIGKILL)
    alone = site(tmp_path, users=data["users"][:1])
    out = lab.up(alone).out
    assert "alice@login $ ssh lab-1 hostname\nlab-1\n" in out or "No node is free" in out
    assert_no_slurm(lab)
    assert lab.ssh("root@login", "pgrep -u 10004", check=False).out == ""
    wait_for("lab-1 is free", lambda: lab.bookings()["lab-1"]["state"] == "free", 30)
    machines, again = lab.instances(), lab.up(alone).out
    assert " changed" not in again
    assert lab.instances() == machines
    assert "alice@login $ ssh lab-1 hostname\nlab-1\n" in again
