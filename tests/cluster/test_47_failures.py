"""Nodes that do not come up: the reason is on the node, the job goes on, the others are not disturbed.

One node at a time is made from a spoiled copy of the image: a real machine that does not
boot, refuses SSH or cannot start a daemon.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import operations
from kiwi.common import process
from reconfigure.clusterdir import files, journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.planning import cooldown
from tests.cluster.conftest import ROOT, Cluster, wait_for

BATCH = "cd && sbatch --parsable {} -o failures-%j.txt --wrap 'srun hostname'"
Spoil = Callable[[str, Callable[[Path], None]], None]


@pytest.fixture
def spoil(cluster: Cluster) -> Iterator[Spoil]:
    """Have a node made from a copy of its image, changed by a function; put right in the end."""
    cluster.rest()
    clusterdir = ClusterDir(ROOT, cluster.name)
    before = {path: path.read_text() for path in (clusterdir.variables, clusterdir.nodeset)}
    copy = clusterdir.path / "run" / "spoiled"

    def change(node: str, harm: Callable[[Path], None]) -> None:
        variables: dict[str, Any] = json.loads(before[clusterdir.variables])
        nodeset: dict[str, Any] = json.loads(before[clusterdir.nodeset])
        record = nodeset["nodes"][node]
        image = variables["images"][record["image"]]
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        process.run(["cp", "-al", f"{image['path']}/root", f"{image['path']}/image.json", str(copy)])
        harm(copy / "root")
        variables["images"]["spoiled"] = {**image, "path": str(copy)}
        record["image"] = "spoiled"
        files.write_json(clusterdir.variables, variables)
        files.write_json(clusterdir.nodeset, nodeset)

    yield change
    for path, text in before.items():
        path.write_text(text)
    shutil.rmtree(copy, ignore_errors=True)


def put(path: Path, text: str, mode: int = 0o755) -> None:
    """Replace a file; never write into it, it is the image's own."""
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def boots_not(root: Path) -> None:
    put(root / "usr/lib/systemd/systemd", "#!/bin/sh\nexit 7\n")


def refuses_ssh(root: Path) -> None:
    put(root / "etc/ssh/sshd_config.d/00-closed.conf", "AllowUsers nobody\n", 0o644)


def starts_no_munge(root: Path) -> None:
    put(root / "usr/sbin/munged", "#!/bin/sh\nexit 1\n")


HANGING = """#!/usr/bin/python3
import socket, sys
if "-t" in sys.argv:
    sys.exit()
server, accepted = socket.create_server(("", 22)), []
while True:
    accepted.append(server.accept()[0])
    accepted[-1].send(b"SSH-2.0-OpenSSH_9.9\\r\\n")
"""


def hangs_in_ssh(root: Path) -> None:
    put(root / "usr/sbin/sshd", HANGING)


def reason(cluster: Cluster, node: str) -> str:
    return cluster.ssh("root@login", f"sinfo -a -h -N -n {node} -o %E").out.strip()


@pytest.mark.parametrize(
    ("node", "harm", "said"),
    [
        pytest.param("cpu-2", boots_not, "stopped while it started", id="does not boot"),
        pytest.param("cpu-3", refuses_ssh, "ermission denied", id="refuses SSH"),
    ],
)
def test_one_that_fails_does_not_hold_up_the_job(
    cluster: Cluster, spoil: Spoil, node: str, harm: Callable[[Path], None], said: str
) -> None:
    """The job is requeued and runs on others at once."""
    clusterdir = ClusterDir(ROOT, cluster.name)
    place = journal.read(clusterdir)[1]
    spoil(node, harm)
    job = cluster.ssh("alice@login", BATCH.format("-N3")).out.strip()
    wait_for(f"{node} fails", lambda: said in reason(cluster, node), 120)
    assert len(reason(cluster, node).partition(" [")[0]) <= 200
    wait_for("its machine is removed", lambda: not list(cluster.clusterdir.glob(f"machines/*{node}.*")), 30)
    others = {"cpu-1", "cpu-2", "cpu-3", "cpu-4"} - {node}
    wait_for(f"the job runs on {others}", lambda: ran_on(cluster, job) == others, 240)
    events = journal.read(clusterdir, place)[0]
    assert {name for event in events if event["event"] == "failed" for name in event["nodes"]} == {node}
    assert [event["jobs"] for event in events if event["event"] == "requeue"] == [[int(job)]]


def ran_on(cluster: Cluster, job: str) -> set[str]:
    file = cluster.clusterdir / f"data/home/alice/failures-{job}.txt"
    return {line for line in file.read_text().split() if line.startswith("cpu-")} if file.exists() else set()


def test_one_that_fails_again_is_left_alone_until_it_is_mended(cluster: Cluster, spoil: Spoil) -> None:
    spoil("cpu-4", starts_no_munge)
    for _ in range(2):
        assert cluster.command("reconfigure", "resume", "cpu-4", check=False).code == 1
    clusterdir = ClusterDir(ROOT, cluster.name)
    assert "cpu-4" in cooldown.held(cooldown.read(clusterdir), 0)
    operations.hook(cluster, [("suspend", "cpu-4")], pause=0)  # wakes the worker
    wait_for("it is drained", lambda: cooldown.MARK in reason(cluster, "cpu-4"), 60)
    assert "munge" in reason(cluster, "cpu-4")
    assert cluster.slurm()["cpu-4"] in {"drained~", "draining~"}
    nodeset = json.loads(clusterdir.nodeset.read_text())
    nodeset["nodes"]["cpu-4"]["image"] = nodeset["nodes"]["cpu-3"]["image"]
    files.write_json(clusterdir.nodeset, nodeset)
    cluster.command("reconfigure", "resume", "cpu-4")
    assert "cpu-4" not in cooldown.read(clusterdir)
    assert cluster.ssh("alice@login", "srun -w cpu-4 hostname", timeout=180).out.strip() == "cpu-4"


def test_one_that_accepts_a_connection_and_hangs_costs_itself_alone(cluster: Cluster, spoil: Spoil) -> None:
    """It greets and then says nothing, in the same round as one that is well."""
    spoil("cpu-3", hangs_in_ssh)
    began = time.monotonic()
    done = cluster.command("reconfigure", "resume", "cpu-[2-3]", check=False)
    assert (done.code, time.monotonic() - began < 60) == (1, True), done.err
    failed = [line for line in done.err.splitlines() if "failed" in line]
    assert [("cpu-3" in line, "cpu-2" in line, "timed out" in line) for line in failed] == [(True, False, True)], failed
    assert "cpu-2" in cluster.instances() and "cpu-3" not in cluster.instances()
    assert cluster.ssh("alice@login", "srun -w cpu-2 hostname", timeout=60).out.strip() == "cpu-2"


def test_a_full_disk_on_the_control_host(cluster: Cluster) -> None:
    """New identities find no room; what exists is not touched, and the job runs when there is room again."""
    cluster.rest()
    identity, before = cluster.clusterdir / "identity", cluster.instances()
    process.run(["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=1", "full", str(identity)])
    try:
        job = cluster.ssh("alice@login", BATCH.format("-w cpu-4")).out.strip()
        wait_for("cpu-4 fails", lambda: "No space left on device" in reason(cluster, "cpu-4"), 120)
        assert cluster.instances() == before
    finally:
        process.run(["umount", str(identity)])
    wait_for("the job runs", lambda: ran_on(cluster, job) == {"cpu-4"}, 240)
