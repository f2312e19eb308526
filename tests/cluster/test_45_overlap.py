"""Requests that overlap and contradict each other, on real machines; and kills at forced moments."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psutil
import pytest

from bench import harm, operations, whole
from plugins.modules import bundle
from reconfigure.clusterdir import journal, lock, rivals
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue
from reconfigure.planning import cooldown
from tests.cluster.conftest import ROOT, SITES, Cluster, wait_for

NAMES = ("login", "lab-1", "lab-2", "cpu-1", "cpu-2", "cpu-3", "cpu-4")


def clusterdir(cluster: Cluster) -> ClusterDir:
    return ClusterDir(ROOT, cluster.name)


def since(cluster: Cluster, place: journal.Position) -> list[journal.Event]:
    return journal.read(clusterdir(cluster), place)[0]


def now(cluster: Cluster) -> journal.Position:
    return journal.read(clusterdir(cluster))[1]


def waiting(cluster: Cluster) -> list[str]:
    queue = Queue(clusterdir(cluster).path / "queue.sqlite")
    try:
        return [f"{request.kind} {request.nodes}" for request in queue.waiting()]
    finally:
        queue.close()


def test_thirty_calls_within_three_seconds(cluster: Cluster) -> None:
    cluster.rest()
    cluster.ssh("alice@login", "srun -w cpu-4 true", timeout=180)
    place, chance = now(cluster), random.Random(1)
    calls = [(chance.choice(("resume", "suspend")), f"cpu-{chance.randint(2, 4)}") for _ in range(29)]
    with cluster.child("alice@login", "srun -w cpu-[2-3] sh -c 'hostname; sleep 15'") as job:
        wait_for("Slurm asks for the job's nodes", lambda: "POWERING" in states(cluster, "cpu-2"), 30, pause=0.2)
        cluster.ssh("root@login", "scontrol update nodename=cpu-4 state=power_down")
        operations.hook(cluster, [*calls, ("suspend", "cpu-4")], pause=0.07)
        wait_for("all is whole", lambda: whole.quiet(cluster), 120)
        assert set(cluster.instances()) == {"login", "cpu-1", "cpu-2", "cpu-3", "lab-1", "lab-2"}
        out, _ = job.communicate(timeout=120)
    assert set(out.split()) == {"cpu-2", "cpu-3"}
    happened = since(cluster, place)
    asked = [event for event in happened if event["event"] == "request"]
    runs = [event for event in happened if event["event"] == "terraform" and event["time"] < asked[29]["time"] + 60]
    assert len(asked) >= 31  # Slurm's own two besides
    assert len(runs) <= 3, runs


def states(cluster: Cluster, node: str) -> str:
    return cluster.ssh("root@login", f"sinfo -a -h -N -n {node} -O StateComplete:").out.upper()


def test_a_resume_waits_for_the_removal_that_goes_on(cluster: Cluster) -> None:
    cluster.rest()
    cluster.ssh("alice@login", "srun -w cpu-2 true", timeout=180)
    before = cluster.instances()["cpu-2"]
    with ExitStack() as held:
        held.enter_context(lock.hold(cluster.clusterdir / "run/machine-cpu-2.lock", 10))
        cluster.ssh("root@login", "scontrol update nodename=cpu-2 state=power_down")
        wait_for("the removal waits", lambda: removing(cluster), 60, pause=0.05)
        with cluster.child("alice@login", "srun -w cpu-2 hostname") as job:
            wait_for("a resume waits", lambda: "resume cpu-2" in waiting(cluster), 60, pause=0.1)
            assert cluster.instances()["cpu-2"] == before
            assert len(list(cluster.clusterdir.glob("machines/*cpu-2.*"))) == 1
            held.close()
            out, _ = job.communicate(timeout=180)
    assert out.strip() == "cpu-2"
    assert cluster.instances()["cpu-2"] != before


def removing(cluster: Cluster) -> bool:
    return any("machine.sh destroy" in harm.name(pid) for pid in rivals.marked(clusterdir(cluster)))


def test_the_last_wish_wins(cluster: Cluster) -> None:
    cluster.rest()
    for wishes, made in ((("resume", "suspend"), False), (("suspend", "resume"), True)):
        place = now(cluster)
        with lock.hold(cluster.clusterdir / "lock", 60):  # the worker waits for it
            operations.hook(cluster, [(kind, "cpu-3") for kind in wishes], pause=0)
            expected = [f"{kind} cpu-3" for kind in wishes]
            wait_for("both wait", lambda expected=expected: waiting(cluster) == expected, 60, pause=0.1)
        wait_for("both are done", lambda: not waiting(cluster), 60)
        created = [event["create"] for event in since(cluster, place) if event["event"] == "terraform"]
        assert created == ([["cpu-3"]] if made else [])


def test_a_suspend_of_an_allocated_node_is_refused(cluster: Cluster) -> None:
    cluster.rest()
    before, place = cluster.instances()["cpu-1"], now(cluster)
    with cluster.child("alice@login", "srun -w cpu-1 sh -c 'sleep 8; hostname'") as job:
        wait_for("cpu-1 is allocated", lambda: cluster.slurm()["cpu-1"] in {"allocated", "mixed"}, 30)
        operations.hook(cluster, [("suspend", "cpu-1")], pause=0)
        wait_for("it is refused", lambda: "refused" in [e["event"] for e in since(cluster, place)], 30)
        out, _ = job.communicate(timeout=60)
    assert out.strip() == "cpu-1"
    assert cluster.instances()["cpu-1"] == before


def test_a_machine_whose_removal_got_lost_does_not_stay(cluster: Cluster) -> None:
    """A hook that finds no room for its request leaves no other trace."""
    cluster.rest()
    cluster.ssh("alice@login", "srun -w cpu-3 true", timeout=180)
    wait_for("the worker is done with it", lambda: whole.quiet(cluster), 60)
    cluster.command("reconfigure", "serve", "--stop")
    cluster.ssh("root@login", "scontrol update nodename=cpu-3 state=power_down")
    lost = "rm /var/spool/kiwi/requests/*.json"
    wait_for("a request is lost", lambda: cluster.ssh("root@login", lost, check=False).code == 0, 30)
    wait_for("Slurm has it powered down", lambda: cluster.slurm()["cpu-3"] == "idle~", 60)
    assert "cpu-3" in cluster.instances()
    place = now(cluster)
    cluster.command("reconfigure", "serve", "--detach")
    wait_for("all is at rest", lambda: cluster.asleep() and whole.quiet(cluster), 60)
    assert "stray" in [event["event"] for event in since(cluster, place)]
    why = cluster.command("reconfigure", "why", "cpu-3").out
    assert "it ran while Slurm had it powered down, and is removed" in why


@pytest.fixture
def target(cluster: Cluster) -> Iterator[operations.Target]:
    """The cluster as bench/kills sees it."""
    found = operations.Target(cluster.name, Path(SITES[cluster.name]), ROOT)
    yield found
    found.log.unlink(missing_ok=True)


def test_a_job_that_ran_already_when_its_node_failed_starts_again_at_once(cluster: Cluster) -> None:
    """Slurm waits for the end of its processes, which a machine that is removed never tells; then it delays the job."""
    cluster.rest()
    number = cluster.ssh("alice@login", "sbatch --parsable --requeue -w cpu-2 --wrap 'sleep 30'").out.strip()
    wait_for("a machine is there", lambda: inside(cluster, "cpu-2"), 60, pause=0.01)
    etc = inside(cluster, "cpu-2")
    assert etc
    with ExitStack() as held:
        held.enter_context(bundle.alone(str(etc)))
        wait_for("the bundle waits", lambda: awaited(etc), 60, pause=0.01)
        with stopped(harm.victims(clusterdir(cluster), "ansible", None)):  # it does not hear of the bundle's end
            held.close()
            wait_for("the job runs", lambda: job(cluster, number).startswith("RUNNING"), 60, pause=0.1)
            for slurmd in slurmds(cluster, "cpu-2"):
                slurmd.suspend()  # until it dies with its machine
    wait_for("it is requeued", lambda: job(cluster, number).startswith("PENDING"), 30, pause=0.1)
    wait_for("it has a node again", lambda: job(cluster, number).startswith(("CONFIGURING", "RUNNING")), 40)
    wait_for("the node is well, its failure forgotten", lambda: not cooldown.read(clusterdir(cluster)), 60)
    cluster.ssh("alice@login", f"scancel {number}")


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes stand still; in the end they are killed."""
    assert pids
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            harm.kill(pid)


def slurmds(cluster: Cluster, node: str) -> list[psutil.Process]:
    found = [process for process in cluster.processes(node) if process.name() == "slurmd"]
    assert found
    return found


def inside(cluster: Cluster, node: str) -> Path | None:
    """/etc of a machine that has booted, seen from this host."""
    folders = [Path(f"/proc/{process.pid}/root/etc") for process in cluster.processes(node)]
    return next((etc for etc in folders if (etc / "kiwi/image.json").exists()), None)


def awaited(folder: Path) -> bool:
    """Whether somebody waits for the lock of a folder (proc_locks(5))."""
    inode = f":{folder.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def job(cluster: Cluster, number: str) -> str:
    return cluster.ssh("root@login", f"squeue -h -j {number} -o '%T %r'").out.strip()


def at(target: operations.Target, up: int | None, moment: str) -> bool:
    return harm.now(ClusterDir(target.root, target.name), up) == moment


@pytest.mark.parametrize(
    ("operation", "kind", "moment"),
    [
        ("resume", "terraform", "machine being made"),
        ("resume", "ansible", "playbook"),
        ("suspend", "terraform", "machine being removed"),
        ("up", "up, whole", "machine being removed"),
    ],
)
def test_killed_at_a_moment(target: operations.Target, operation: str, kind: str, moment: str) -> None:
    chance, chosen = random.Random(7), operations.OPERATIONS[operation]
    chosen.prepare(target, chance)
    with ExitStack() as held:
        if moment.startswith("machine"):  # it lasts until the kill: machine.sh waits for its lock
            for name in NAMES:
                held.enter_context(lock.hold(target.clusterdir / f"run/machine-{name}.lock", 10))
        begun = chosen.begin(target, chance)
        up = begun.up.pid if begun.up else None
        wait_for(moment, partial(at, target, up, moment), 60, pause=0.02)
        hit = harm.strike(target, kind, up, chance, 0)
    assert hit.killed
    assert hit.moment == moment
    operations.next_run(target, begun)
    operations.done(target, begun)
    assert whole.faults(target) == []
