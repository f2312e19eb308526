"""Where the time of `up` and of jobs on powered-down nodes goes (see bench/slice).

All machines share one clock, so a job's way is cut at these moments: the
command starts on the login node; its hook writes the request (nanoseconds in
the request's id); Terraform, machines and playbook (the journal's steps); the
first output.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kiwi import process
from reconfigure import journal, places

REPO = Path(__file__).resolve().parent.parent
SITE = REPO / "bench" / "site.yml"
NAME = "kbench"
HOME = Path(os.environ.get("KIWI_ROOT", "/var/lib/kiwi")) / "clusters" / NAME
JOBS = {
    "srun -N1": "srun -w cpu-2 date +%s.%N",
    "srun -N3": "srun -w cpu-[2-4] date +%s.%N",
    "sbatch -N1": "cd && sbatch -Q -W -w cpu-2 -o out --wrap 'date +%s.%N' && cat out",
}
PARTS = ("Slurm asks", "waits for a round", "Terraform", "machine", "playbook", "registers, starts", "in all")


class Way(NamedTuple):
    """Seconds of each part of a job's way, in the order of PARTS."""

    parts: tuple[float, ...]


def command(*argv: str, timeout: float = 600) -> str:
    """Output of a program of the checkout; CommandError where it fails."""
    environment = {**os.environ, "KIWI_CLUSTER": NAME}
    return process.run([str(REPO / argv[0]), *argv[1:]], timeout=timeout, env=environment).out


def on_login(user: str, line: str) -> str:
    return command("bin/login", f"{user}@login", line)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Poll until true; TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the cluster does not come to rest")
        time.sleep(0.5)


def at_rest() -> bool:
    """Only persistent nodes run, as Slurm and the machines' folder see it."""
    states = dict(line.split() for line in on_login("root", "sinfo -N -h -o '%N %T'").splitlines())
    return set(states.values()) == {"idle", "idle~"} and not list(HOME.glob("machines/cpu-[2-4].*"))


def events(since: float) -> list[dict[str, Any]]:
    found, _ = journal.read(places.home(NAME))
    return [event for event in found if event["time"] >= since]


def way(line: str) -> Way:
    """Run one job on powered-down nodes and cut its way into parts."""
    wait_until(at_rest)
    out = on_login("alice", f"date +%s.%N; {line}").split()
    began, first = float(out[0]), max(float(word) for word in out[1:])
    mine = events(began)
    asked = min(float(i.split("-")[0]) / 1e9 for event in mine for i in event.get("requests", ()))
    step = {name: [e for e in mine if e["event"] == name] for name in ("terraform", "machines", "playbook")}
    seconds = [max(e["seconds"] for e in step[name]) for name in step]
    starts = min(e["time"] - e["seconds"] for e in step["terraform"])
    ends = max(e["time"] for e in step["playbook"])
    return Way((asked - began, starts - asked, *seconds, first - ends, first - began))


def up() -> list[tuple[str, float]]:
    """Bring the cluster up from a baked image; seconds by play, then in all."""
    command("bin/down")
    began = time.monotonic()
    out = command("bin/up", "--site", str(SITE), timeout=1200)
    plays = [(name, float(seconds)) for name, seconds in re.findall(r"^(.*) … ([0-9.]+) s", out, re.MULTILINE)]
    return [*plays, ("in all, with the job at the end", time.monotonic() - began)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds_of(values: Sequence[float]) -> str:
    """Median, and the range where there are several."""
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.median(values):.1f} ({min(values):.1f}–{max(values):.1f})"


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(prog="bench/slice", description=__doc__)
    parser.add_argument("repeats", nargs="?", type=int, default=3, help="how often each is measured (default 3)")
    repeats = parser.parse_args().repeats
    command("bin/up", "--site", str(SITE), timeout=1800)
    try:
        runs = [dict(up()) for _ in range(repeats)]
        rows = [[name, seconds_of([run.get(name, 0.0) for run in runs])] for name in runs[-1]]
        print(table(["`bin/up`, image baked", "seconds"], rows), end="\n\n", flush=True)
        columns = []
        for line in JOBS.values():
            ways = [way(line).parts for _ in range(repeats)]
            columns.append([seconds_of(part) for part in zip(*ways)])
        print(table(["seconds", *JOBS], [[part, *cells] for part, *cells in zip(PARTS, *columns)]))
    finally:
        command("bin/down", "--all")


if __name__ == "__main__":
    main()
