"""Slurm's nodes as `scontrol -o show nodes` has them, and the scontrol calls that change them.

States and flags: scontrol(1) and sinfo(1), "NODE STATE CODES"; power saving:
https://slurm.schedmd.com/power_save.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from kiwi.common import hostlist

_FIELD = re.compile(r"(?:^| )(NodeName|State|Reason)=(.*?)(?= [A-Za-z]+=|$)")
_RISING = frozenset({"POWERING_UP", "POWER_UP"})
_FALLING = frozenset({"POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN"})


class Power(Enum):
    """Where a node is between off and on; each node is in exactly one, of the flags that its state has.

    up: POWERING_UP, POWER_UP; down: POWERED_DOWN, POWERING_DOWN, POWER_DOWN.

    | power         | up   | down                   | what Slurm does                                        |
    | ------------- | ---- | ---------------------- | ------------------------------------------------------ |
    | UP            | none | none                   | counts on its machine, now                             |
    | POWERING_UP   | some | none                   | has called ResumeProgram and waits for slurmd          |
    | TURNING       | some | some                   | was asked for both; what is under way ends first       |
    | POWERING_DOWN | none | some, not POWERED_DOWN | calls SuspendProgram, or waits for SuspendTimeout      |
    | POWERED_DOWN  | none | POWERED_DOWN           | powers it up for the next job, unless the node is DOWN |
    """

    UP = "up"
    POWERING_UP = "powering up"
    TURNING = "turning"
    POWERING_DOWN = "powering down"
    POWERED_DOWN = "powered down"

    @property
    def off(self) -> bool:
        """Whether the node is powered down or is to be: no job that it has counts."""
        return self in (Power.POWERED_DOWN, Power.POWERING_DOWN, Power.TURNING)

    @property
    def rising(self) -> bool:
        """Whether Slurm wants it up and it is not: the one thing to do is to bring it."""
        return self in (Power.POWERING_UP, Power.TURNING)


@dataclass(frozen=True)
class SlurmNode:
    """One node: base state (IDLE, ALLOCATED, DOWN, …), flags (CLOUD, DRAIN, POWERED_DOWN, …), reason."""

    name: str
    base: str
    flags: frozenset[str]
    reason: str = ""

    @property
    def state(self) -> str:
        """The state as scontrol writes it, flags in alphabetical order: IDLE+CLOUD+DRAIN."""
        return "+".join([self.base, *sorted(self.flags)])

    @property
    def power(self) -> Power:
        """Its place in the table of Power."""
        rising, falling = bool(self.flags & _RISING), bool(self.flags & _FALLING)
        if rising:
            return Power.TURNING if falling else Power.POWERING_UP
        if "POWERED_DOWN" in self.flags:
            return Power.POWERED_DOWN
        return Power.POWERING_DOWN if falling else Power.UP

    @property
    def down(self) -> bool:
        """Whether it is DOWN: Slurm sends no job there, and powers it up for none."""
        return self.base == "DOWN"

    @property
    def has_job(self) -> bool:
        """Whether a job has it, or is promised it."""
        return self.base in ("ALLOCATED", "MIXED")

    @property
    def allocated(self) -> bool:
        """Whether a job has it and nobody has asked to power it down."""
        return self.has_job and not self.power.off

    @property
    def completing(self) -> bool:
        """Whether Slurm waits until a job's processes on it are gone."""
        return "COMPLETING" in self.flags

    @property
    def drained(self) -> bool:
        """Whether it takes no new job."""
        return "DRAIN" in self.flags


def parse_nodes(text: str) -> dict[str, SlurmNode]:
    """Parse `scontrol -o show nodes`, one line a node; lines without a node name are ignored."""
    found = {}
    for line in text.splitlines():
        fields = {key: value.strip() for key, value in _FIELD.findall(line)}
        if "NodeName" in fields and "State" in fields:
            base, *flags = fields["State"].replace("*", "+NOT_RESPONDING").split("+")
            name = fields["NodeName"]
            found[name] = SlurmNode(name, base, frozenset(flags), fields.get("Reason", ""))
    return found


def parse_running(text: str) -> frozenset[str]:
    """Parse `squeue -h -o '%T %N'`; return the nodes of running jobs. A CONFIGURING job has none yet."""
    jobs = [line.split(maxsplit=1) for line in text.splitlines()]
    named = [job[1] for job in jobs if len(job) == 2 and job[0] == "RUNNING"]
    return frozenset(name for text in named for name in hostlist.expand(text))


def start_now(jobs: Iterable[int]) -> list[str]:
    """Return the scontrol call that ends the minute's delay of requeued jobs."""
    return ["scontrol", "update", f"jobid={','.join(map(str, sorted(jobs)))}", "starttime=now"]


def update(names: Iterable[str], state: str, reason: str = "") -> list[str]:
    """Return the scontrol call that sets a state of nodes."""
    argv = ["scontrol", "update", f"nodename={hostlist.fold(names)}", f"state={state}"]
    return [*argv, f"reason={reason}"] if reason else argv
