"""What Slurm thinks of its nodes: `scontrol -o show nodes`, parsed; and how it is told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from reconfigure.model import hostlist

_FIELD = re.compile(r"(?:^| )(NodeName|State|Reason)=(.*?)(?= [A-Za-z]+=|$)")
OFF = frozenset({"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN"})


@dataclass(frozen=True)
class SlurmNode:
    """One node: base state (IDLE, ALLOCATED, DOWN, …), flags (CLOUD, POWERED_DOWN, …), reason."""

    name: str
    base: str
    flags: frozenset[str]
    reason: str = ""

    @property
    def state(self) -> str:
        return "+".join([self.base, *sorted(self.flags)])

    @property
    def off(self) -> bool:
        """Powered down, or about to be."""
        return bool(self.flags & OFF)

    @property
    def powering_up(self) -> bool:
        return "POWERING_UP" in self.flags or "POWER_UP" in self.flags

    @property
    def asleep(self) -> bool:
        """Powered down and nothing else wanted."""
        return "POWERED_DOWN" in self.flags and not self.powering_up

    @property
    def stuck(self) -> bool:
        """Down after a resume that failed: Slurm powers it up for no job until it is told to power it down."""
        return self.base == "DOWN" and self.asleep

    @property
    def allocated(self) -> bool:
        """A job has it and nobody has asked to power it down."""
        return self.base in ("ALLOCATED", "MIXED") and not self.off

    @property
    def completing(self) -> bool:
        """Slurm waits until a job's processes on it are gone."""
        return "COMPLETING" in self.flags

    @property
    def serving(self) -> bool:
        """Neither down nor off: up, or on its way there."""
        return self.base != "DOWN" and not self.off

    @property
    def up(self) -> bool:
        """Slurm counts on its machine, now."""
        return not self.off and not self.powering_up


def parse_nodes(text: str) -> dict[str, SlurmNode]:
    """Parse `scontrol -o show nodes`: one line a node; lines without a node name are ignored."""
    found = {}
    for line in text.splitlines():
        fields = {key: value.strip() for key, value in _FIELD.findall(line)}
        if "NodeName" in fields and "State" in fields:
            base, *flags = fields["State"].replace("*", "+NOT_RESPONDING").split("+")
            name = fields["NodeName"]
            found[name] = SlurmNode(name, base, frozenset(flags), fields.get("Reason", ""))
    return found


def parse_running(text: str) -> frozenset[str]:
    """Names of the nodes of running jobs, of `squeue -h -o '%T %N'`; a CONFIGURING job has none yet."""
    jobs = [line.split(maxsplit=1) for line in text.splitlines()]
    named = [job[1] for job in jobs if len(job) == 2 and job[0] == "RUNNING"]
    return frozenset(name for text in named for name in hostlist.expand(text))


def start_now(jobs: Iterable[int]) -> list[str]:
    """Arguments of the scontrol call that ends the minute's delay of requeued jobs."""
    return ["scontrol", "update", f"jobid={','.join(map(str, sorted(jobs)))}", "starttime=now"]


def update(names: Iterable[str], state: str, reason: str = "") -> list[str]:
    """Arguments of the scontrol call that sets a state."""
    told = ["scontrol", "update", f"nodename={hostlist.fold(names)}", f"state={state}"]
    return [*told, f"reason={reason}"] if reason else told
