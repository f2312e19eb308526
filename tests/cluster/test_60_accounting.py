"""What is remembered of jobs where accounting is off: a line of a file that outlives the login machine."""

from __future__ import annotations

from tests.cluster.conftest import Cluster, wait_for


def test_without_accounting_a_file_has_a_line_for_each_job(cluster: Cluster) -> None:
    cluster.ssh("alice@login", "srun --job-name=logged true", timeout=180)
    log = cluster.home / "data" / "slurmctld" / "jobs"
    wait_for("it is logged", lambda: log.exists() and "Name=logged " in log.read_text(), 30)
    line = next(line for line in log.read_text().splitlines() if "Name=logged " in line)
    assert "JobState=COMPLETED" in line
    assert "UserId=alice(10001)" in line
