"""What is written for Prometheus goes through Prometheus' own parser, from the control host and from the login node."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from kiwi.metrics import collect as on_login
from kiwi.metrics import exposition
from kiwi.metrics.exposition import Family, Sample
from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.model.request import Request
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import Machine
from reconfigure.reports import counters, failure_causes, metrics, textfile
from reconfigure.reports.snapshot import Snapshot
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.terraform.events import Instance

WATCHING = Path(__file__).resolve().parents[2] / "docs" / "watching.md"


def parsed(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(text: str, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in parsed(text).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return float(found[0])


def record(name: str, role: str) -> Node:
    return Node(name, role, name.rpartition("-")[0], "198.18.0.1", "i", "small", ())


NODESET = {name: record(name, role) for name, role in (("login", "login"), ("cpu-1", "slurm"), ("cpu-2", "slurm"))}
NODESET["lab-1"] = record("lab-1", "booking")
OBSERVED = Observed(
    {"login": Instance("0", "x"), "cpu-1": Instance("1", "x"), "gone-1": Instance("2", "x")},
    (Machine("cpu-1", "1", "", "running", ""), Machine("lab-1", "3", "", "stopped", "it ended")),
    {
        "cpu-1": SlurmNode("cpu-1", "MIXED", frozenset({"CLOUD"})),
        "cpu-2": SlurmNode("cpu-2", "IDLE", frozenset({"CLOUD", "POWERED_DOWN"})),
    },
)


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    found = ClusterDir(tmp_path, "kiwi")
    found.metrics.mkdir(parents=True)
    return found


def now(at: float = 1000.0, *waiting: Request) -> Snapshot:
    return Snapshot(NODESET, OBSERVED, waiting, True, at)


def rendered(clusterdir: ClusterDir) -> str:
    return metrics.render("kiwi", counters.count(clusterdir), now())


def asked(clusterdir: ClusterDir, kind: str, node: str, ago: float) -> str:
    """A request as the worker journals it; `ago` seconds before now."""
    number = f"{journal.time.time_ns() - int(ago * 1e9)}-1"
    journal.write(clusterdir, "request", [node], request=number, kind=kind, jobs={})
    return number


def test_what_is_now(clusterdir: ClusterDir) -> None:
    waiting = (Request("1-1", "resume", "cpu-2", 940.0, None), Request("2-1", "resume", "cpu-2", 990.0, None))
    text = metrics.render("kiwi", counters.count(clusterdir), now(1000.0, *waiting))
    assert value(text, "kiwi_worker_up", cluster="kiwi") == 1
    assert value(text, "kiwi_queue_requests") == 2
    assert value(text, "kiwi_queue_oldest_request_age_seconds") == 60
    assert value(text, "kiwi_controller_up") == 1
    assert value(text, "kiwi_nodes_max", partition="cpu") == 2
    assert value(text, "kiwi_terraform_nodes", partition="cpu", state="made") == 1
    assert value(text, "kiwi_machines", partition="lab", state="stopped") == 1
    assert value(text, "kiwi_slurm_nodes", partition="cpu", state="mixed") == 1
    assert value(text, "kiwi_slurm_nodes", partition="cpu", state="powered_down") == 1
    assert value(text, "kiwi_slurm_nodes", partition="cpu", state="idle") == 0


def test_names_types_and_help_are_as_prometheus_wants_them(clusterdir: ClusterDir) -> None:
    for family in parsed(rendered(clusterdir)).values():
        assert family.name.startswith("kiwi_")
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter", "histogram")
    assert "# TYPE kiwi_requests_total counter" in rendered(clusterdir)
    assert not any(name.endswith(("_ms", "_milliseconds", "_minutes")) for name in parsed(rendered(clusterdir)))


def test_a_resume_and_a_suspend_are_timed_from_slurms_request(clusterdir: ClusterDir) -> None:
    ids = [asked(clusterdir, "resume", "cpu-1", 7)]
    journal.write(clusterdir, "round", ["cpu-1"], round="r1", requests=ids, command="reconfigure serve")
    journal.write(clusterdir, "playbook", ["cpu-1"], round="r1", requests=ids, failed={}, seconds=2.0)
    journal.write(clusterdir, "done", ["cpu-1"], round="r1", requests=ids, failed=[], seconds=3.0)
    text = rendered(clusterdir)
    assert value(text, "kiwi_resume_duration_seconds_count", partition="cpu") == 1
    assert value(text, "kiwi_resume_duration_seconds_bucket", partition="cpu", le="5") == 0
    assert value(text, "kiwi_resume_duration_seconds_bucket", partition="cpu", le="10") == 1
    assert value(text, "kiwi_resume_duration_seconds_bucket", partition="cpu", le="+Inf") == 1
    assert 7 <= value(text, "kiwi_resume_duration_seconds_sum", partition="cpu") < 10
    asked(clusterdir, "suspend", "cpu-1", 1.5)
    journal.write(clusterdir, "terraform", ["cpu-1"], create=[], replace=[], destroy=["cpu-1"], failed={}, seconds=1.0)
    assert value(rendered(clusterdir), "kiwi_suspend_duration_seconds_bucket", partition="cpu", le="1") == 0
    assert value(rendered(clusterdir), "kiwi_suspend_duration_seconds_count", partition="cpu") == 1
    assert value(rendered(clusterdir), "kiwi_requests_total", kind="suspend") == 1


def test_failures_are_counted_by_few_causes(clusterdir: ClusterDir) -> None:
    reason = 'its image is missing: /no\n\\such "x"'
    journal.write(clusterdir, "failed", ["cpu-1", "cpu-2"], step="terraform", reason=reason)
    journal.write(clusterdir, "request", ["cpu-1"], request="1-1", kind="resume_fail", jobs={})
    journal.write(clusterdir, "round failed", reason="x", retry=1.0)
    text = rendered(clusterdir)
    assert value(text, "kiwi_node_failures_total", partition="cpu", cause="image") == 2
    assert value(text, "kiwi_node_failures_total", partition="cpu", cause="timeout") == 1
    assert value(text, "kiwi_rounds_total", outcome="failed") == 1
    labels = {sample.labels["cause"] for sample in parsed(text)["kiwi_node_failures"].samples}
    assert labels == set(failure_causes.NAMES)


def test_counters_outlive_the_worker_and_the_journals_files(
    clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LIMIT", 300)
    for number in range(1, 30):
        journal.write(clusterdir, "done", [], failed=[], seconds=1.0)
        assert counters.count(clusterdir).rounds == {"done": number}
    assert counters.load(clusterdir.metrics / "counters.json").rounds == {"done": 29}


def test_counters_of_another_version_begin_anew(clusterdir: ClusterDir) -> None:
    (clusterdir.metrics / "counters.json").write_text('{"version": 0}')
    assert counters.count(clusterdir) == counters.Counts()


def test_counters_of_release_0_1_0_are_loaded(clusterdir: ClusterDir) -> None:
    written = {
        "version": 1,
        "place": [9980227, 1571],
        "asked": {"cpu-1": 1795282305.5},
        "begun": 1795282310.0,
        "rounds": {"done": 1, "failed": 2},
        "requests": {"resume": 3},
        "failures": {"cpu": {"capacity": 4}},
        "resumed": {"cpu": {"counts": [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], "sum": 15.0}},
        "removed": {},
    }
    (clusterdir.metrics / "counters.json").write_text(json.dumps(written))
    text = rendered(clusterdir)
    assert value(text, "kiwi_rounds_total", outcome="failed") == 2
    assert value(text, "kiwi_requests_total", kind="resume") == 3
    assert value(text, "kiwi_node_failures_total", partition="cpu", cause="capacity") == 4
    assert value(text, "kiwi_resume_duration_seconds_bucket", partition="cpu", le="20") == 2
    assert value(text, "kiwi_resume_duration_seconds_sum", partition="cpu") == 15
    journal.write(clusterdir, "done", [], failed=[], seconds=1.0)
    assert counters.count(clusterdir).rounds == {"done": 2, "failed": 2}
    kept = json.loads((clusterdir.metrics / "counters.json").read_text())
    assert (kept.keys(), kept["resumed"]) == (written.keys(), written["resumed"])


def test_every_metric_of_the_documentation_is_written_and_no_other(clusterdir: ClusterDir) -> None:
    rows = [line.split("|") for line in WATCHING.read_text().splitlines() if line.startswith("| `kiwi_")]
    here = [cells[1] for cells in rows if "login node" not in cells[1]]
    names = {name for cell in here for name in re.findall(r"`(kiwi_\w+)`", cell)}
    written = {line.split()[2] for line in rendered(clusterdir).splitlines() if line.startswith("# TYPE")}
    assert written == names
    assert "_created" not in rendered(clusterdir)


def test_a_slurm_that_does_not_answer_has_no_states(clusterdir: ClusterDir) -> None:
    silent = replace(now(), observed=replace(OBSERVED, slurm=None))
    text = metrics.render("kiwi", counters.Counts(), silent)
    assert value(text, "kiwi_controller_up") == 0
    assert "kiwi_slurm_nodes" not in text
    lab = {name: node for name, node in NODESET.items() if node.role != "slurm"}
    assert "kiwi_controller_up" not in metrics.render("kiwi", counters.Counts(), replace(silent, nodeset=lab))


def test_it_is_published_for_the_collector_where_there_is_one(
    clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = clusterdir.root / "collector"
    monkeypatch.setattr(textfile, "COLLECTOR", collector)
    textfile.publish(clusterdir, rendered(clusterdir))
    assert not collector.exists()
    collector.mkdir()
    textfile.publish(clusterdir, rendered(clusterdir))
    (file,) = collector.iterdir()
    assert file.name == "kiwi-kiwi.prom"
    assert file.stat().st_mode & 0o777 == 0o644
    assert file.read_text() == (clusterdir.metrics / "kiwi.prom").read_text()
    textfile.remove(clusterdir)
    textfile.remove(clusterdir)
    assert list(collector.iterdir()) == []


def booked(node: str, state: str, holder: str | None = None, booking: str | None = None, ready: bool = True) -> dict:
    return {"node": node, "partition": "lab", "state": state, "holder": holder, "booking": booking, "ready": ready}


def test_bookings_are_counted_by_partition_and_state() -> None:
    nodes = [
        booked("lab-1", "booked", "alice", "b1"),
        booked("lab-2", "booked", "alice", "b1"),
        booked("lab-3", "booked", "bob", "b2", ready=False),
        booked("lab-4", "free"),
    ]
    text = exposition.render(on_login.of_bookings(nodes))
    assert value(text, "kiwi_bookings", partition="lab", state="ready") == 1
    assert value(text, "kiwi_bookings", partition="lab", state="opening") == 1
    assert value(text, "kiwi_booking_nodes", partition="lab", state="booked") == 3
    assert value(text, "kiwi_booking_nodes", partition="lab", state="free") == 1
    assert value(text, "kiwi_booking_nodes", partition="lab", state="dirty") == 0


def test_slurms_jobs_and_nodes_are_counted() -> None:
    jobs = "cpu|PENDING\ncpu,gpu|PENDING\ncpu|RUNNING\ncpu|COMPLETED\n"
    nodes = (
        "cpu|idle\ncpu|idle~\ncpu|mixed#\ncpu|allocated%\ncpu|down~\ncpu|drained%\ncpu|idle*\ncpu|blocked\ngpu|idle!\n"
    )
    text = exposition.render(on_login.of_slurm(jobs, nodes))
    assert value(text, "kiwi_slurm_jobs", partition="cpu", state="pending") == 2
    assert value(text, "kiwi_slurm_jobs", partition="cpu", state="running") == 1
    counts = {"idle": 2, "powered_down": 1, "powering_up": 1, "powering_down": 1, "down": 1, "drained": 1, "other": 1}
    for state, number in counts.items():
        assert value(text, "kiwi_slurm_nodes", partition="cpu", state=state) == number, state
    assert value(text, "kiwi_slurm_nodes", partition="gpu", state="powering_down") == 1


def test_an_agent_that_is_away_is_told_and_slurm_is_left_out_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_login, "SLURM", tmp_path / "slurm.conf")
    text = exposition.render(on_login.families())
    assert value(text, "kiwi_agent_up") == 0
    assert "slurm" not in text


def test_signs_in_labels_and_help_are_escaped() -> None:
    family = Family("kiwi_x", "gauge", "A \\ and\na line.", [Sample(0.5, {"a": 'b"c\\d\ne'})])
    (found,) = parsed(exposition.render([family])).values()
    assert found.samples[0].labels == {"a": 'b"c\\d\ne'}
    assert found.samples[0].value == 0.5
    assert found.documentation == "A \\ and\na line."
    assert exposition.render([Family("kiwi_x", "gauge", "Nothing.", [])]) == ""
