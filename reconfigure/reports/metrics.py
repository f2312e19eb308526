"""What the control host tells Prometheus: counters out of the event journal, and what is now. Pure but for files.

CLUSTERDIR/metrics/counters.json is what was counted, with the place in the journal up to which it was: so
nothing is counted twice or missed, whoever wrote it, and all counters outlive the worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from kiwi.metrics import exposition
from kiwi.metrics.collect import NODES, counted
from kiwi.metrics.exposition import Family, Sample
from reconfigure.clusterdir import files, journal
from reconfigure.clusterdir.journal import Event, Position
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.model.request import KINDS, Request
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import STATES
from reconfigure.reports import failure_causes
from reconfigure.slurm.nodes import Power, SlurmNode

VERSION = 1
BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # seconds
COLLECTOR = Path("/var/lib/prometheus/node-exporter")  # Debian's default of node_exporter
ROUNDS = ("done", "failed")
Numbers = dict[str, int]


@dataclass
class Times:
    """A histogram: how many took at most each of BUCKETS, or longer; their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    sum: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[sum(seconds > limit for limit in BUCKETS)] += 1
        self.sum = round(self.sum + seconds, 3)

    def samples(self, labels: Mapping[str, str]) -> list[Sample]:
        ends = [str(limit) for limit in BUCKETS] + ["+Inf"]
        total = [sum(self.counts[: i + 1]) for i in range(len(ends))]
        found = [Sample(n, {**labels, "le": end}, "_bucket") for n, end in zip(total, ends, strict=True)]
        return [*found, Sample(self.sum, labels, "_sum"), Sample(total[-1], labels, "_count")]


@dataclass
class Counts:
    """All that was counted. `asked` is when Slurm asked for a node (or its removal), `begun` when the round began."""

    place: Position = journal.START
    asked: dict[str, float] = field(default_factory=dict)
    begun: float = 0.0
    rounds: Numbers = field(default_factory=dict)
    requests: Numbers = field(default_factory=dict)
    failures: dict[str, Numbers] = field(default_factory=dict)
    resumed: dict[str, Times] = field(default_factory=dict)
    removed: dict[str, Times] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Count one event of the journal; those that are not counted are passed over."""
        if taken := getattr(self, f"_{event['event']}".replace(" ", "_"), None):
            taken(event)

    def _request(self, event: Event) -> None:
        _add(self.requests, event["kind"])
        self.asked |= dict.fromkeys(event["nodes"], int(event["request"].partition("-")[0]) / 1e9)
        if event["kind"] == "resume_fail":
            self._fail("timeout", event["nodes"])

    def _round(self, event: Event) -> None:
        self.begun = event["time"]

    def _done(self, event: Event) -> None:
        _add(self.rounds, "done")
        self.asked = {name: at for name, at in self.asked.items() if name not in event["nodes"]}

    def _nothing(self, event: Event) -> None:
        self.asked = {name: at for name, at in self.asked.items() if name not in event["nodes"]}

    _refused = _nothing

    def _round_failed(self, event: Event) -> None:
        _add(self.rounds, "failed")

    def _failed(self, event: Event) -> None:
        self._fail(failure_causes.cause(event.get("step", ""), event["reason"]).name, event["nodes"])

    def _fail(self, cause: str, nodes: Iterable[str]) -> None:
        for name in nodes:
            _add(self.failures.setdefault(_partition(name), {}), cause)

    def _playbook(self, event: Event) -> None:
        self._time(self.resumed, event, set(event["nodes"]) - set(event.get("failed") or ()))

    def _register(self, event: Event) -> None:
        self._time(self.resumed, event, event["nodes"])

    def _terraform(self, event: Event) -> None:
        self._time(self.removed, event, set(event.get("destroy") or ()) - set(event.get("failed") or ()))

    def _time(self, times: dict[str, Times], event: Event, nodes: Iterable[str]) -> None:
        """Note how long nodes took, from when Slurm asked, else from when the round began."""
        for name in nodes:
            began = self.asked.get(name, self.begun)
            times.setdefault(_partition(name), Times()).add(max(0.0, event["time"] - began))


def _add(numbers: Numbers, key: str) -> None:
    numbers[key] = numbers.get(key, 0) + 1


def _partition(node: str) -> str:
    return node.rpartition("-")[0]


def load(path: Path) -> Counts:
    """What was counted before; nothing where it is not there or of another version."""
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
    """Count what the journal has since the last time, and keep it."""
    path = clusterdir.metrics / "counters.json"
    counts = load(path)
    events, place = journal.read(clusterdir, counts.place)
    for event in events:
        counts.take(event)
    if place != counts.place:
        counts.place = place
        files.write_json(path, {"version": VERSION, **asdict(counts)})
    return counts


@dataclass(frozen=True)
class Now:
    """What is at this moment."""

    nodeset: Mapping[str, Node]
    observed: Observed
    waiting: tuple[Request, ...]
    worker: bool
    time: float


def families(counts: Counts, now: Now) -> list[Family]:
    """Pure: everything as families."""
    parts = sorted({node.partition for node in now.nodeset.values() if node.partition})
    oldest = max((now.time - request.time for request in now.waiting), default=0.0)
    elastic = {node.partition for node in now.nodeset.values() if node.role == "slurm"}
    answers = [Sample(now.observed.slurm is not None)] if elastic else []
    return [
        _gauge("kiwi_worker_up", "Whether the worker runs.", now.worker),
        _gauge("kiwi_worker_update_timestamp_seconds", "When the worker wrote this.", round(now.time, 3)),
        Family("kiwi_controller_up", "gauge", "Whether Slurm's controller answers the control host.", answers),
        _gauge("kiwi_queue_requests", "Requests of Slurm that wait or are being carried out.", len(now.waiting)),
        _gauge("kiwi_queue_oldest_request_age_seconds", "Age of the oldest of them.", round(max(0.0, oldest), 3)),
        _counter("kiwi_requests_total", "Requests of Slurm.", {k: counts.requests.get(k, 0) for k in KINDS}, "kind"),
        _counter("kiwi_rounds_total", "Changes carried out.", {k: counts.rounds.get(k, 0) for k in ROUNDS}, "outcome"),
        Family("kiwi_node_failures_total", "counter", "Nodes that failed to come up.", _failures(counts, parts)),
        _times(
            "kiwi_resume_duration_seconds", "From Slurm's request to a configured node.", counts.resumed, parts, elastic
        ),
        _times(
            "kiwi_suspend_duration_seconds",
            "From Slurm's request to a removed machine.",
            counts.removed,
            parts,
            elastic,
        ),
        *_nodes(now, parts, sorted(elastic)),
    ]


def _nodes(now: Now, parts: list[str], elastic: list[str]) -> list[Family]:
    """Nodes as Terraform, their machines and Slurm have them."""
    observed, known = now.observed, now.nodeset
    made = Counter((known[n].partition, _made(i.tainted)) for n, i in observed.state.items() if n in known)
    machines = Counter((known[m.name].partition, m.state) for m in observed.machines if m.name in known)
    slurm = Counter((known[n].partition, slurm_state(node)) for n, node in (observed.slurm or {}).items() if n in known)
    most = Counter(node.partition for node in known.values())
    return [
        Family("kiwi_nodes_max", "gauge", "Nodes that may exist.", [Sample(most[p], {"partition": p}) for p in parts]),
        counted("kiwi_terraform_nodes", "Nodes in Terraform's state.", made, parts, ("made", "tainted")),
        counted("kiwi_machines", "Machines as the provider sees them.", machines, parts, STATES),
        counted("kiwi_slurm_nodes", "Slurm's nodes.", slurm, elastic if observed.slurm is not None else [], NODES),
    ]


def _made(tainted: bool) -> str:
    return "tainted" if tainted else "made"


def slurm_state(node: SlurmNode) -> str:
    """One of kiwi.metrics.NODES."""
    choices = [
        (node.down, "down"),
        (node.power.rising, "powering_up"),
        (node.drained, "drained"),
        (node.power is Power.POWERED_DOWN, "powered_down"),
        (node.power is Power.POWERING_DOWN, "powering_down"),
        (node.base.lower() in NODES, node.base.lower()),
        (True, "other"),
    ]
    return next(state for holds, state in choices if holds)


def _gauge(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, [Sample(value)])


def _counter(name: str, text: str, counts: Mapping[str, int], label: str) -> Family:
    return Family(name, "counter", text, [Sample(n, {label: key}) for key, n in counts.items()])


def _times(name: str, text: str, times: Mapping[str, Times], parts: Iterable[str], elastic: Iterable[str]) -> Family:
    shown = [part for part in parts if part in times or part in elastic]
    samples = [sample for part in shown for sample in times.get(part, Times()).samples({"partition": part})]
    return Family(name, "histogram", text, samples)


def _failures(counts: Counts, parts: Iterable[str]) -> list[Sample]:
    rows = [(part, cause) for part in parts for cause in failure_causes.NAMES]
    return [Sample(counts.failures.get(p, {}).get(c, 0), {"partition": p, "cause": c}) for p, c in rows]


def collected(clusterdir: ClusterDir) -> Path:
    """The file in the folder of this host's node_exporter."""
    return COLLECTOR / f"kiwi-{clusterdir.cluster}.prom"


def publish(clusterdir: ClusterDir, counts: Counts, now: Now) -> None:
    """Write CLUSTERDIR/metrics/kiwi.prom, and the same for node_exporter where this host has one."""
    text = exposition.render(families(counts, now), {"cluster": clusterdir.cluster})
    exposition.write(clusterdir.metrics / "kiwi.prom", text)
    if COLLECTOR.is_dir():
        exposition.write(collected(clusterdir), text)


def remove(clusterdir: ClusterDir) -> None:
    """Take back what is outside of the cluster's folder."""
    collected(clusterdir).unlink(missing_ok=True)
