"""Kills at random moments, and whether the next run brings all in order (see bench/kills).

A round begins one of four operations, kills -9 somebody who works on it after a
random time, does the next run and waits until the cluster is whole (bench/whole.py)
and the job, if there was one, has run. The seed is printed: the same one gives the
same operations, victims and delays, though not the same moments.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from bench import harm, whole
from bench.cluster import REPO
from bench.tables import table
from kiwi import process
from reconfigure import journal, service
from reconfigure.places import Home

LIMIT = 240.0  # seconds in which a round must come to rest
ELASTIC = "cpu-[2-4]"
DISK = 2 << 30  # bytes of the disk that is filled
SPARE = 100 << 20  # bytes of it that are left until the moment of the kill
FULL = 2.0  # seconds that it stays full
JOB = "cd && sbatch --parsable --requeue -N{nodes} -o kills-%j.txt --wrap 'srun hostname; sleep {seconds}'"


@dataclass(frozen=True)
class Target:
    """The cluster that is maltreated, by the commands that people use."""

    name: str
    site: Path
    root: Path

    @property
    def home(self) -> Path:
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
    wait(lambda: all_off(target) and quiet(target), "to rest asleep")


def all_off(target: Target) -> bool:
    answer = whole.ask(target)
    return answer is not None and all("POWERED_DOWN" in node.flags for n, node in answer.nodes.items() if n != "cpu-1")


def awake(target: Target, chance: random.Random) -> None:
    """All elastic nodes up and idle."""
    done(target, Begun(jobs=job(target, 4, 0)), LIMIT)


def broken(target: Target, chance: random.Random) -> None:
    """Some persistent machines killed."""
    mine = [r for r in whole.records(target.home) if not r["name"].startswith("cpu-") or r["name"] == "cpu-1"]
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


def quiet(target: whole.Cluster) -> bool:
    """Nothing is amiss; what cannot even be read (it is being changed) is."""
    try:
        return not whole.faults(target)
    except (OSError, ValueError, KeyError):
        return False


def done(target: Target, begun: Begun, seconds: float) -> float:
    """Wait until jobs have run on as many nodes as they want and all is whole; TimeoutError says what is not."""
    try:
        return wait(
            lambda: all(ran(target, *each) for each in begun.jobs.items()) and quiet(target), "to rest", seconds
        )
    except TimeoutError as exc:
        jobs = [f"job {number} has not run" for number, nodes in begun.jobs.items() if not ran(target, number, nodes)]
        raise TimeoutError(f"{exc}: {'; '.join([*jobs, *whole.faults(target)])}") from exc


def at_rest(target: Target, begun: Begun) -> bool:
    return all(ran(target, *each) for each in begun.jobs.items()) and quiet(target)


def ran(target: Target, number: str, nodes: int) -> bool:
    file = target.home / f"data/home/alice/kills-{number}.txt"
    return file.exists() and len({line for line in file.read_text().split() if line.startswith("cpu-")}) >= nodes


def next_run(target: Target, begun: Begun, deadline: float) -> None:
    """What the control host or its owner does after a kill: bin/up again, or the unit restarts."""
    if begun.up is not None:
        begun.up.wait(LIMIT)
        for _ in range(2):
            again = target.up()
            if again.wait(LIMIT) == 0:
                return
        raise TimeoutError(f"bin/up failed twice: {target.log.read_text()[-500:]}")
    if not service.systemd():
        target.command("reconfigure", "serve", "--detach")


class Row(NamedTuple):
    """One round."""

    operation: str
    kind: str
    moment: str
    killed: tuple[str, ...]
    seconds: float
    fault: str


def one_round(target: Target, chance: random.Random, full: bool) -> Row:
    operation = chance.choice(list(OPERATIONS))
    kind = chance.choice(OPERATIONS[operation].victims)
    OPERATIONS[operation].prepare(target, chance)
    begun = OPERATIONS[operation].begin(target, chance)
    with ballast(target.root) if full else nullcontext(lambda: None) as fill:
        hit = harm.strike(target, kind, begun.up.pid if begun.up else None, chance, before=fill)
        if full:
            time.sleep(FULL)
            report(target, begun)
    began, fault = time.monotonic(), ""
    try:
        next_run(target, begun, LIMIT)
        done(target, begun, LIMIT)
    except (TimeoutError, process.CommandError) as exc:
        fault = " ".join(str(exc).split())
    seconds = time.monotonic() - began
    moment = harm.step(target.home, hit.at) or hit.moment
    return Row(operation, kind, moment if hit.killed else "(none was there)", hit.killed, seconds, fault)


def tell(target: Target) -> None:
    """What there is to know about a round that failed."""
    for event in journal.read(Home(target.root, target.name))[0][-25:]:
        print(f"    {event}", flush=True)
    print(target.ssh("root@login", "squeue -o '%i %T %r %S'; sinfo -R; sinfo -N", check=False).out, flush=True)


@contextmanager
def ballast(root: Path) -> Iterator[Callable[[], None]]:
    """The disk of KIWI_ROOT nearly full; yields what fills it to the last byte."""
    path = root / "full"
    with path.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(root).free - SPARE))
        file.seek(0, os.SEEK_END)

        def fill() -> None:
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

        try:
            yield fill
        finally:
            path.unlink()


def report(target: Target, begun: Begun) -> None:
    """What a user reads while the disk is full."""
    answer = whole.ask(target)
    reasons = {node.reason for node in answer.nodes.values() if node.reason} if answer else {"the controller is silent"}
    told = target.log.read_text().splitlines()[-2:] if begun.up else []
    print(f"  while full: Slurm's reasons {sorted(reasons)}" + (f"; bin/up: {told}" if told else ""), flush=True)


@contextmanager
def small_disk(root: Path) -> Iterator[Path]:
    """A disk of its own for KIWI_ROOT, with the image that was baked last."""
    with tempfile.TemporaryDirectory(prefix="kiwi-kills-") as folder:
        process.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "kiwi-kills", folder])
        try:
            if images := sorted((root / "images").glob("[!.]*"), key=os.path.getmtime):
                (Path(folder) / "images").mkdir()
                process.run(["cp", "-a", str(images[-1]), f"{folder}/images"], timeout=600)
            yield Path(folder)
        finally:
            process.run(["umount", folder])


def show(rows: Sequence[Row]) -> str:
    """The table: a line for each kind of victim in each operation."""
    groups: dict[tuple[str, str], list[Row]] = collections.defaultdict(list)
    for row in rows:
        groups[row.operation, row.kind].append(row)
    lines = []
    for (operation, kind), found in sorted(groups.items()):
        moments = collections.Counter(row.moment for row in found)
        told = ", ".join(f"{what} {count}" if count > 1 else what for what, count in moments.most_common())
        seconds = [row.seconds for row in found]
        faults = sum(bool(row.fault) for row in found)
        times = f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"
        lines.append([operation, kind, str(len(found)), told, *times, str(faults)])
    return table(["operation", "killed", "times", "moments", "median s", "max s", "failures"], lines)


def rounds(target: Target, count: int, seed: int, full: bool) -> list[Row]:
    """All rounds; after one that failed the cluster is healed by bin/up, so that the others count.

    Ends early on an interrupt.
    """
    chance, found = random.Random(seed), []
    for number in range(1, count + 1):
        try:
            row = one_round(target, chance, full)
        except KeyboardInterrupt:
            break
        except (TimeoutError, process.CommandError) as exc:
            row = Row("preparation", "-", "-", (), 0.0, " ".join(str(exc).split()))
        told = f"{row.operation:8} {row.kind:10} {row.seconds:6.1f} s  {row.moment}; {row.killed} {row.fault}"
        print(f"{number:3} {told}", flush=True)
        found.append(row)
        if row.fault:
            tell(target)
            if target.up().wait(LIMIT) != 0:
                print("    bin/up does not heal it; stopping here", flush=True)
                break
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/kills", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=60, help="rounds (default 60)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10000))
    parser.add_argument("--full-disk", action="store_true", help="the disk of KIWI_ROOT is full at that moment")
    parser.add_argument("--site", type=Path, default=REPO / "bench/kills.yml", help="site data of the cluster")
    options = parser.parse_args()
    root = Path(os.environ.get("KIWI_ROOT", "/var/lib/kiwi"))
    print(f"seed {options.seed}", flush=True)
    with small_disk(root) if options.full_disk else nullcontext(root) as place:
        name = yaml.safe_load(options.site.read_text())["cluster_name"]
        target = Target(name, options.site.resolve(), place)
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            if target.up().wait(1800) != 0:
                raise SystemExit(target.log.read_text())
            rows = rounds(target, options.count, options.seed, options.full_disk)
        finally:
            target.log.unlink(missing_ok=True)
            target.command("down", "--all", timeout=600)
    print(show(rows))
    return int(any(row.fault for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
