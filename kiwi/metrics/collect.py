"""Count bookings, and Slurm's jobs and nodes, on the login node for Prometheus (docs/watching.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kiwi.agent.protocol import Request, ask
from kiwi.common import process
from kiwi.common.errors import KiwiError
from kiwi.metrics.exposition import Family, Sample

TIMEOUT = 10.0  # seconds that Slurm has to answer
SLURM = Path("/etc/slurm/slurm.conf")
JOBS = ("pending", "configuring", "running", "completing", "suspended")
NODES = ("idle", "mixed", "allocated", "powered_down", "powering_up", "powering_down", "drained", "down", "other")
BOOKED = ("free", "booked", "cleaning", "dirty", "drained", "off", "down")
SIGNS = {"~": "powered_down", "#": "powering_up", "%": "powering_down", "!": "powering_down"}


def families() -> list[Family]:
    """Return all that can be counted now; of what does not answer, that it is not up."""
    return [*_bookings(), *(_slurm() if SLURM.exists() else [])]


def _bookings() -> list[Family]:
    try:
        nodes: list[dict[str, Any]] = ask(Request("info", None, ()))["nodes"]
    except KiwiError:
        return [_up("kiwi_agent_up", "Whether the agent of the login node answers.", False)]
    return [_up("kiwi_agent_up", "Whether the agent of the login node answers.", True), *of_bookings(nodes)]


def of_bookings(nodes: Sequence[Mapping[str, Any]]) -> list[Family]:
    """Return the nodes of `kiwi info --json` as families."""
    partitions = sorted({node["partition"] for node in nodes})
    held: dict[tuple[str, str], bool] = {}
    for node in nodes:
        if node["holder"]:
            key = (node["partition"], node["booking"])
            held[key] = held.get(key, True) and bool(node["ready"])
    bookings = Counter((partition, "ready" if ready else "opening") for (partition, _), ready in held.items())
    states = Counter((node["partition"], node["state"]) for node in nodes)
    return [
        counted("kiwi_booking_nodes", "Nodes for booking.", states, partitions, BOOKED),
        counted("kiwi_bookings", "Bookings that hold nodes.", bookings, partitions, ("ready", "opening")),
    ]


def _slurm() -> list[Family]:
    try:
        jobs = process.run(["squeue", "-h", "-a", "-r", "-o", "%P|%T"], timeout=TIMEOUT).out
        nodes = process.run(["sinfo", "-h", "-N", "-o", "%R|%T"], timeout=TIMEOUT).out
    except KiwiError:
        return [_up("kiwi_slurmctld_up", "Whether Slurm's controller answers.", False)]
    return [_up("kiwi_slurmctld_up", "Whether Slurm's controller answers.", True), *of_slurm(jobs, nodes)]


def of_slurm(jobs: str, nodes: str) -> list[Family]:
    """Return families of `squeue -o %P|%T` and `sinfo -N -o %R|%T`: partition and state, one line each."""
    seen = [tuple(line.split("|", 1)) for line in nodes.splitlines() if "|" in line]
    asked = [tuple(line.split("|", 1)) for line in jobs.splitlines() if "|" in line]
    partitions = sorted({partition for partition, _ in seen})
    # A pending job may name several partitions; it is counted in the first.
    waiting = Counter((partition.split(",")[0], state.lower()) for partition, state in asked)
    states = Counter((partition, node_state(state)) for partition, state in seen)
    return [
        counted("kiwi_slurm_nodes", "Slurm's nodes.", states, partitions, NODES),
        counted("kiwi_slurm_jobs", "Slurm's jobs.", waiting, partitions, JOBS),
    ]


def node_state(state: str) -> str:
    """Return one of NODES for a state as `sinfo -o %T` writes it, such as idle~ (sinfo(1), node state codes)."""
    base = state.rstrip("*~#%!@^$+-")
    base = "drained" if base.startswith("drain") else base
    for sign, word in SIGNS.items():
        if sign in state and base not in ("down", "drained"):
            return word
    return base if base in NODES else "other"


def counted(
    name: str, text: str, counts: Mapping[tuple[str, str], int], partitions: Iterable[str], states: Sequence[str]
) -> Family:
    """Return a gauge of how many there are for each partition and state, 0 included."""
    pairs = [(partition, state) for partition in partitions for state in states]
    samples = [Sample(counts.get(pair, 0), {"partition": pair[0], "state": pair[1]}) for pair in pairs]
    return Family(name, "gauge", text, samples)


def _up(name: str, text: str, up: bool) -> Family:
    return Family(name, "gauge", text, [Sample(up)])
