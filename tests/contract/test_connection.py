"""The one connection to the controller: what it carries, from the hook's record to the queue and back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.common import hostlist, process
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue
from reconfigure.model.node import Node
from reconfigure.model.request import parse_request
from reconfigure.slurm.controller import Controller

SCRIPTS = Path(__file__).resolve().parents[2] / "slurmscripts"
LOGIN = Node("login", "login", "", "198.18.0.10", "debian13", "small", ())


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool" / "requests"
    folder.mkdir(parents=True)
    return folder


def test_a_record_is_stored_before_it_leaves_the_spool(tmp_path: Path, spool: Path) -> None:
    environment = {**os.environ, "KIWI_SPOOL": str(spool)}
    process.run([str(SCRIPTS / "resume"), "cpu-[2-3]"], env=environment)
    follow = process.start(["python3", str(SCRIPTS / "follow"), str(spool)], stdin=process.PIPE)
    assert follow.stdin and follow.stdout
    request = parse_request(follow.stdout.readline())
    assert (request.kind, hostlist.expand(request.nodes), request.detail) == ("resume", ("cpu-2", "cpu-3"), None)
    queue = Queue(tmp_path / "queue.sqlite")
    assert queue.put(request) and not queue.put(request)
    assert [file.stem for file in spool.glob("*.json")] == [request.id], "nothing leaves before it is acknowledged"
    follow.stdin.write(request.id + "\n")
    follow.stdin.close()
    assert follow.wait(10) == 0
    assert list(spool.iterdir()) == []
    assert queue.waiting() == [request]
    queue.close()
    follow.stdout.close()
    if follow.stderr:
        follow.stderr.close()


def test_it_checks_the_host_key_and_uses_one_master(tmp_path: Path) -> None:
    controller = Controller(ClusterDir(tmp_path, "kiwi"), LOGIN)
    for master in ("yes", "no"):
        argv = controller.argv(["scontrol", "ping"], master=master)
        for option in ("StrictHostKeyChecking=yes", "BatchMode=yes", f"ControlMaster={master}", "HostKeyAlias=login"):
            assert option in argv
        assert f"ControlPath={tmp_path}/clusters/kiwi/run/controller.sock" in argv
        assert argv[-2:] == ["root@198.18.0.10", "scontrol ping"]
