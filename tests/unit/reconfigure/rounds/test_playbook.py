"""Ansible's events become each host's outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reconfigure.clusterdir import batches, rivals
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.rounds import playbook
from reconfigure.rounds.playbook import CONFIGURED_BY


def event(kind: str, host: str, **data: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"host": host, "task": "Be a node"} | data}


def stats(processed: str, **failed: str) -> dict[str, Any]:
    counts = {"processed": processed, "failures": "", "dark": "", **failed}
    return {"event": "playbook_on_stats", "event_data": {key: dict.fromkeys(hosts, 1) for key, hosts in counts.items()}}


def test_the_task_that_configures_has_this_name() -> None:
    tasks = yaml.safe_load((REPO / "playbooks/tasks/node.yml").read_text())
    assert [task["name"] for task in tasks if "kiwi.cluster.bundle" in task] == [CONFIGURED_BY]


@pytest.mark.parametrize(
    ("events", "failed", "reached"),
    [
        pytest.param([event("runner_on_ok", "a", task=CONFIGURED_BY, res={"stale": False})], {}, {"a"}, id="ok"),
        pytest.param([event("runner_on_ok", "a", task=CONFIGURED_BY, res={"stale": True})], {}, set(), id="stale"),
        pytest.param([event("runner_on_ok", "a", res={})], {}, set(), id="killed before its bundle"),
        pytest.param([stats("abc", failures="b", dark="c")], {}, {"a"}, id="statistics"),
        pytest.param(
            [event("runner_on_failed", "a", res={"msg": "no key", "stderr": "x\ny"})],
            {"a": "Be a node: no key; y"},
            set(),
            id="failed",
        ),
        pytest.param(
            [event("runner_on_unreachable", "a", res={"msg": "timed out"})],
            {"a": "Be a node: timed out"},
            set(),
            id="unreachable",
        ),
        pytest.param([event("runner_on_failed", "a", res={"msg": "x"}, ignore_errors=True)], {}, set(), id="ignored"),
        pytest.param(
            [event("runner_on_failed", "a", res={"censored": "hidden"})],
            {"a": "Be a node: failed without a message"},
            set(),
            id="secret",
        ),
        pytest.param(
            [
                event("runner_on_failed", "a", res={"msg": "first"}),
                event("runner_on_failed", "a", res={"msg": "later"}),
            ],
            {"a": "Be a node: first"},
            set(),
            id="the first failure counts",
        ),
        pytest.param([{"event": "verbose", "stdout": "hello"}, {"event": "EOF"}], {}, set(), id="no task's"),
    ],
)
def test_events(events: list[dict[str, Any]], failed: dict[str, str], reached: set[str]) -> None:
    run = playbook.Run()
    for one in events:
        run.event(one)
    assert (run.failed, run.reached) == (failed, reached)


def test_host_keys_are_always_checked_and_children_carry_the_mark(tmp_path: Path) -> None:
    found = playbook.environment(ClusterDir(tmp_path, "kiwi"))
    assert found["ANSIBLE_HOST_KEY_CHECKING"] == "True"
    assert found[rivals.MARK] == str(tmp_path / "clusters" / "kiwi")


def test_a_real_run_on_no_host_says_why(tmp_path: Path) -> None:
    clusterdir = ClusterDir(tmp_path, "kiwi")
    claim = batches.claim(clusterdir, "1-1", ())
    run = playbook.run(claim, "node.yml", {}, limit="nosuch")
    claim.close()
    assert run.reached == set()
    assert "no hosts" in run.failed[""] or "pattern" in run.failed[""]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "PLAY [Login node] ***\nskipping: no hosts matched\nTASK [Be] ****\n[ERROR]: A worker died\n",
            "Ansible ended early with code -9: [ERROR]: A worker died",
        ),
        ("\nPLAY [Other nodes] ****\n", "Ansible ended early with code -9"),
        ("TASK [x] ***\nok: [cpu-2] => (item=mpi/vars)\n", "Ansible ended early with code -9"),
    ],
)
def test_last_words_are_no_banner(output: str, said: str) -> None:
    assert playbook.last_words(output, -9) == said


def test_ansible_that_was_killed_is_said_to_be() -> None:
    assert playbook.last_words("", None) == "Ansible was killed"
