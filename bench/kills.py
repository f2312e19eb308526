"""Kills at random moments, and whether the next run brings all in order (see bench/kills).

A round begins one of the operations (bench/operations.py), kills -9 somebody who works
on it after a random time (bench/harm.py), does the next run and waits until the
cluster is whole (bench/whole.py) and the job, if there was one, has run. The seed is
printed: the same one gives the same operations, victims and delays, though not the
same moments.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import yaml

from bench import disk, harm, operations, whole
from bench.cluster import REPO, keeping_images
from bench.operations import LIMIT, OPERATIONS, Begun, Target
from bench.tables import table
from kiwi.common import process
from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir

FULL = 2.0  # seconds that the disk stays full


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
    with disk.ballast(target.root) if full else nullcontext(lambda: None) as fill:
        hit = harm.strike(target, kind, begun.up.pid if begun.up else None, chance, before=fill)
        if full:
            time.sleep(FULL)
            report(target, begun)
    began, fault = time.monotonic(), ""
    try:
        operations.next_run(target, begun)
        operations.done(target, begun, operations.heal if full else None)
    except (TimeoutError, process.CommandError) as exc:
        fault = " ".join(str(exc).split())
    seconds = time.monotonic() - began
    moment = harm.step(target.clusterdir, hit.at) or hit.moment
    return Row(operation, kind, moment if hit.killed else "(none was there)", hit.killed, seconds, fault)


def tell(target: Target) -> None:
    """What there is to know about a round that failed."""
    for event in journal.read(ClusterDir(target.root, target.name))[0][-25:]:
        print(f"    {event}", flush=True)
    print(target.ssh("root@login", "squeue -o '%i %T %r %S'; sinfo -R; sinfo -N", check=False).out, flush=True)


def report(target: Target, begun: Begun) -> None:
    """What a user reads while the disk is full."""
    answer = whole.ask(target)
    reasons = {node.reason for node in answer.nodes.values() if node.reason} if answer else {"the controller is silent"}
    told = target.log.read_text().splitlines()[-2:] if begun.up else []
    print(f"  while full: Slurm's reasons {sorted(reasons)}" + (f"; bin/up: {told}" if told else ""), flush=True)


def show(rows: Sequence[Row]) -> str:
    """The table: a line for each kind of victim in each operation."""
    groups: dict[tuple[str, str], list[Row]] = collections.defaultdict(list)
    for row in (row for row in rows if row.killed or row.fault):
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
    """Rounds until `count` kills were done; after one that failed the cluster is healed by bin/up.

    A victim may be gone before its time; then nothing is killed. Ends early on an interrupt.
    """
    chance, found = random.Random(seed), list[Row]()
    while sum(bool(row.killed) for row in found) < count and len(found) < 2 * count:
        try:
            row = one_round(target, chance, full)
        except KeyboardInterrupt:
            break
        except (TimeoutError, process.CommandError) as exc:
            row = Row("preparation", "-", "-", (), 0.0, " ".join(str(exc).split()))
        told = f"{row.operation:8} {row.kind:10} {row.seconds:6.1f} s  {row.moment}; {row.killed} {row.fault}"
        found.append(row)
        print(f"{len(found):3} {told}", flush=True)
        if row.fault:
            tell(target)
            if target.up().wait(LIMIT) != 0:
                print("    bin/up does not heal it; stopping here", flush=True)
                break
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/kills", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=60, help="kills (default 60)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10000))
    parser.add_argument("--full-disk", action="store_true", help="the disk of KIWI_ROOT is full at that moment")
    parser.add_argument("--site", type=Path, default=REPO / "bench/kills.yml", help="site data of the cluster")
    options = parser.parse_args()
    root = Path(os.environ.get("KIWI_ROOT", "/var/lib/kiwi"))
    print(f"seed {options.seed}", flush=True)
    with disk.small_disk(root) if options.full_disk else nullcontext(root) as place, keeping_images(place):
        name = yaml.safe_load(options.site.read_text())["cluster_name"]
        target = Target(name, options.site.resolve(), place)
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            if target.up().wait(1800) != 0:
                raise SystemExit(target.log.read_text())
            rows = rounds(target, options.count, options.seed, options.full_disk)
        finally:
            target.log.unlink(missing_ok=True)
            target.command("down", "--all", "--force", timeout=600)
    print(show(rows))
    return int(any(row.fault for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
