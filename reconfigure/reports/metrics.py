"""What the control host tells Prometheus about a cluster (docs/watching.md), as a collector. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, product

from prometheus_client import Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from kiwi.metrics.collect import NODES
from reconfigure.model.request import KINDS
from reconfigure.providers.base import STATES
from reconfigure.reports import failure_causes
from reconfigure.reports.counters import BUCKETS, Counts, Times
from reconfigure.reports.snapshot import Snapshot
from reconfigure.slurm.nodes import Power, SlurmNode

ROUNDS = ("done", "failed")
STATE = ("partition", "state")
Values = Mapping[tuple[str, ...], float]  # one sample each, by the values of its labels besides `cluster`


def render(cluster: str, counts: Counts, now: Snapshot) -> str:
    """Return all metrics of a cluster in Prometheus' text format 0.0.4."""
    return generate_latest(ClusterCollector(cluster, counts, now)).decode()


class ClusterCollector(Collector):
    """The metrics of one cluster; each sample has the label `cluster`."""

    def __init__(self, cluster: str, counts: Counts, now: Snapshot) -> None:
        self._cluster, self._counts, self._now = cluster, counts, now
        nodes = now.nodeset.values()
        self._parts = sorted({node.partition for node in nodes if node.partition})
        self._elastic = sorted({node.partition for node in nodes if node.role == "slurm"})

    def collect(self) -> list[Metric]:
        """Return all families that have samples."""
        families = (*self._worker(), *self._counters(), *self._durations(), *self._nodes())
        return [family for family in families if family.samples]

    def _worker(self) -> Iterator[Metric]:
        """Yield the worker, the queue and whether Slurm answers."""
        now = self._now
        oldest = max((now.time - request.time for request in now.waiting), default=0.0)
        answers: Values = {(): now.observed.slurm is not None} if self._elastic else {}
        yield self._gauge("kiwi_worker_up", "Whether the worker runs.", {(): now.worker})
        written: Values = {(): round(now.time, 3)}
        yield self._gauge("kiwi_worker_update_timestamp_seconds", "When the worker wrote this.", written)
        yield self._gauge("kiwi_controller_up", "Whether Slurm's controller answers the control host.", answers)
        waiting: Values = {(): len(now.waiting)}
        yield self._gauge("kiwi_queue_requests", "Requests of Slurm that wait or are being carried out.", waiting)
        age: Values = {(): round(max(0.0, oldest), 3)}
        yield self._gauge("kiwi_queue_oldest_request_age_seconds", "Age of the oldest of them.", age)

    def _counters(self) -> Iterator[Metric]:
        """Yield what was counted in the journal."""
        counts, pairs = self._counts, product(self._parts, failure_causes.NAMES)
        requests: Values = {(kind,): counts.requests.get(kind, 0) for kind in KINDS}
        yield self._counter("kiwi_requests_total", "Requests of Slurm.", requests, "kind")
        rounds: Values = {(outcome,): counts.rounds.get(outcome, 0) for outcome in ROUNDS}
        yield self._counter("kiwi_rounds_total", "Changes carried out.", rounds, "outcome")
        failures: Values = {(part, cause): counts.failures.get(part, {}).get(cause, 0) for part, cause in pairs}
        labels = ("partition", "cause")
        yield self._counter("kiwi_node_failures_total", "Nodes that failed to come up.", failures, *labels)

    def _durations(self) -> Iterator[Metric]:
        """Yield how long nodes took, for elastic partitions and for all others that have a value."""
        resumed, removed = self._counts.resumed, self._counts.removed
        yield self._histogram("kiwi_resume_duration_seconds", "From Slurm's request to a configured node.", resumed)
        yield self._histogram("kiwi_suspend_duration_seconds", "From Slurm's request to a removed machine.", removed)

    def _nodes(self) -> Iterator[Metric]:
        """Yield how many nodes there may be, and how many Terraform, the provider and Slurm have in each state."""
        observed, known, parts = self._now.observed, self._now.nodeset, self._parts
        made = Counter((known[n].partition, _made(i.tainted)) for n, i in observed.state.items() if n in known)
        machines = Counter((known[m.name].partition, m.state) for m in observed.machines if m.name in known)
        nodes = {name: node for name, node in (observed.slurm or {}).items() if name in known}
        slurm = Counter((known[name].partition, slurm_state(node)) for name, node in nodes.items())
        most = Counter((node.partition,) for node in known.values())
        answering = self._elastic if observed.slurm is not None else []
        yield self._gauge("kiwi_nodes_max", "Nodes that may exist.", {(p,): most[p,] for p in parts}, "partition")
        terraform = _each(made, parts, ("made", "tainted"))
        yield self._gauge("kiwi_terraform_nodes", "Nodes in Terraform's state.", terraform, *STATE)
        there = _each(machines, parts, STATES)
        yield self._gauge("kiwi_machines", "Machines as the provider sees them.", there, *STATE)
        yield self._gauge("kiwi_slurm_nodes", "Slurm's nodes.", _each(slurm, answering, NODES), *STATE)

    def _gauge(self, name: str, text: str, values: Values, *labels: str) -> Metric:
        return self._filled(GaugeMetricFamily(name, text, labels=("cluster", *labels)), values)

    def _counter(self, name: str, text: str, values: Values, *labels: str) -> Metric:
        return self._filled(CounterMetricFamily(name, text, labels=("cluster", *labels)), values)

    def _filled(self, family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
        for key, value in values.items():
            family.add_metric((self._cluster, *key), value)
        return family

    def _histogram(self, name: str, text: str, times: Mapping[str, Times]) -> Metric:
        family = HistogramMetricFamily(name, text, labels=("cluster", "partition"))
        limits = [*map(str, BUCKETS), "+Inf"]
        for part in self._parts:
            if part in times or part in self._elastic:
                found = times.get(part, Times())
                buckets = list(zip(limits, accumulate(found.counts), strict=True))
                family.add_metric((self._cluster, part), buckets, found.sum)
        return family


def _each(counts: Mapping[tuple[str, str], int], partitions: Iterable[str], states: Iterable[str]) -> Values:
    """Return the count of every state in every partition, zeros included."""
    return {pair: counts.get(pair, 0) for pair in product(partitions, states)}


def _made(tainted: bool) -> str:
    return "tainted" if tainted else "made"


def slurm_state(node: SlurmNode) -> str:
    """Return a node's state as one of kiwi.metrics.collect.NODES."""
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
