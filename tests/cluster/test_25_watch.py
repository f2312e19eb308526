"""What people are told of a real cluster: `why`, `status`, logs, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.conftest import Cluster, wait_for

ON_LOGIN = "/var/lib/prometheus/node-exporter/kiwi.prom"


def told(cluster: Cluster, target: str) -> dict:
    return json.loads(cluster.command("reconfigure", "why", target, "--json").out)


def story(cluster: Cluster, node: str) -> list[str]:
    return [line["text"] for line in told(cluster, node)["story"]]


def values(text: str) -> dict[str, float]:
    """Sum of all samples by name."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_a_node_that_came_for_a_job_has_a_story(cluster: Cluster) -> None:
    wait_for("cpu-2 is powered down", cluster.asleep, 120)
    job = cluster.ssh("alice@login", "srun -w cpu-2 printenv SLURM_JOB_ID", timeout=180).out.strip()
    # A job starts when its node has registered, which is before the change is over.
    wait_for("the end of the story", lambda: "the change was over" in story(cluster, "cpu-2"), 30)
    lines = story(cluster, "cpu-2")
    assert f"Slurm asked for it, for job {job}" in lines
    assert {"Terraform made its machine", "the playbook made it a node"} <= set(lines)
    assert told(cluster, "cpu-2")["now"]["machine"] == "running"
    assert f"job {job} of alice" in told(cluster, job)["headline"]


def test_a_pending_job_is_explained_to_its_owner_and_to_an_admin(cluster: Cluster) -> None:
    job = cluster.ssh("alice@login", "cd /tmp && sbatch --parsable --hold --wrap true").out.strip()
    shown = cluster.kiwi("alice", f"why {job}").out
    assert "its owner holds it" in shown
    assert f"next: scontrol release {job}" in shown
    assert told(cluster, job)["next"] == f"scontrol release {job}"
    cluster.ssh("alice@login", f"scancel {job}")


def test_nodes_are_explained_to_anybody(cluster: Cluster) -> None:
    assert "lab-1" in cluster.kiwi("bob", "why lab-1").out
    assert cluster.kiwi("bob", "why cpu-4").out.startswith("cpu-4 is ")


def test_what_nobody_knows_is_told(cluster: Cluster) -> None:
    for target in ("cpu-99", "999999"):
        refused = cluster.command("reconfigure", "why", target, check=False)
        assert (refused.code, target in refused.err, "Traceback" in refused.err) == (2, True, False)
        asked = cluster.kiwi("alice", f"why {target}", check=False)
        assert (asked.code, target in asked.err, "Traceback" in asked.err) == (2, True, False)


def test_logs_are_where_status_says(cluster: Cluster) -> None:
    listed = json.loads(cluster.command("reconfigure", "status", "--paths", "--json").out)
    sizes = {place["path"]: place["bytes"] for place in listed}
    for name in ("journal.jsonl", "serve.log", "up.log", "ansible"):
        assert sizes[str(cluster.clusterdir / "log" / name)] > 0, name
    assert sum("console.log" in path for path in sizes) >= len(cluster.instances())


def test_metrics_are_fresh_on_both_hosts(cluster: Cluster) -> None:
    file = cluster.clusterdir / "metrics" / "kiwi.prom"
    found = values(file.read_text())
    assert found["kiwi_worker_up"] == found["kiwi_controller_up"] == 1
    assert found["kiwi_resume_duration_seconds_count"] >= 1
    assert found["kiwi_machines"] >= 3
    assert found["kiwi_nodes_max"] == 6
    cluster.ssh("root@login", "systemctl is-active kiwi-metrics.timer && systemctl start kiwi-metrics.service")
    seen = values(cluster.ssh("alice@login", f"cat {ON_LOGIN}").out)
    assert seen["kiwi_agent_up"] == seen["kiwi_slurmctld_up"] == 1
    assert seen["kiwi_booking_nodes"] == 2
    assert seen["kiwi_slurm_nodes"] == 4


@contextmanager
def frozen(cluster: Cluster, name: str) -> Iterator[None]:
    """All processes of a machine are stopped: its address answers, nothing behind it does."""
    processes = cluster.processes(name)
    assert processes
    try:
        for each in processes:
            with suppress(psutil.NoSuchProcess):
                each.suspend()
        yield
    finally:
        for each in reversed(processes):
            with suppress(psutil.NoSuchProcess):  # one that ended must not leave the others stopped
                each.resume()


def test_who_only_looks_does_not_wait_for_a_login_node_that_is_ill(cluster: Cluster) -> None:
    with frozen(cluster, "login"):
        for argv in (("status",), ("why", "cpu-1")):
            assert "does not answer" in cluster.command("reconfigure", *argv).out
        assert cluster.command("reconfigure", "why", "1", check=False).code == 4
    assert "does not answer" not in cluster.command("reconfigure", "status").out
