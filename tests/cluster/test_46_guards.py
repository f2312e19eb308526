"""Nothing that has a job, is booked or cannot be explained is removed."""

from __future__ import annotations

import json

import pytest

from kiwi.common.errors import FAILED, UNREACHABLE
from tests.cluster.conftest import Cluster, wait_for


@pytest.fixture
def job(cluster: Cluster) -> Cluster:
    """A cluster in which a job of alice's runs on cpu-2, and bob holds lab-2."""
    cluster.rest()
    submitted = cluster.ssh("alice@login", "sbatch --parsable -w cpu-2 -o /dev/null --wrap 'sleep 600'").out.strip()
    running = f"squeue -h -j {submitted} -t running -o %N"
    wait_for("the job runs", lambda: cluster.ssh("root@login", running, check=False).out.strip() == "cpu-2", 60)
    cluster.kiwi("bob", "alloc -w lab-2 -t 600")
    yield cluster
    cluster.kiwi("bob", "kill -w lab-2")
    cluster.ssh("root@login", f"scancel {submitted}")
    cluster.rest()


def refused(cluster: Cluster, command: str, code: int = FAILED) -> str:
    """Run a command that must be refused; return what it said. No machine is another one afterwards."""
    before = cluster.instances()
    done = cluster.command("reconfigure", *command.split(), check=False)
    assert (done.code, cluster.instances()) == (code, before), done
    return done.err


def test_what_is_used_stays_and_a_lost_state_is_made_again(job: Cluster) -> None:
    assert "it is allocated to a job" in refused(job, "suspend cpu-2")
    assert "bob has booked it until" in refused(job, "suspend lab-2")
    job.ssh("root@login", "systemctl kill -s STOP slurmctld")
    try:
        assert "Slurm does not answer" in refused(job, "suspend cpu-2", UNREACHABLE)
    finally:
        job.ssh("root@login", "systemctl kill -s CONT slurmctld")

    job.command("reconfigure", "serve", "--stop")
    before, state = job.instances(), job.clusterdir / "terraform/local/terraform.tfstate"
    known = sorted(resource["module"] for resource in json.loads(state.read_text())["resources"])
    state.unlink()
    assert job.command("reconfigure", "sync").out == "nothing to do\n"
    for path in state.parent.glob("*.tfstate"):
        path.unlink()
    assert "reconfigure sync --adopt" in refused(job, "sync")
    assert job.command("reconfigure", "sync", "--adopt").out == "nothing to do\n"
    assert job.instances() == before
    assert sorted(resource["module"] for resource in json.loads(state.read_text())["resources"]) == known
    assert job.ssh("root@login", "squeue -h -t running -o %N").out.strip() == "cpu-2"
    job.command("reconfigure", "serve", "--detach")
