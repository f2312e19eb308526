"""MPI: `test.yml` on nodes that were powered down, and while it runs long; mpirun by hand."""

from __future__ import annotations

import os

from kiwi.common import process
from tests.cluster.conftest import REPO, Cluster


def playbook(cluster: Cluster, *arguments: str) -> process.Result:
    """`ansible-playbook test.yml` as people call it."""
    env = {**os.environ, "KIWI_CLUSTER": cluster.name, "ANSIBLE_CONFIG": str(REPO / "ansible.cfg")}
    argv = [str(REPO / ".venv/bin/ansible-playbook"), "test.yml", *arguments]
    return process.run(argv, env=env, cwd=REPO, check=False, timeout=300)


def test_hello_on_two_nodes(cluster: Cluster) -> None:
    before = cluster.ssh("alice@login", "ls -A").out
    done = playbook(cluster)
    assert done.code == 0, done.out
    hosts = [line.split()[-1] for line in done.out.splitlines() if " of 2 on " in line]
    assert len(set(hosts)) == 2
    assert "done: 2 ranks, 0 steps" in done.out
    assert cluster.ssh("alice@login", "ls -A").out == before


def test_a_longer_run_reports_each_step(cluster: Cluster) -> None:
    done = playbook(cluster, "-e", "test_seconds=3")
    assert done.code == 0, done.out
    for line in ("step 1 of 3", "step 2 of 3", "step 3 of 3", "done: 2 ranks, 3 steps"):
        assert line in done.out


def test_wrong_seconds_get_one_sentence(cluster: Cluster) -> None:
    refused = playbook(cluster, "-e", "test_seconds=-5")
    assert refused.code != 0
    assert "test_seconds: found -5; needs whole seconds, such as 600" in refused.out


def test_mpirun_and_ranks_that_talk(cluster: Cluster) -> None:
    ring = cluster.ssh("alice@login", "salloc -Q -N 2 mpirun hostname", timeout=180).out.split()
    assert len(set(ring)) == 2
