"""A user's way through a booking: look, take, enter, be alone, leave clean."""

from __future__ import annotations

import shlex
import time

import pytest

from tests.cluster.conftest import Cluster, wait_for

# Ignores TERM, left its session and its parent, and keeps a file in /dev/shm.
STAYS = """
touch /dev/shm/left-by-alice
setsid sh -c 'trap "" TERM HUP INT; while :; do sleep 1; done' >/dev/null 2>&1 </dev/null &
(setsid sh -c 'trap "" TERM; (trap "" TERM; exec sleep 7777) & exit' &) >/dev/null 2>&1 </dev/null
nohup sleep 8888 >/dev/null 2>&1 </dev/null &
sleep 0.5; pgrep -c -u alice
"""


@pytest.fixture(autouse=True)
def _all_free(cluster: Cluster) -> None:
    """Each test begins with free nodes, whatever the one before left."""
    for user in ("alice", "bob", "carol"):
        held = [row["node"] for row in cluster.bookings().values() if row["holder"] == user]
        if held:
            cluster.kiwi(user, f"kill -w {','.join(held)}")
    wait_for("all nodes free", lambda: {row["state"] for row in cluster.bookings().values()} == {"free"}, 60)


def free(cluster: Cluster, node: str) -> bool:
    return cluster.bookings()[node]["state"] == "free"


def enter(cluster: Cluster, user: str, node: str, command: str = "hostname"):
    """SSH from the login node, as users do."""
    return cluster.ssh(
        f"{user}@login", f"ssh -o BatchMode=yes -o StrictHostKeyChecking=yes {node} {shlex.quote(command)}", check=False
    )


def test_take_a_node_be_alone_and_leave_it_clean(cluster: Cluster) -> None:
    began = time.time()
    cluster.kiwi("alice", "alloc -w lab-1 -t 40")
    row = cluster.bookings()["lab-1"]
    assert (row["state"], row["holder"], row["partition"]) == ("booked", "alice", "lab")

    assert enter(cluster, "alice", "lab-1").out.strip() == "lab-1"
    assert cluster.ssh("alice@lab-1", "hostname").out.strip() == "lab-1"
    assert int(enter(cluster, "alice", "lab-1", STAYS).out.split()[-1]) >= 4

    for _ in range(12):
        refused = enter(cluster, "bob", "lab-1")
        assert refused.code != 0
        assert "alice" in refused.err
    assert "kiwi alloc" in refused.err
    assert enter(cluster, "alice", "lab-1").code == 0, "refusals of bob must not lock out the holder"
    assert cluster.ssh("root@lab-1", "true").code == 0

    wait_for("lab-1 is free again", lambda: free(cluster, "lab-1"), 90)
    assert time.time() - began >= 39
    assert cluster.ssh("root@lab-1", "pgrep -u alice", check=False).out == ""
    assert cluster.ssh("root@lab-1", "ls /dev/shm").out == ""
    again = enter(cluster, "alice", "lab-1")
    assert again.code != 0
    assert "kiwi alloc" in again.err


def test_a_holder_may_end_it_and_nobody_else(cluster: Cluster) -> None:
    cluster.kiwi("bob", "alloc -w lab-2 -t 10:00")
    refused = cluster.kiwi("carol", "kill -w lab-2", check=False)
    assert refused.code != 0
    forged = cluster.kiwi("carol", "kill -w lab-2 -u bob", check=False)
    assert forged.code != 0
    assert cluster.bookings()["lab-2"]["holder"] == "bob"
    cluster.kiwi("bob", "kill -w lab-2")
    wait_for("lab-2 is free", lambda: free(cluster, "lab-2"), 30)
    assert enter(cluster, "bob", "lab-2").code != 0


@pytest.mark.parametrize("wrong", ["-5", "nan", "1e9", "0", "1:99", "99999999999"])
def test_wrong_times_get_one_sentence(cluster: Cluster, wrong: str) -> None:
    refused = cluster.kiwi("alice", f"alloc -w lab-1 -t {wrong}", check=False)
    assert refused.code == 2
    assert wrong in refused.err
    assert "Traceback" not in refused.err
    assert free(cluster, "lab-1")


def test_wrong_nodes_get_one_sentence(cluster: Cluster) -> None:
    unknown = cluster.kiwi("alice", "alloc -w lab-17 -t 60", check=False)
    assert unknown.code == 2
    assert "lab-17" in unknown.err
    cluster.kiwi("alice", "alloc -w lab-1 -t 120")
    booked = cluster.kiwi("bob", "alloc -w lab-1 -t 60", check=False)
    assert booked.code not in (0, 2)
    assert "alice" in booked.err
    both = cluster.kiwi("bob", "alloc -w lab-1,lab-2 -t 60", check=False)
    assert both.code != 0
    assert free(cluster, "lab-2"), "several nodes: whole or not at all"
    cluster.kiwi("alice", "kill -w lab-1")
    wait_for("lab-1 is free", lambda: free(cluster, "lab-1"), 30)


def test_a_killed_agent_admits_nobody_late(cluster: Cluster) -> None:
    cluster.kiwi("alice", "alloc -w lab-2 -t 12")
    cluster.ssh("root@lab-2", "systemctl mask --runtime --now kiwi-agent")
    try:
        assert enter(cluster, "alice", "lab-2").code == 0
        time.sleep(13)
        assert enter(cluster, "alice", "lab-2").code != 0
        assert cluster.ssh("root@lab-2", "true").code == 0
    finally:
        cluster.ssh("root@lab-2", "systemctl unmask --runtime kiwi-agent; systemctl start kiwi-agent")
    wait_for("lab-2 is free", lambda: free(cluster, "lab-2"), 60)
