"""A machine that boots slowly delays nobody; the worker is killed while it comes; one that is not wanted any more.

The slow machine's sshd starts when it is told to.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench import whole
from kiwi.common import process
from plugins.modules import bundle
from reconfigure.clusterdir import journal
from tests.cluster.conftest import Cluster, wait_for
from tests.cluster.test_40_crash import restart, worker
from tests.cluster.test_45_overlap import awaited, inside, now, since
from tests.cluster.test_47_failures import Spoil, put, spoil

__all__ = ["spoil"]
SLOW = "[Service]\nExecStartPre=/bin/sh -c 'until [ -e /run/go ]; do sleep 0.1; done'\nTimeoutStartSec=infinity\n"


def boots_when_told(root: Path) -> None:
    folder = root / "etc/systemd/system/ssh.service.d"
    folder.mkdir(exist_ok=True)
    put(folder / "slow.conf", SLOW, 0o644)


def tell(cluster: Cluster, node: str) -> None:
    wait_for(f"{node} has booted", lambda: inside(cluster, node), 60, pause=0.1)
    etc = inside(cluster, node)
    assert etc is not None
    (etc.parent / "run/go").touch()


def batches(cluster: Cluster) -> dict[str, str]:
    """Each node that is being brought up, with the step that it is in."""
    found: list[dict[str, Any]] = json.loads(cluster.command("reconfigure", "status", "--json").out)["batches"]
    return {node: said["step"] for said in found for node in said["nodes"]}


@pytest.fixture
def slow(cluster: Cluster, spoil: Spoil) -> Iterator[process.Child[str]]:
    """A job that waits for cpu-2, whose machine does not greet yet."""
    spoil("cpu-2", boots_when_told)
    with cluster.child("alice@login", "srun -w cpu-2 hostname") as job:
        wait_for("its machine is waited for", lambda: batches(cluster) == {"cpu-2": "machines"}, 60, pause=0.2)
        yield job


def test_a_machine_that_boots_slowly_delays_no_other_request(cluster: Cluster, slow: process.Child[str]) -> None:
    began, place = time.monotonic(), now(cluster)
    assert cluster.ssh("alice@login", "srun -w cpu-3 hostname", timeout=50).out.strip() == "cpu-3"
    cluster.command("reconfigure", "suspend", "cpu-3")
    assert (batches(cluster), time.monotonic() - began < 55) == ({"cpu-2": "machines"}, True)
    busy = cluster.command("reconfigure", "resume", "cpu-2", "--dry-run").out
    assert "queued: cpu-2" in busy
    tell(cluster, "cpu-2")
    out, _ = slow.communicate(timeout=120)
    assert out.strip() == "cpu-2"
    assert "failed" not in [event["event"] for event in since(cluster, place)]
    wait_for("nothing is under way", lambda: batches(cluster) == {} and whole.quiet(cluster), 60)


@pytest.mark.parametrize("stage", ["machines", "playbook"])
def test_the_worker_killed_while_it_brings_a_node_up(cluster: Cluster, slow: process.Child[str], stage: str) -> None:
    before = cluster.instances()["cpu-2"]
    with ExitStack() as held:
        if stage == "playbook":
            wait_for("it has booted", lambda: inside(cluster, "cpu-2"), 60, pause=0.1)
            etc = inside(cluster, "cpu-2")
            assert etc is not None
            held.enter_context(bundle.alone(str(etc)))
            tell(cluster, "cpu-2")
            wait_for("the bundle waits", lambda: awaited(etc), 60, pause=0.05)
        os.kill(worker(cluster), signal.SIGKILL)
        restart(cluster)
    tell(cluster, "cpu-2")
    out, _ = slow.communicate(timeout=180)
    assert out.strip() == "cpu-2"
    assert cluster.instances()["cpu-2"] == before
    wait_for("all is whole", lambda: whole.quiet(cluster), 60)


def test_one_that_is_powered_down_meanwhile_is_removed_at_once(cluster: Cluster, slow: process.Child[str]) -> None:
    place: journal.Position = now(cluster)
    cluster.ssh("root@login", "scontrol update nodename=cpu-2 state=power_down_force reason=unwanted")
    wait_for("it is let go", lambda: "dropped" in [e["event"] for e in since(cluster, place)], 30)
    wait_for("its machine is removed", lambda: not list(cluster.clusterdir.glob("machines/*cpu-2.*")), 30)
    assert not [event for event in since(cluster, place) if event["event"] == "failed"]
    slow.communicate(timeout=60)
