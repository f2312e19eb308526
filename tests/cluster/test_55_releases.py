"""A whole cluster on Debian 12, with nodes to book on Debian 12 and 13.

Guards: that Slurm 22.05 brings nodes for jobs and sends them away, that gate,
agent and clean-up work on both releases, and that a second `bin/up` has nothing
to do. Cannot prove: what only shows with cgroup controllers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.cluster import test_36_jobs as jobs
from tests.cluster.conftest import Cluster, wait_for
from tests.cluster.test_30_booking import STAYS, enter, free
from tests.cluster.test_40_crash import running


def test_every_machine_has_the_release_of_its_image(second: Cluster) -> None:
    names = ("login", "cpu-1", "lab-1", "lab-2", "old-1")
    found = {name: second.ssh(f"root@{name}", ". /etc/os-release; echo $VERSION_ID").out.strip() for name in names}
    assert found == {"login": "12", "cpu-1": "12", "lab-1": "13", "lab-2": "13", "old-1": "12"}
    assert "22.05" in second.ssh("root@login", "sinfo --version").out


def test_nothing_changes_the_second_time(second: Cluster) -> None:
    second.up_again()


def test_nodes_come_for_jobs_and_go_after_them(second: Cluster) -> None:
    second.rest()
    before = second.instances()
    assert len(set(second.ssh("alice@login", "srun -N 3 hostname", timeout=180).out.split())) == 3
    out = second.ssh("bob@login", "cd && sbatch -W -N 2 -o out.txt --wrap 'srun hostname' >&2; cat out.txt").out
    assert len(set(out.split())) == 2
    wait_for("all are powered down again", second.asleep, 120)
    assert second.instances() == before


def test_a_node_that_dies_gives_its_job_back(second: Cluster) -> None:
    second.ssh("alice@login", "cd && srun -w cpu-2 true && sbatch -w cpu-2 --wrap 'sleep 1000'", timeout=180)
    wait_for("the job runs", lambda: running(second), 60)
    os.kill(second.record("cpu-2")["pid"], signal.SIGKILL)
    second.command("reconfigure", "sync")
    assert second.ssh("root@login", "squeue -h -o %T").out.strip() == "PENDING"
    second.ssh("alice@login", "scancel -u alice")
    wait_for("cpu-2 is powered down", lambda: second.slurm()["cpu-2"] == "idle~", 60)


def test_a_changed_configuration_is_taken_and_jobs_go_on(second: Cluster) -> None:
    """slurmctld 22.05 takes some of it at its start only."""
    pid = "systemctl show -p MainPID --value slurmctld"
    before = second.ssh("root@login", pid).out
    with second.child("alice@login", "srun -w cpu-1 sleep 8; echo ended with $?") as job:
        wait_for("the job runs", lambda: running(second), 30)
        second.ssh("root@login", "touch /etc/slurm/slurm.conf; systemctl restart slurm-reconfigure")
        assert second.ssh("root@login", pid).out != before
        out, _ = job.communicate(timeout=60)
    assert out.strip() == "ended with 0"
    broken = "cp -a /etc/slurm/slurm.conf /root; echo Bogus=1 >>/etc/slurm/slurm.conf"
    refused = second.ssh("root@login", f"{broken}; systemctl restart slurm-reconfigure", check=False)
    second.ssh("root@login", "mv /root/slurm.conf /etc/slurm/; systemctl restart slurm-reconfigure")
    assert refused.code != 0
    assert second.ssh("alice@login", "srun hostname").out.strip() == "cpu-1"


@pytest.mark.parametrize(
    "what",
    [
        jobs.test_what_a_cancelled_job_left_ends_beside_another_one_of_its_user,
        jobs.test_a_job_has_no_session_of_the_login_node,
        jobs.test_a_login_that_ends_takes_no_shared_memory_of_a_job,
        jobs.test_a_stopped_srun_stays_until_its_login_machine_is_made_anew,
    ],
    ids=lambda what: what.__name__.removeprefix("test_"),
)
def test_jobs_there_as_on_the_newer_one(second: Cluster, what: Callable[[Cluster], None]) -> None:
    what(second)


def test_a_partition_is_for_its_group(second: Cluster) -> None:
    """22.05 refuses at once what 24.11 takes and lets wait."""
    submit = "sbatch -W -w cpu-1 -o /dev/null --wrap true"
    assert second.ssh("alice@login", f"id -Gn; {submit}").out.startswith("alice physics\n")
    refused = second.ssh("carol@login", f"id -Gn; {submit}", check=False)
    assert (refused.code, refused.out) == (1, "carol\n")
    assert "group not permitted to use this partition" in refused.err


@pytest.mark.parametrize("node", ["lab-1", "old-1"])
def test_a_booking_on_each_release(second: Cluster, node: str) -> None:
    second.kiwi("alice", f"alloc -w {node} -t 10:00")
    assert enter(second, "alice", node).out.strip() == node
    assert int(enter(second, "alice", node, STAYS).out.split()[-1]) >= 4
    for _ in range(8):
        refused = enter(second, "bob", node)
        assert refused.code != 0
        assert "alice" in refused.err
    assert enter(second, "alice", node).code == 0, "refusals of bob must not lock out the holder"
    second.kiwi("alice", f"kill -w {node}")
    wait_for(f"{node} is free again", lambda: free(second, node), 60)
    assert second.ssh(f"root@{node}", "pgrep -u alice; ls /dev/shm", check=False).out == ""
    assert enter(second, "alice", node).code != 0


def test_releases_that_refuse_each_other_change_nothing(second: Cluster, tmp_path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        f"cluster_name: {second.name}\nsubnet: {second.subnet}\nlogin: {{image: debian12, flavor: small}}\n"
    )
    before = {path: path.read_bytes() for path in (second.clusterdir / "site.json", second.clusterdir / "nodeset.json")}
    refused = second.command("up", "--site", str(wrong), check=False)
    assert refused.code == 2
    assert "partitions[0].image: found 'debian13'; needs an image with Slurm 22.05, such as debian12" in refused.err
    assert all(path.read_bytes() == content for path, content in before.items())
