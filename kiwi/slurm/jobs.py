"""Ask squeue for a job, by every spelling that Slurm prints of one: 42, 42_7, 42_[8-40%4], 42+1, 42.batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from kiwi.common import hostlist
from kiwi.common.errors import KiwiError, UnreachableError, UsageError
from kiwi.common.process import CommandError

# No field in it is a text that the job's owner chose.
FORMAT = "%i|%T|%r|%u|%P|%D|%N|%n|%S|%E"
_SPELLED = re.compile(
    r"(?:JobId=|StepId=)?(?P<number>[0-9]{1,10})"
    r"(?:_(?:(?P<task>[0-9]{1,10})|(?P<tasks>\*|\[[0-9,:%.-]+\])))?"  # an array's task, or those that wait
    r"(?:\+(?P<part>[0-9]{1,5}))?"  # a component of a heterogeneous job
    r"(?:\([0-9]{1,10}\))?"
    r"(?:\.(?:batch|extern|interactive|TBD|[0-9]{1,10})(?:\+[0-9]{1,5})?)?"  # a step: its job is meant
)
UNCONFIGURED = "Could not establish a configuration source"  # what Slurm's commands say without a slurm.conf
Call = Callable[[list[str]], str]


class NoSlurmError(UsageError):
    """This machine has no part in Slurm."""


class Job(NamedTuple):
    """One line of squeue. `nodes` it has or is given, `asked` it named (-w): hostlists, "" if there are none."""

    id: str
    state: str
    reason: str
    user: str
    partition: str
    size: str
    nodes: str
    asked: str
    start: str
    dependency: str

    @property
    def unavailable(self) -> str:
        """Return the nodes that it cannot have by its reason: a hostlist."""
        return self.reason.partition("UnavailableNodes:")[2].rstrip(")")

    @property
    def number(self) -> str:
        """Return the id that commands take: of tasks that wait, and of a component, that of the whole job."""
        return self.id if re.fullmatch(r"[0-9]+_[0-9]+", self.id) else re.split(r"[_+]", self.id)[0]


class Target(NamedTuple):
    """A job as somebody spelled it: `asked` is what squeue is asked for, `wanted` the id that counts, or its begin."""

    asked: str
    wanted: str


def is_job(text: str) -> bool:
    """Return whether a text is meant to be a job, and no node."""
    return text[:1].isdigit() or text.startswith(("JobId=", "StepId="))


def target(text: str) -> Target:
    """Return the job that a text spells. Raise UsageError if it spells none."""
    found = _SPELLED.fullmatch(text) if text.isascii() else None
    if found is None:
        raise UsageError(key="job", found=text, needs="a job id such as 42, 42_1 or 42+1")
    number = found["number"]
    if found["task"]:
        return Target(f"{number}_{found['task']}", "")
    return Target(number, f"{number}_[" if found["tasks"] else f"{number}+{found['part']}" if found["part"] else "")


def parse(text: str) -> list[Job]:
    """Return the jobs of `squeue -h -o FORMAT`; lines that are none are left out."""
    rows = ([_word(cell) for cell in line.split("|")] for line in text.splitlines())
    return [Job(*row) for row in rows if len(row) == len(Job._fields)]


def _word(cell: str) -> str:
    return "" if cell.strip() in ("(null)", "N/A") else cell.strip()


def command(asked: str) -> list[str]:
    """Return the call of squeue that prints a job, all tasks of an array, or all components."""
    return ["squeue", "-h", "-a", "--states=all", "-j", asked, "-o", FORMAT]


def find(text: str, call: Call) -> list[Job]:
    """Return a job as Slurm has it; of an array, tasks in one state and with one reason are one, those that wait first.

    `call` runs a command and returns its output. Raise UsageError if `text` is no job id or Slurm does not know it,
    NoSlurmError if there is no Slurm here, UnreachableError if it does not answer.
    """
    spelled = target(text)
    try:
        found = parse(call(command(spelled.asked)))
    except CommandError as exc:
        if "Invalid job id" not in exc.stderr:
            raise silent(exc) from exc
        found = []
    wanted = _wanted(found, spelled.wanted)
    if not wanted:
        hint = "squeue -a lists the jobs that it knows; it forgets one five minutes after its end"
        raise UsageError(f"job: found {text}, which Slurm does not know", hint=hint)
    return grouped(wanted)


def _wanted(found: list[Job], begin: str) -> list[Job]:
    """Return the jobs that were spelled; all of an array if none of its tasks waits any more."""
    if begin.endswith("["):
        return [job for job in found if job.id.startswith(begin)] or found
    return [job for job in found if begin in ("", job.id)]


def silent(exc: CommandError) -> KiwiError:
    """Return the error that says why a command of Slurm gave no answer."""
    if exc.code == 127 or UNCONFIGURED in exc.stderr:
        hint = "ask on the login node; where the site has no Slurm partition there are no jobs (kiwi info has nodes)"
        return NoSlurmError("this machine knows no Slurm", hint=hint)
    words = exc.stderr.strip().splitlines()
    hint = "an admin looks at: systemctl status slurmctld (on the login node), reconfigure status (on the control host)"
    return UnreachableError(f"Slurm does not answer: {words[-1] if words else exc}", hint=hint)


def grouped(jobs: list[Job]) -> list[Job]:
    """Return tasks of one array that differ in number and nodes alone as one job, those that wait first."""
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (job.state != "PENDING", _numbers(job.id))):
        alone = () if "_" in job.id else (job.id,)
        key = (*alone, *(value for name, value in zip(job._fields, job) if name not in ("id", "nodes", "start")))
        groups.setdefault(key, []).append(job)
    return [_one(group) for group in groups.values()]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"[0-9]+", text)[:2]))


def _one(group: list[Job]) -> Job:
    first = group[0]
    if len(group) == 1:
        return first
    tasks = ",".join(job.id.partition("_")[2].strip("[]") for job in group)
    nodes = {name for job in group if job.nodes for name in hostlist.expand(job.nodes)}
    return first._replace(id=f"{first.id.partition('_')[0]}_[{ranges(tasks)}]", nodes=hostlist.fold(nodes))


def ranges(tasks: str) -> str:
    """Return tasks such as 1,2,3,7 with neighbours folded: 1-3,7; what is no list of numbers stays as it is."""
    if not re.fullmatch(r"[0-9,]+", tasks):
        return tasks
    runs: list[list[int]] = []
    for number in sorted(map(int, tasks.split(","))):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
