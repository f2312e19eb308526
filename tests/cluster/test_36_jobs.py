"""What goes along with a job, what it leaves, and who waits for it."""

from __future__ import annotations

from tests.cluster.conftest import Cluster, wait_for

# Left its session and ignores TERM, as a tunnel may; and a child without an environment.
LEAVES = """#!/bin/sh
setsid sh -c 'trap "" TERM HUP; env -i sleep 7101 & while :; do sleep 1; done' >/dev/null 2>&1 </dev/null &
exec sleep 600
"""


def on_node(cluster: Cluster, pattern: str, node: str) -> set[str]:
    return set(cluster.ssh(f"root@{node}", f"pgrep -u alice -f '{pattern}'", check=False).out.split())


def test_what_a_cancelled_job_left_ends_beside_another_one_of_its_user(cluster: Cluster) -> None:
    """The other job is one that the node's Prolog knows of; small nodes have a processor for one job only."""
    cluster.ssh("alice@login", f"cat >leaves.sh <<'X'\n{LEAVES}X")
    job = cluster.ssh("alice@login", "sbatch --parsable -p cpu -w cpu-1 -o /dev/null leaves.sh").out.strip()
    wait_for("what it leaves", lambda: on_node(cluster, "sleep 7101", "cpu-1"), 60)
    cluster.ssh("root@cpu-1", "echo alice >/run/kiwi/jobs/999999")
    cluster.ssh("alice@cpu-1", "SLURM_JOB_ID=999999 setsid -f sleep 7102 >/dev/null 2>&1 </dev/null")
    cluster.ssh("alice@login", f"scancel {job}")
    try:
        wait_for("its end", lambda: not on_node(cluster, "sleep 7101|trap", "cpu-1"), 40)
        assert on_node(cluster, "sleep 7102", "cpu-1"), "another job's"
    finally:
        cluster.ssh("root@cpu-1", "rm -f /run/kiwi/jobs/999999; kiwi clean alice --grace 0", check=False)


def test_a_job_has_no_session_of_the_login_node(cluster: Cluster) -> None:
    show = "env | grep -E '^(XDG_|DBUS_)' | sort"
    assert "XDG_RUNTIME_DIR=/run/user/" in cluster.ssh("alice@login", show).out
    batch = f'sbatch -W -Q -p cpu -w cpu-1 -o /home/alice/o --wrap "{show}; srun sh -c \\"{show}\\"; echo end"; cat o'
    assert cluster.ssh("alice@login", batch).out == "end\n"
    own = "XDG_RUNTIME_DIR=/tmp/mine srun -p cpu -w cpu-1 sh -c 'echo $XDG_RUNTIME_DIR'"
    assert cluster.ssh("alice@login", own).out == "/tmp/mine\n", "what a user sets stays"


def test_a_login_that_ends_takes_no_shared_memory_of_a_job(cluster: Cluster) -> None:
    manager = "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
    ask = f"busctl get-property {manager} RemoveIPC"
    assert [cluster.ssh(f"root@{node}", ask).out for node in ("cpu-1", "lab-1")] == ["b false\n"] * 2
    assert cluster.ssh("root@login", ask).out == "b true\n"


def test_a_stopped_srun_stays_until_its_login_machine_is_made_anew(cluster: Cluster) -> None:
    start = "nohup setsid srun -p cpu -w cpu-1 -J stopped sleep 600 >/dev/null 2>&1 </dev/null &"
    cluster.ssh("alice@login", start)
    squeue = "squeue -h -u alice -n stopped -o %T"
    wait_for("the job runs", lambda: cluster.ssh("alice@login", squeue).out == "RUNNING\n", 60)
    cluster.ssh("alice@login", "pkill -STOP srun")
    assert cluster.ssh("root@login", "systemctl is-active slurm-lost-clients").out == "active\n"
    cluster.ssh("root@login", "/usr/lib/kiwi/slurmscripts/lost_clients")
    assert cluster.ssh("alice@login", squeue).out == "RUNNING\n", "it was submitted after the boot"
    limit = cluster.ssh("root@login", "scontrol show config | grep InactiveLimit").out
    assert int(limit.split()[2]) > 3600
    cluster.ssh("root@login", "/usr/lib/kiwi/slurmscripts/lost_clients $(($(date +%s) + 9))")
    wait_for("its end", lambda: cluster.ssh("alice@login", squeue).out != "RUNNING\n", 60)
    cluster.ssh("alice@login", "pkill -KILL srun; scancel -u alice", check=False)
