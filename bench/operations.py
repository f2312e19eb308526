"""What bench/kills disturbs: how each operation is prepared and begun, and when it has come to rest."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench import whole
from bench.cluster import REPO
from kiwi.common import process
from reconfigure.planning import repair
from reconfigure.worker import supervisor

LIMIT = 240.0  # seconds in which a round must come to rest
ELASTIC = "cpu-[2-4]"
JOB = "cd && sbatch --parsable --requeue -N{nodes} -o kills-%j.txt --wrap 'srun hostname; sleep {seconds}'"


@dataclass(frozen=True)
class Target:
    """The cluster that is maltreated, by the commands that people use."""

    name: str
    site: Path
    root: Path

    @property
    def clusterdir(self) -> Path:
        return self.root / "clusters" / self.name

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KIWI_CLUSTER": self.name, "KIWI_ROOT": str(self.root)}

    @property
    def log(self) -> Path:
        """What bin/up said last; not on the disk that is filled."""
        return Path(tempfile.gettempdir()) / f"kiwi-kills-{self.name}.log"

    def command(self, *argv: str, check: bool = True, timeout: float = 300) -> process.Result:
        program = REPO / ".venv/bin/reconfigure" if argv[0] == "reconfigure" else REPO / "bin" / argv[0]
        return process.run([str(program), *argv[1:]], check=check, timeout=timeout, env=self.environment)

    def ssh(self, target: str, command: str, *, check: bool = True, timeout: float = 120) -> process.Result:
        return self.command("login", target, command, check=check, timeout=timeout)

    def up(self) -> process.Child[str]:
        argv = [str(REPO / "bin/up"), "--site", str(self.site)]
        with self.log.open("w", encoding="utf-8") as log:
            return process.start(argv, stdout=log, stderr=log, env=self.environment, new_session=True)


@dataclass
class Begun:
    """An operation that goes on: bin/up's process, jobs with the number of nodes that they want."""

    up: process.Child[str] | None = None
    jobs: dict[str, int] = field(default_factory=dict)


class Operation(NamedTuple):
    """What is disturbed: how it is prepared and begun, and whom it gives to kill."""

    prepare: Callable[[Target, random.Random], None]
    begin: Callable[[Target, random.Random], Begun]
    victims: tuple[str, ...]


def asleep(target: Target, chance: random.Random) -> None:
    """All elastic nodes powered down."""
    target.ssh("root@login", f"scontrol update nodename={ELASTIC} state=power_down", check=False)
    wait(lambda: all_off(target) and whole.quiet(target), "to rest asleep")


def all_off(target: Target) -> bool:
    answer = whole.ask(target)
    return answer is not None and all("POWERED_DOWN" in node.flags for n, node in answer.nodes.items() if n != "cpu-1")


def awake(target: Target, chance: random.Random) -> None:
    """All elastic nodes up and idle."""
    done(target, Begun(jobs=job(target, 4, 0)))


def broken(target: Target, chance: random.Random) -> None:
    """Some persistent machines killed."""
    mine = [r for r in whole.records(target.clusterdir) if not r["name"].startswith("cpu-") or r["name"] == "cpu-1"]
    for record in chance.sample(mine, 2):
        os.kill(record["pid"], 9)


def job(target: Target, nodes: int, seconds: int) -> dict[str, int]:
    return {target.ssh("alice@login", JOB.format(nodes=nodes, seconds=seconds)).out.strip(): nodes}


def resume(target: Target, chance: random.Random) -> Begun:
    return Begun(jobs=job(target, chance.randint(2, 4), 1))


def suspend(target: Target, chance: random.Random) -> Begun:
    target.ssh("root@login", f"scontrol update nodename={ELASTIC} state=power_down")
    return Begun()


def up(target: Target, chance: random.Random) -> Begun:
    return Begun(up=target.up())


def burst(target: Target, chance: random.Random) -> Begun:
    """30 hook calls within 3 s that contradict each other, beside a job."""
    begun = Begun(jobs=job(target, chance.randint(2, 3), 3))
    calls = [(chance.choice(("resume", "suspend")), f"cpu-{chance.randint(2, 4)}") for _ in range(30)]
    hook(target, calls, pause=0.08)
    return begun


def hook(target: whole.Cluster, calls: Sequence[tuple[str, str]], pause: float) -> None:
    """Call Slurm's hooks as slurmctld does, one after the other."""
    lines = "; ".join(f"/usr/lib/kiwi/slurmscripts/{kind} {nodes}; sleep {pause}" for kind, nodes in calls)
    target.ssh("root@login", f"runuser -u slurm -- sh -c '{lines}'")


ELSEWHERE = ("worker", "terraform", "ansible")
OPERATIONS = {
    "resume": Operation(asleep, resume, ELSEWHERE),
    "suspend": Operation(awake, suspend, ("worker", "terraform")),
    "up": Operation(broken, up, ("up, whole", "up, one", "terraform", "ansible")),
    "burst": Operation(asleep, burst, ELSEWHERE),
}


def wait(condition: Callable[[], bool], what: str, seconds: float = LIMIT) -> float:
    """Poll until true; seconds it took, TimeoutError where it is not."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"did not come {what} within {seconds:.0f} s")
        time.sleep(0.3)
    return time.monotonic() - began


def done(target: Target, begun: Begun, also: Callable[[Target], None] | None = None) -> float:
    """Wait until jobs have run on as many nodes as they want and all is whole; TimeoutError says what is not.

    `also` is done before each look.
    """

    def rests() -> bool:
        if also:
            also(target)
        return not waiting(target, begun) and whole.quiet(target)

    try:
        return wait(rests, "to rest")
    except TimeoutError as exc:
        jobs = [f"job {number} has not run" for number in waiting(target, begun)]
        raise TimeoutError(f"{exc}: {'; '.join([*jobs, *whole.faults(target)])}") from exc


def waiting(target: Target, begun: Begun) -> list[str]:
    """Jobs that have not run yet."""
    return [number for number, nodes in begun.jobs.items() if not ran(target, number, nodes)]


def ran(target: Target, number: str, nodes: int) -> bool:
    file = target.clusterdir / f"data/home/alice/kills-{number}.txt"
    return file.exists() and len({line for line in file.read_text().split() if line.startswith("cpu-")}) >= nodes


def next_run(target: Target, begun: Begun) -> None:
    """What the control host or its owner does after a kill: bin/up again, or the unit restarts."""
    if begun.up is not None:
        begun.up.wait(LIMIT)
        for _ in range(2):
            again = target.up()
            if again.wait(LIMIT) == 0:
                return
        raise TimeoutError(f"bin/up failed twice: {target.log.read_text()[-500:]}")
    if not supervisor.systemd():
        target.command("reconfigure", "serve", "--detach")


def heal(target: Target) -> None:
    """What a person does when a full disk has room again, where slurmd found it full, and no more (docs/faults.md)."""
    answer = whole.ask(target)
    drained = [node for node in answer.nodes.values() if node.reason.startswith(repair.DISK_FULL)] if answer else []
    if any("DRAIN" in node.flags for node in drained) and target.up().wait(LIMIT) != 0:
        raise TimeoutError(f"bin/up failed: {target.log.read_text()[-500:]}")
    release(target)


def release(target: Target) -> None:
    """Release jobs that Slurm holds; it does so once more where the attempt before left a folder on the node."""
    held = target.ssh("root@login", "squeue -h -t PENDING -o '%i %r' | sed -n 's/ .*held.*//p'").out.split()
    if held:
        target.ssh("root@login", f"scontrol release {','.join(held)}")
