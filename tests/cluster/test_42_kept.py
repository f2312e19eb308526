"""What a person set stays; what is always up comes back by itself."""

from __future__ import annotations

import os
import signal

from tests.cluster.conftest import Cluster, wait_for

SHOW = "sinfo -N -h -O StateComplete:80,Reason:40,User:10 -n {}"


def shown(cluster: Cluster, node: str) -> list[str]:
    """The node's states, then words and author of the reason."""
    states, *reason = cluster.ssh("root@login", SHOW.format(node)).out.split()
    return [*sorted(states.split("+")), *reason]


def test_a_drain_and_a_down_of_a_persons_stay(cluster: Cluster) -> None:
    """Slurm forgot a drain with the idle power-down, and took a node that was set DOWN back in seconds."""
    cluster.rest()
    cluster.ssh("alice@login", "srun -w cpu-2 true", timeout=180)
    scontrol = "scontrol update nodename="
    cluster.ssh(
        "root@login", f"{scontrol}cpu-2 state=drain reason='fan State=IDLE'; {scontrol}cpu-1 state=down reason=fan"
    )
    try:
        wait_for("cpu-2 is off", lambda: "powered_down" in shown(cluster, "cpu-2"), 90)
        wait_for("its machine is gone", lambda: "cpu-2" not in cluster.instances(), 30)
        drained = {"drain", "fan", "State=IDLE", "root"}
        assert drained <= set(shown(cluster, "cpu-2"))
        assert {"down", "fan", "root"} <= set(shown(cluster, "cpu-1"))
        cluster.ssh("root@cpu-1", "systemctl restart slurmd")
        wait_for("cpu-1 answers", lambda: "not_responding" not in shown(cluster, "cpu-1"), 30)
        cluster.command("reconfigure", "sync")
        assert drained <= set(shown(cluster, "cpu-2"))
        assert {"down", "fan", "root"} <= set(shown(cluster, "cpu-1"))
    finally:
        cluster.ssh("root@login", f"{scontrol}cpu-1 state=resume; {scontrol}cpu-2 state=undrain")
    cluster.command("reconfigure", "sync")  # what the worker does within a minute
    wait_for("cpu-2 is used again", lambda: "not_responding" not in shown(cluster, "cpu-2"), 30)
    cluster.rest()


def test_a_restarted_slurmd_ends_no_job(cluster: Cluster) -> None:
    cluster.rest()
    with cluster.child("alice@login", "srun -w cpu-1 sh -c 'sleep 15; echo done'") as job:
        wait_for("it runs", lambda: "allocated" in shown(cluster, "cpu-1"), 30)
        cluster.ssh("root@cpu-1", "systemctl restart slurmd")
        out, _ = job.communicate(timeout=60)
    assert out.split() == ["done"]


def test_what_is_always_up_comes_back_by_itself(cluster: Cluster) -> None:
    """The login node, a booking node and one of min_nodes stayed away until a job or bin/up came."""
    cluster.rest()
    before = cluster.instances()
    for node in ("login", "lab-1", "cpu-1"):
        os.kill(cluster.record(node)["pid"], signal.SIGKILL)

    def back() -> bool:
        there = cluster.instances()
        return all(there.get(node, before[node]) != before[node] for node in ("login", "lab-1", "cpu-1"))

    wait_for("machines are back", back, 120)
    wait_for("Slurm works", lambda: cluster.ssh("alice@login", "srun -w cpu-1 true", check=False).code == 0, 120)
