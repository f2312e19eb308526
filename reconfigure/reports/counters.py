"""What the control host has counted for Prometheus, out of the event journal. Pure but for one file.

CLUSTERDIR/metrics/counters.json holds the counts and the position in the journal up to which they were counted:
so no event is counted twice or missed, whoever wrote it, and all counters outlive the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from reconfigure.clusterdir import files, journal
from reconfigure.clusterdir.journal import Event, Position
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.reports import failure_causes

VERSION = 1
BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # seconds
Numbers = dict[str, int]


@dataclass
class Times:
    """A histogram of durations: how many took at most each of BUCKETS, or longer; their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[sum(seconds > limit for limit in BUCKETS)] += 1
        self.sum = round(self.sum + seconds, 3)


@dataclass
class Counts:
    """All counts; the fields are those of counters.json.

    `asked` is when Slurm asked for a node or for its removal, `begun` when the last round began (both unix s);
    `failures` are by partition and cause, `resumed` and `removed` by partition.
    """

    place: Position = journal.START
    asked: dict[str, float] = field(default_factory=dict)
    begun: float = 0.0
    rounds: Numbers = field(default_factory=dict)
    requests: Numbers = field(default_factory=dict)
    failures: dict[str, Numbers] = field(default_factory=dict)
    resumed: dict[str, Times] = field(default_factory=dict)
    removed: dict[str, Times] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Count one event of the journal; ignore one that COUNTERS does not have."""
        if counter := COUNTERS.get(event["event"]):
            counter(self, event)


def _request(counts: Counts, event: Event) -> None:
    _add(counts.requests, event["kind"])
    counts.asked |= dict.fromkeys(event["nodes"], int(event["request"].partition("-")[0]) / 1e9)
    if event["kind"] == "resume_fail":
        _fail(counts, "timeout", event["nodes"])


def _round(counts: Counts, event: Event) -> None:
    counts.begun = event["time"]


def _done(counts: Counts, event: Event) -> None:
    if "batch" not in event:  # else a part of a round that was counted
        _add(counts.rounds, "done")
    _answered(counts, event)


def _answered(counts: Counts, event: Event) -> None:
    """Forget when Slurm asked for these nodes: its request has an answer."""
    counts.asked = {name: at for name, at in counts.asked.items() if name not in event["nodes"]}


def _round_failed(counts: Counts, event: Event) -> None:
    _add(counts.rounds, "failed")


def _failed(counts: Counts, event: Event) -> None:
    _fail(counts, failure_causes.cause(event.get("step", ""), event["reason"]).name, event["nodes"])


def _playbook(counts: Counts, event: Event) -> None:
    _time(counts, counts.resumed, event, set(event["nodes"]) - set(event.get("failed") or ()))


def _register(counts: Counts, event: Event) -> None:
    _time(counts, counts.resumed, event, event["nodes"])


def _terraform(counts: Counts, event: Event) -> None:
    _time(counts, counts.removed, event, set(event.get("destroy") or ()) - set(event.get("failed") or ()))


COUNTERS: dict[str, Callable[[Counts, Event], None]] = {
    "request": _request,
    "round": _round,
    "terraform": _terraform,
    "playbook": _playbook,
    "register": _register,
    "failed": _failed,
    "done": _done,
    "refused": _answered,
    "nothing": _answered,
    "round failed": _round_failed,
    "batch failed": _round_failed,
}


def _fail(counts: Counts, cause: str, nodes: Iterable[str]) -> None:
    for name in nodes:
        _add(counts.failures.setdefault(_partition(name), {}), cause)


def _time(counts: Counts, times: dict[str, Times], event: Event, nodes: Iterable[str]) -> None:
    """Note how long nodes took: from when Slurm asked, else from when the round began."""
    for name in nodes:
        began = counts.asked.get(name, counts.begun)
        times.setdefault(_partition(name), Times()).add(max(0.0, event["time"] - began))


def _add(numbers: Numbers, key: str) -> None:
    numbers[key] = numbers.get(key, 0) + 1


def _partition(node: str) -> str:
    return node.rpartition("-")[0]


def load(path: Path) -> Counts:
    """Return the counts in a file; zeros if there is no file or its version is another one."""
    try:
        data = files.read_json(path)
    except FileNotFoundError:
        return Counts()
    if data.pop("version", None) != VERSION:
        return Counts()
    return Counts(
        place=Position(*data["place"]),
        asked=data["asked"],
        begun=data["begun"],
        rounds=data["rounds"],
        requests=data["requests"],
        failures=data["failures"],
        resumed={name: Times(**times) for name, times in data["resumed"].items()},
        removed={name: Times(**times) for name, times in data["removed"].items()},
    )


def count(clusterdir: ClusterDir) -> Counts:
    """Count the events that the journal got since the last call; save the counts and return them.

    Raise UsageError if counters.json is no JSON object, OSError if it cannot be written.
    """
    path = clusterdir.metrics / "counters.json"
    counts = load(path)
    events, place = journal.read(clusterdir, counts.place)
    for event in events:
        counts.take(event)
    if place != counts.place:
        counts.place = place
        files.write_json(path, {"version": VERSION, **asdict(counts)})
    return counts
