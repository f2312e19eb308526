"""Jobs on powered-down nodes, and where their time goes.

All machines share one clock, so a job's way is cut at these moments: the command starts on the
login node; its hook writes the request (nanoseconds in the request's id); Terraform, machines and
playbook (the journal's steps); the last node's output.
"""

from __future__ import annotations

from bench import tables
from bench.cluster import events, on_login, say, shrink

PARTS = ("Slurm asks", "waits for a round", "Terraform", "machines", "playbook", "registers, starts", "in all")
# Name: the job, its budget in seconds, and whether it is repeated.
JOBS = {
    "srun -N1": ("srun -w cpu-2 date +%s.%N", "8", True),
    "srun -N16": ("srun -w cpu-[2-17] date +%s.%N", "20", True),
    "srun -N50": ("srun -w cpu-[2-51] date +%s.%N", "60", False),
    "sbatch -N1": ("cd && sbatch -Q -W -w cpu-2 -o out --wrap 'date +%s.%N' && cat out", "", True),
}


def way(line: str) -> tuple[float, ...]:
    """Run one job on powered-down nodes; seconds of each of PARTS."""
    shrink(1)
    out = on_login("alice", f"date +%s.%N; {line}").split()
    began, last = float(out[0]), max(float(word) for word in out[1:])
    mine = events(began)
    asked = min(float(i.split("-")[0]) / 1e9 for event in mine for i in event.get("requests", ()))
    step = {name: [e for e in mine if e["event"] == name] for name in ("terraform", "machines", "playbook")}
    seconds = [sum(e["seconds"] for e in step[name]) for name in step]
    starts = min(e["time"] - e["seconds"] for e in step["terraform"])
    ends = max(e["time"] for e in step["playbook"])
    return (asked - began, starts - asked, *seconds, last - ends, last - began)


def measure(repeats: int) -> str:
    columns = []
    for name, (line, budget, repeated) in JOBS.items():
        ways = []
        for number in range(repeats if repeated else 1):
            say(f"{name}, {number + 1}")
            ways.append(way(line))
        columns.append([*(tables.seconds_of(part) for part in zip(*ways)), budget])
    rows = [[part, *cells] for part, *cells in zip((*PARTS, "budget"), *columns)]
    return tables.table(["seconds", *JOBS], rows)
