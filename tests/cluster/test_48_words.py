"""Words that people write, on real machines of both releases: nothing is destroyed, no round stops, nobody forges.

`reconfigure sync` looks as the worker does, and removes at once a machine whose node Slurm has powered down.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import Cluster, wait_for

# As printf of a shell reads them: a line break, a quote, a Latin-1 byte, another node's record.
WORDS = (
    r"saw State=IDLE+CLOUD+POWERED_DOWN in log \"\nNodeName=cpu-1 State=IDLE+CLOUD+POWERED_DOWN\ncpu-1|down|x\351\001"
)
CLEAN = "; ".join(
    [
        "scancel -u alice",
        "scontrol update nodename=cpu-1 comment= extra=",
        "scontrol update nodename=cpu-1 state=undrain",
        "for n in 1 2 3; do scontrol update nodename=cpu-$n reason=; done",
    ]
)


@pytest.fixture(params=["cluster", "second"])
def either(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Slurm 24.11, then 22.05."""
    found: Cluster = request.getfixturevalue(request.param)
    found.rest()
    yield found
    found.ssh("root@login", CLEAN, check=False)


def test_no_word_is_a_state(either: Cluster) -> None:
    submit = f"""cd /tmp && w=$(printf '{WORDS}') && sbatch --parsable -w cpu-1 -J "$w" --comment="$w" -o /dev/null"""
    job = either.ssh("alice@login", f"{submit} --wrap 'sleep 300'").out.strip()
    wait_for("the job runs", lambda: "RUNNING" in either.ssh("root@login", f"squeue -h -j {job} -o %T").out, 60)
    before = either.instances()
    update = f"""w=$(printf '{WORDS}') && scontrol update nodename=cpu-1 comment="$w" extra="$w" &&
        scontrol update nodename=cpu-1 state=drain reason="$w" &&
        scontrol update nodename=cpu-2 state=drain reason="NodeName=cpu-1 State=DOWN: fan" &&
        scontrol update nodename=cpu-2 state=undrain"""
    either.ssh("root@login", update)
    assert "cpu-1" not in either.command("reconfigure", "sync").out
    assert either.instances() == before
    assert either.ssh("root@login", f"squeue -h -j {job} -o '%T %N'").out == "RUNNING cpu-1\n"

    told = json.loads(either.command("reconfigure", "why", "cpu-1", "--json").out)
    assert told["now"]["Slurm"] == "ALLOCATED+CLOUD+DRAIN"
    assert told["now"]["Slurm's reason"].startswith("saw State=IDLE+CLOUD+POWERED_DOWN in log")
    assert " [root, 20" in told["now"]["Slurm's reason"]
    (line,) = either.kiwi("bob", "why cpu-1").out.splitlines()
    assert line.startswith("cpu-1 takes no new job; one still runs (saw State=IDLE+CLOUD+POWERED_DOWN in log")
    assert either.kiwi("bob", f"why {job}.batch").out.startswith(f"job {job} of alice, running on cpu-1: it runs.")


def test_a_node_comes_whatever_was_written(cluster: Cluster) -> None:
    """The request with a user's Latin-1 byte, and a reason with the states that a prolog waits for the end of."""
    cluster.rest()
    reason = "saw State=ALLOCATED+CLOUD+POWERED_DOWN"
    cluster.ssh("root@login", f"scontrol update nodename=cpu-3 reason='{reason}'")
    command = (
        """srun -w cpu-3 -J "$(printf 'x\\nJobId=7 JobState=FAILED \\351')" --extra="$(printf '\\351')" hostname"""
    )
    assert cluster.ssh("alice@login", command, timeout=60).out == "cpu-3\n"
    assert cluster.ssh("root@login", "ls -A /var/spool/kiwi/bad 2>/dev/null", check=False).out == ""
    cluster.ssh("root@login", CLEAN, check=False)

    log = cluster.clusterdir / "data/slurmctld/jobs"
    wait_for("the job is in the log", lambda: "Name=x_JobId_7_JobState_FAILED_" in log.read_text(errors="replace"), 20)
    assert not [line for line in log.read_text(errors="replace").splitlines() if line.startswith("JobId=7 JobState")]


def test_a_node_waits_for_the_end_of_a_reservation(either: Cluster) -> None:
    make = "scontrol create reservation reservationname=win starttime=now duration=10 nodes=cpu-4 users=bob flags=maint"
    either.ssh("root@login", make)
    try:
        wait_for("it is in force", lambda: "reservation win" in either.kiwi("alice", "why cpu-4").out, 30)
        assert "cpu-4 is reserved for maintenance until 20" in either.kiwi("alice", "why cpu-4").out
    finally:
        either.ssh("root@login", "scontrol delete reservationname=win")


def test_each_part_of_a_job_is_told(either: Cluster) -> None:
    hold = "cd /tmp && sbatch --parsable --hold -o /dev/null"
    array = either.ssh("alice@login", f"{hold} --array=1-20%2 --wrap true").out.strip()
    parts = either.ssh("alice@login", f"{hold} -n1 : -n1 --wrap true").out.strip()
    spelled = either.ssh("alice@login", f"squeue -h -j {array} -o %i").out.strip()
    assert spelled == f"{array}_[1-20%2]"
    for text in (array, spelled, f"{array}.batch"):
        assert either.kiwi("alice", f"why '{text}'").out.startswith(
            f"job {spelled} of alice, pending: its owner holds it"
        )
    assert either.kiwi("alice", f"why {array}_3").out.startswith(f"job {array}_3 of alice, pending")
    shown = either.kiwi("alice", f"why {parts}").out
    assert f"job {parts}+0 of alice" in shown
    assert f"job {parts}+1 of alice" in shown
    assert f"job {parts}+0 of" not in either.kiwi("alice", f"why {parts}+1").out
