"""Slurm's jobs as `squeue` lists them: only fields in which no user can write what they like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kiwi.common import hostlist
from kiwi.common.errors import UsageError

SQUEUE = ("squeue", "-a", "-h", "-o", "%i|%T|%u|%P|%D|%n|%N")


@dataclass(frozen=True)
class Job:
    """One job (or the waiting tasks of an array), its state (squeue(1), JOB STATE CODES) and its nodes.

    `partitions` are those that it may run in, `count` is how many nodes it wants,
    `required` are nodes that it names itself (`--nodelist`), `nodes` those that it has.
    """

    id: str
    state: str
    user: str
    partitions: tuple[str, ...]
    count: int
    required: frozenset[str]
    nodes: frozenset[str]

    @property
    def pending(self) -> bool:
        """Whether it waits."""
        return self.state == "PENDING"


def parse(text: str) -> tuple[Job, ...]:
    """Return the jobs of `SQUEUE`'s output. Raise ValueError where a line is none: no job is passed over."""
    return tuple(_jobs(text))


def _jobs(text: str) -> Iterator[Job]:
    for line in filter(None, map(str.strip, text.splitlines())):
        fields = line.split("|")
        try:
            id_, state, user, partitions, count, required, nodes = fields
            named, given = (frozenset(hostlist.expand(of)) if of else frozenset() for of in (required, nodes))
            yield Job(id_, state, user, tuple(partitions.split(",")), int(count.split("-")[0]), named, given)
        except (ValueError, UsageError) as exc:
            raise ValueError(f"squeue: {line!r} is no job: {exc}") from exc
