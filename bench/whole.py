"""Whether a cluster is whole: machines, Terraform and Slurm agree, and nothing else is left.

Reads what is there by itself (state file, folders, control groups, interfaces,
processes), not through the driver that it judges.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kiwi.common import process
from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import rivals, worker_pid
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.slurm.nodes import SHOW, SlurmNode, parse_nodes

ASK = f"{shlex.join(SHOW)}; echo ==; squeue -a -h -o '%i %T'; echo ==; ls /var/spool/kiwi/requests"


class Cluster(Protocol):
    """What the checks and the kills need of a cluster; tests/cluster has one, too."""

    @property
    def name(self) -> str: ...

    @property
    def clusterdir(self) -> Path: ...

    def command(self, *argv: str, check: bool = True, timeout: float = 300) -> process.Result: ...

    def ssh(self, target: str, command: str, *, check: bool = True, timeout: float = 120) -> process.Result: ...


@dataclass(frozen=True)
class Controller:
    """What the login node says: Slurm's nodes, jobs by id, requests in the spool."""

    nodes: Mapping[str, SlurmNode]
    jobs: Mapping[str, str]
    spool: tuple[str, ...]


def ask(cluster: Cluster) -> Controller | None:
    """The controller's answer; None where it gives none."""
    try:
        answer = cluster.ssh("root@login", ASK, timeout=30)
    except process.CommandError:
        return None
    if answer.out.count("==\n") != 2:
        return None
    nodes, jobs, spool = answer.out.split("==\n")
    try:
        found = parse_nodes(nodes)
    except KiwiError:
        return None
    return Controller(found, dict(line.split() for line in jobs.splitlines()), tuple(spool.split())) if found else None


def faults(cluster: Cluster) -> list[str]:
    """Everything that is not as it should be; the cluster is at rest where there is nothing."""
    clusterdir = ClusterDir(cluster.clusterdir.parents[1], cluster.name)
    machines = _machines(cluster.clusterdir)
    found = _same("Terraform", terraform(cluster.clusterdir), "machines", machines)
    found += _leftovers(clusterdir, machines)
    found += [f"process {pid} still carries {rivals.MARK}" for pid in rivals.marked(clusterdir)]
    found += [] if worker_pid.worker(clusterdir) else ["no worker runs"]
    answer = ask(cluster)
    if answer is None:
        return [*found, "the controller does not answer"]
    found += [f"request {name} waits in the spool" for name in answer.spool]
    return found + _slurm(answer.nodes, machines)


def quiet(cluster: Cluster) -> bool:
    """Nothing is amiss; what cannot even be read (it is being changed) is."""
    try:
        return not faults(cluster)
    except (OSError, ValueError, KeyError):
        return False


def terraform(clusterdir: Path) -> dict[str, str]:
    """Machines in Terraform's state: id by name; a tainted one is named so."""
    path = clusterdir / "terraform/local/terraform.tfstate"
    found = {}
    for resource in json.loads(path.read_text())["resources"] if path.exists() else ():
        (name,) = re.findall(r'"([^"]+)"', resource["module"])
        for instance in resource["instances"]:
            found[name] = instance["attributes"]["id"] + (" tainted" if instance.get("status") else "")
    return found


def records(clusterdir: Path) -> list[dict[str, Any]]:
    """The records of the machines whose first process lives."""
    found = []
    for file in clusterdir.glob("machines/[!.]*/instance.json"):
        record = json.loads(file.read_text())
        try:
            stat = Path(f"/proc/{record['pid']}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat[19]) == record["pid_start"]:
            found.append(record)
    return found


def _machines(clusterdir: Path) -> dict[str, str]:
    return {record["name"]: record["instance"] for record in records(clusterdir)}


def _same(one: str, left: object, other: str, right: object) -> list[str]:
    return [] if left == right else [f"{one} has {left}, {other} {right}"]


def _leftovers(clusterdir: ClusterDir, machines: Mapping[str, str]) -> list[str]:
    """Folders, control groups, interfaces and identities that belong to no machine, or miss."""
    names, wanted = set(machines), {f"{name}.{instance}" for name, instance in machines.items()}
    links = {record["interface"] for record in records(clusterdir.path)}
    ports = _names(f"/sys/class/net/kw-{clusterdir.cluster}/brif")
    found = _same("machines/", _names(clusterdir.path / "machines"), "running machines", wanted)
    found += _same("the bridge", ports, "running machines", links)
    found += _same("identity/", _names(clusterdir.path / "identity"), "running machines", names)
    found += _same("new identities", {p.parent.name for p in clusterdir.path.glob("identity/*/new")}, "at rest", set())
    found += _same("run/batches/", _names(clusterdir.batches), "at rest", set())
    written = json.loads((clusterdir.local / "nodes.auto.tfvars.json").read_text())["nodes"]
    found += _same("nodes.auto.tfvars.json", set(written), "running machines", names)
    for tree in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if groups := _names(f"{tree}/kiwi/{clusterdir.cluster}"):
            found += _same(tree, groups, "running machines", wanted)
    return found


def _names(folder: str | Path) -> set[str]:
    path = Path(folder)
    return {entry.name for entry in path.iterdir() if entry.is_dir()} if path.is_dir() else set()


def _slurm(nodes: Mapping[str, SlurmNode], machines: Iterable[str]) -> list[str]:
    up = {name for name, node in nodes.items() if not node.power.off}
    found = _same("Slurm", sorted(up), "machines", sorted(set(machines) & nodes.keys()))
    for name, node in nodes.items():
        moving = node.flags & {"POWERING_UP", "POWERING_DOWN", "POWER_UP", "POWER_DOWN", "NOT_RESPONDING"}
        asleep = "POWERED_DOWN" in node.flags
        if node.base in ("DOWN", "UNKNOWN", "FUTURE") or (moving and not asleep) or node.power.rising:
            found.append(f"Slurm has {name} {node.state} ({node.reason})")
    return found
