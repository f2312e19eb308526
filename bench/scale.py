"""What a change and a question cost by the number of nodes in the site data (see bench/scale).

The columns are sizes; progress goes to standard error. Whatever happens, the cluster is removed in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from bench import tables
from bench.cluster import HOME, NAME, RECONFIGURE, command, keeping_images, nodes, on_login, say, shrink, timed
from kiwi.common.errors import KiwiError

SITE = """\
cluster_name: {name}
subnet: 10.78.0.0/16
suspend_time: 3600
suspend_timeout: 8
partitions:
  - {{name: cpu, scheduler: slurm, min_nodes: 1, max_nodes: {size}, image: debian13, flavor: small}}
"""
SINFO = "b=$(date +%s%N); sinfo >/dev/null; e=$(date +%s%N); echo $(((e - b) / 1000000))"
MIB = 1 << 20


def _up(size: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder, "site.yml")
        site.write_text(SITE.format(name=NAME, size=size), encoding="utf-8")
        return timed("bin/up", "--site", str(site))


def _repeated(repeats: int, measured: Callable[[], float]) -> str:
    return tables.seconds_of([measured() for _ in range(repeats)])


def _added(first: int, last: int) -> float:
    """Seconds until so many nodes are made and registered; they are removed again."""
    seconds = timed(RECONFIGURE, "resume", nodes(first, last))
    shrink(1)
    return seconds


def _job() -> float:
    seconds = timed("bin/login", "alice@login", "srun -N1 -w cpu-2 hostname")
    shrink(1)
    return seconds


def _worker() -> str:
    status = json.loads(command(RECONFIGURE, "status", "--json"))
    return f"{psutil.Process(status['worker']['pid']).memory_info().rss / MIB:.0f}"


def column(size: int, repeats: int, burst: int) -> dict[str, str]:
    """Measure all with so many nodes in the site data."""
    say(f"bin/up with {size} nodes")
    found = {"`bin/up`, new size, s": f"{_up(size):.1f}"}
    found["`bin/up` again, s"] = _repeated(repeats, lambda: _up(size))
    say("one node, and a job on one")
    found["one node added, s"] = _repeated(repeats, lambda: _added(2, 2))
    found["`srun -N1`, cold, s"] = _repeated(repeats, _job)
    say(f"{burst} nodes at once")
    found[f"{burst} nodes added, s"] = f"{_added(2, burst + 1):.1f}" if size > burst else "–"
    found["`status`, s"] = _repeated(repeats, lambda: timed(RECONFIGURE, "status"))
    found["`why NODE`, s"] = _repeated(repeats, lambda: timed(RECONFIGURE, "why", f"cpu-{size}"))
    found["`sinfo`, s"] = _repeated(repeats, lambda: int(on_login("root", SINFO)) / 1000)
    found["slurmctld, MiB"] = f"{int(on_login('root', 'ps -o rss= -C slurmctld').split()[0]) / 1024:.0f}"
    found["worker, MiB"] = _worker()
    return found


def table(columns: dict[int, dict[str, str]]) -> str:
    """Return the table, a column a size."""
    rows = list(next(iter(columns.values())))
    head = ["nodes in the site data", *(f"{size:,}" for size in columns)]
    return tables.table(head, [[row, *(found[row] for found in columns.values())] for row in rows])


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/scale", description=__doc__)
    parser.add_argument("--sizes", default="4,100,1000,10000", help="numbers of nodes (default 4,100,1000,10000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often most are measured (default 3)")
    parser.add_argument("--burst", type=int, default=50, help="nodes that are added at once (default 50)")
    parser.add_argument("--keep", action="store_true", help="leave the image for the next run")
    return parser.parse_args(words)


def main() -> int:
    """Measure each size; 1 where one could not be."""
    asked = _arguments()
    columns: dict[int, dict[str, str]] = {}
    with keeping_images(HOME.root):
        try:
            for size in map(int, asked.sizes.split(",")):
                columns[size] = column(size, asked.repeats, asked.burst)
        except (KiwiError, OSError) as exc:
            print(f"bench/scale: {exc}", file=sys.stderr)
            return 1
        finally:
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end.\n")
            print(table(columns) if columns else "nothing was measured", flush=True)
            command("bin/down", "--force", *([] if asked.keep else ["--all"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
