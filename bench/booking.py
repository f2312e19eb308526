"""Book, give back and make longer with many processes on a local folder, kill some, and check the history.

    bench/booking [--operations N] [--clients N] [--nodes N] [--kills N]      (default: 100000, 16, 16, 2 a second)

Prints how many operations and changes a second there were, how long one took, and what the checker
(bench/linear.py) found; the exit code is 1 if it found a fault. No cluster is made, nothing outside a
temporary folder is changed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import quantiles

from bench import linear, stress
from bench.stress import Plan, Result
from bench.tables import table


def main() -> int:
    """Run it once; 1 where the history is not linear."""
    parser = argparse.ArgumentParser(prog="bench/booking", description=__doc__)
    for name, count in (("operations", 100000), ("clients", 16), ("nodes", 16)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--kills", type=float, default=2.0, help="of all processes, a second")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = stress.run(Path(folder) / "state", Plan(asked.operations, asked.clients, asked.nodes, asked.kills))
    print(_summary(found))
    faults = linear.check(found.lines, found.told, found.last, found.now)
    print("\n".join(faults[:50]) or "the history is one and linear: none is lost, none is double")
    return 1 if faults else 0


def _summary(found: Result) -> str:
    rows = [
        ["operations", str(len(found.told))],
        ["changes (generations)", str(found.last["generation"])],
        ["operations a second", f"{len(found.told) / found.seconds:.0f}"],
        ["processes killed", str(found.killed)],
        ["operations cut off by that", str(sum(one.ended is None for one in found.told))],
    ]
    for what in ("booked", "released|cancelled", ""):
        times = [1000 * (t.ended - t.began) for t in found.told if t.ended is not None and t.event == what]
        if len(times) > 1:
            cuts = quantiles(times, n=100)
            rows.append([f"ms of one that was {what or 'refused'}: half, 99 %", f"{cuts[49]:.1f}, {cuts[98]:.1f}"])
    return table(["", ""], rows)


if __name__ == "__main__":
    sys.exit(main())
