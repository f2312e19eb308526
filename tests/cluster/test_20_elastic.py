"""Powered-down nodes: made for a job, gone after it, nothing else touched."""

from __future__ import annotations

import pytest

from tests.cluster.conftest import Cluster, wait_for

# Files that a node's own life changes: logs, metrics, run-time state, Slurm's saved state and the share.
OWN_LIFE = "-path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/log -o -path /home"
OWN_LIFE += " -o -path /var/spool -o -path /var/lib/kiwi/state -o -path /var/tmp -o -path /var/lib/systemd"
OWN_LIFE += " -o -path /var/lib/prometheus"
SHARE = "stat -c '%n %a %U' /home /var/lib/kiwi/state /var/spool/slurmctld"


def changed_files(cluster: Cluster, node: str) -> str:
    """Files of a machine that are newer than its mark."""
    return cluster.ssh(f"root@{node}", f"find / \\( {OWN_LIFE} \\) -prune -o -type f -newer /run/mark -print").out


def test_three_nodes_for_a_job_then_gone(cluster: Cluster) -> None:
    cluster.rest()
    others = ("login", "cpu-1", "lab-1")
    controller = cluster.ssh(
        "root@login", "systemctl show -p MainPID slurmctld; grep -c reconfig /var/log/slurm/* || true"
    )
    for node in others:
        cluster.ssh(f"root@{node}", "touch /run/mark")
    before, share = cluster.instances(), cluster.ssh("root@login", SHARE).out

    out = cluster.ssh("alice@login", "srun -N 3 hostname", timeout=180).out

    assert len(set(out.split())) == 3
    after = cluster.instances()
    assert len(set(after) - set(before)) == 2
    assert all(after[name] == instance for name, instance in before.items())
    for node in others:
        assert changed_files(cluster, node) == ""
    assert cluster.ssh("root@login", SHARE).out == share, "what makes machines and the roles agree on modes"
    wait_for("machines gone after the idle time", lambda: set(cluster.instances()) == set(before), 120)
    again = cluster.ssh("root@login", "systemctl show -p MainPID slurmctld; grep -c reconfig /var/log/slurm/* || true")
    assert again.out == controller.out
    wait_for("Slurm has them powered down", cluster.asleep, 120)


def test_ssh_never_asks_for_a_new_or_a_remade_node(cluster: Cluster) -> None:
    seen = set()
    for _ in range(2):
        cluster.ssh("alice@login", "salloc -w cpu-2 --no-shell", timeout=180)
        seen.add(cluster.instances()["cpu-2"])
        control = cluster.ssh("alice@cpu-2", "hostname")
        assert control.out.strip() == "cpu-2"
        inside = cluster.ssh("alice@login", "ssh -o StrictHostKeyChecking=yes -o BatchMode=yes cpu-2 hostname")
        cluster.ssh("alice@login", "scancel -u alice")
        assert inside.out.strip() == "cpu-2"
        assert "Warning" not in inside.err + control.err
        cluster.rest()
    assert len(seen) == 2


def test_a_reboot_makes_the_node_anew(cluster: Cluster) -> None:
    before = cluster.instances()
    cluster.ssh("root@login", "scontrol reboot ASAP nextstate=RESUME cpu-1")
    wait_for("another machine", lambda: cluster.instances().get("cpu-1") not in (None, before["cpu-1"]), 60)
    wait_for("cpu-1 is idle again", lambda: cluster.slurm()["cpu-1"] == "idle", 60)
    assert cluster.ssh("alice@login", "srun -w cpu-1 hostname").out.strip() == "cpu-1"
    assert {name: i for name, i in cluster.instances().items() if name != "cpu-1"} == {
        name: i for name, i in before.items() if name != "cpu-1"
    }


def test_a_batch_job_runs_too(cluster: Cluster) -> None:
    cluster.ssh("bob@login", "cd && sbatch -W -N2 -o out.txt --wrap 'srun hostname'", timeout=240)
    out = cluster.ssh("bob@login", "cat out.txt; rm out.txt").out
    assert len(set(out.split())) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("suspend", "nosuch-7"), "nosuch-7"),
        (("resume", "cpu-[1"), "cpu-[1"),
        (("resume", "cpu-9"), "cpu-9"),
        (("resume", ""), "nodes"),
    ],
)
def test_wrong_nodes_get_one_sentence(cluster: Cluster, arguments: tuple[str, ...], said: str) -> None:
    before = cluster.instances()
    refused = cluster.command("reconfigure", *arguments, check=False)
    assert refused.code == 2
    assert said in refused.err
    assert "Traceback" not in refused.err
    assert cluster.instances() == before


def test_an_allocated_node_is_not_deleted(cluster: Cluster) -> None:
    with cluster.child("alice@login", "srun -w cpu-1 sleep 30"):
        wait_for("cpu-1 is allocated", lambda: cluster.slurm()["cpu-1"] in {"allocated", "mixed"}, 30)
        refused = cluster.command("reconfigure", "suspend", "cpu-1", check=False)
        assert refused.code != 0
        assert "allocated" in refused.err + refused.out
        assert "cpu-1" in cluster.instances()


def test_a_dry_run_shows_the_plan_and_changes_nothing(cluster: Cluster) -> None:
    before = cluster.instances()
    shown = cluster.command("reconfigure", "resume", "--dry-run", "cpu-3")
    assert "cpu-3" in shown.out
    assert cluster.instances() == before
