"""Slurm's nodes as its JSON has them (SHOW), and the scontrol calls that change them.

Reasons, comments and the like are words that somebody wrote: in JSON they are values of their own, whatever is in
them, while in `scontrol -o` a reason may say State=IDLE.

A node is 2.3 KB of JSON, so 10,000 are 23 MB, which take seconds. All are asked for by STATES instead, which has one
line for nodes in the same state and no word that a person wrote; of those that are not just off, more is asked by name
(SHOW).

States and flags: scontrol(1) and sinfo(1), "NODE STATE CODES"; power saving:
https://slurm.schedmd.com/power_save.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from kiwi.common import hostlist
from kiwi.common.errors import KiwiError, shown

STATES = ("sinfo", "-a", "-h", "-O", "NodeList: ,StateComplete: ")  # two words a line, however long
_STATES_LINE = re.compile(r"(\S+) ([a-z_]+(?:\+[a-z_]+)*) ?")
OFF = frozenset({"CLOUD", "POWERED_DOWN"})  # flags of a node of which no more need be known, where it is IDLE
LONGEST = 50_000  # characters of a hostlist that a call may have; Linux takes 131,072
# Prints all nodes as JSON, or those of the hostlist that is its argument: 22.05 has it in sinfo, and always all of
# them; later releases in scontrol (their sinfo sums nodes up).
SHOW = (
    "sh",
    "-c",
    "if scontrol --help | grep -q -e --json; "
    'then exec scontrol -a show nodes "$@" --json; else exec sinfo -a --json; fi',
    "show",
)
JOBS = ("squeue", "-a", "-h", "-o", "%T %A %N")
PERSON = "root"  # in whose name the driver sets again what a person had set
SLURM_USER = "slurm"  # who sets states and reasons that no person set: slurmctld, and the driver
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
    """One node: base state (IDLE, ALLOCATED, DOWN, …), flags (CLOUD, DRAIN, POWERED_DOWN, …), reason.

    `reason_user` is who set the reason ("" where nobody did), `reason_time` when, in unix seconds.
    """

    name: str
    base: str
    flags: frozenset[str]
    reason: str = ""
    reason_user: str = ""
    reason_time: float = 0.0

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
    def runs_job(self) -> bool:
        """Whether a job may run on it now; POWER_DOWN alone waits for the end of that job (scontrol(1))."""
        return self.has_job and not self.flags & {"POWERED_DOWN", "POWERING_DOWN", "POWERING_UP", "POWER_UP"}

    @property
    def completing(self) -> bool:
        """Whether Slurm waits until a job's processes on it are gone."""
        return "COMPLETING" in self.flags

    @property
    def drained(self) -> bool:
        """Whether it takes no new job."""
        return "DRAIN" in self.flags

    @property
    def responds(self) -> bool:
        """Whether its slurmd answers."""
        return "NOT_RESPONDING" not in self.flags

    @property
    def in_service(self) -> bool:
        """Whether its slurmd has registered and Slurm counts on it; a job may start there at any moment."""
        return self.power is Power.UP and self.responds and not self.down and not self.rebooting

    @property
    def rebooting(self) -> bool:
        """Whether Slurm waits for the end of a reboot: only a slurmd that says it has booted since counts."""
        return any(flag.startswith("REBOOT") for flag in self.flags)

    @property
    def kept(self) -> bool:
        """Whether a person took it out of service, by a drain or DOWN: it stays so until a person takes that back."""
        return (self.drained or self.down) and not self.rebooting and self.reason_user not in ("", SLURM_USER)

    def drained_by_person(self, reason: str) -> SlurmNode:
        """Return the node with a person's drain; what a person says now goes before a reason from before."""
        if self.kept:
            return replace(self, flags=self.flags | {"DRAIN"})
        return replace(self, flags=self.flags | {"DRAIN"}, reason=reason, reason_user=PERSON)

    @property
    def crashed(self) -> bool:
        """Whether it is DOWN, and no person set it so."""
        return self.down and not self.drained and not self.rebooting and not self.kept


def parse_states(text: str) -> tuple[dict[str, SlurmNode], str]:
    """Parse what STATES prints; return the nodes that are idle and off, and the others as a hostlist.

    Raise KiwiError if it is no such answer, or the hostlist is too long for a call.
    """
    lines = [(line, _STATES_LINE.fullmatch(line)) for line in filter(None, text.splitlines())]
    if wrong := [line for line, match in lines if not match]:
        raise KiwiError(f"sinfo: {shown(wrong[0])} is no line of a state")
    found = [(match[1], match[2].upper().split("+")) for _, match in lines if match]
    off = hostlist.expand(names for names, (base, *flags) in found if base == "IDLE" and OFF == frozenset(flags))
    others = ",".join(names for names, (base, *flags) in found if base != "IDLE" or OFF != frozenset(flags))
    if len(others) > LONGEST:
        raise KiwiError(f"sinfo: {len(others)} characters of names are too many for a call")
    hostlist.expand([others] if others else [])
    return {name: SlurmNode(name, "IDLE", OFF) for name in off}, others


def parse_nodes(text: str) -> dict[str, SlurmNode]:
    """Parse what SHOW prints; leave out what has no node's name. Raise KiwiError if it is no such answer."""
    try:
        nodes = json.loads(text)["nodes"]
        found = [_node(entry) for entry in nodes[:]]  # a list, and no object
        return {node.name: node for node in found if hostlist.PLAIN.fullmatch(node.name)}
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as exc:
        raise KiwiError(f"Slurm's answer about its nodes cannot be read: {shown(exc)}") from exc


def _node(entry: dict[str, Any]) -> SlurmNode:
    """Return the node of one entry; 22.05 has its flags, and numbers, in another form than later releases."""
    state = entry["state"]
    base, *flags = state if isinstance(state, list) else [state, *entry["state_flags"]]
    when, reason = entry.get("reason_changed_at") or 0, entry.get("reason") or ""
    return SlurmNode(
        name=entry["name"],
        base=base.upper(),
        flags=frozenset(flag.upper() for flag in flags),
        reason=reason.strip(),
        reason_user=entry.get("reason_set_by_user") or "" if reason else "",
        reason_time=float(when["number"] if isinstance(when, dict) else when) if reason else 0.0,
    )


def parse_running(text: str) -> dict[str, frozenset[int]]:
    """Parse what JOBS prints; return the ids of running jobs by node. A CONFIGURING job has no node yet.

    Raise UsageError if Slurm names what is no node.
    """
    found: dict[str, set[int]] = {}
    for words in (line.split() for line in text.splitlines()):
        if len(words) == 3 and words[0] == "RUNNING" and words[1].isdecimal():
            for name in hostlist.expand(words[2]):
                found.setdefault(name, set()).add(int(words[1]))
    return {name: frozenset(jobs) for name, jobs in found.items()}


def start_now(jobs: Iterable[int]) -> list[str]:
    """Return the scontrol call that ends the minute's delay of requeued jobs."""
    return ["scontrol", "update", f"jobid={','.join(map(str, sorted(jobs)))}", "starttime=now"]


def update(names: Iterable[str], state: str, reason: str = "") -> list[str]:
    """Return the scontrol call that sets a state of nodes."""
    argv = ["scontrol", "update", f"nodename={hostlist.fold(names)}", f"state={state}"]
    return [*argv, f"reason={reason}"] if reason else argv
