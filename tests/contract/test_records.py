"""Seams 1 and 3: node records and requests, from those who write them to those who read them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from kiwi.common import process
from kiwi.common.errors import UsageError
from reconfigure.clusterdir.nodeset import load_nodeset
from reconfigure.clusterdir.paths import REPO
from reconfigure.clusterdir.queue import Queue
from reconfigure.model import hostlist, request
from reconfigure.model.node import parse_node
from reconfigure.model.request import parse_request

NODE = {
    "name": "cpu-1",
    "role": "slurm",
    "partition": "cpu",
    "address": "198.18.4.1",
    "image": "debian13",
    "flavor": "small",
    "features": ["fast"],
}
REQUEST: dict[str, Any] = {
    "version": 1,
    "id": "1795272587039722263-798",
    "kind": "resume",
    "nodes": "cpu-[2-3]",
    "time": 1795272587,
    "detail": None,
}


def test_a_node_record_goes_round() -> None:
    assert parse_node(NODE).data() == NODE
    assert parse_node({**NODE, "later": "field"}) == parse_node(NODE)


@pytest.mark.parametrize("field", sorted(NODE))
def test_a_missing_field_of_a_node_is_named(field: str) -> None:
    with pytest.raises(UsageError, match=field):
        parse_node({key: value for key, value in NODE.items() if key != field})


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(UsageError, match="role"):
        parse_node({**NODE, "role": "boss"})


def test_a_nodeset_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nodeset.json"
    path.write_text(json.dumps({"version": 2, "nodes": {}}))
    with pytest.raises(UsageError, match="version"):
        load_nodeset(path)


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        "7",
        json.dumps({**REQUEST, "version": 2}),
        json.dumps({**REQUEST, "kind": "explode"}),
        json.dumps({**REQUEST, "id": "../../etc"}),
        json.dumps({key: value for key, value in REQUEST.items() if key != "nodes"}),
    ],
)
def test_what_is_no_request_is_refused(broken: str) -> None:
    with pytest.raises(UsageError):
        parse_request(broken)


@pytest.mark.parametrize("kind", request.KINDS)
@pytest.mark.parametrize("resume_file", [None, {"jobs": [{"job_id": 1}], "all_nodes_resume": "cpu-[2-3]"}])
def test_from_the_hook_to_the_queue(tmp_path: Path, kind: str, resume_file: dict[str, Any] | None) -> None:
    """The hook's own script writes, `follow` prints, the queue keeps, the acknowledgement removes."""
    spool = tmp_path / "requests"
    spool.mkdir()
    environment = {"PATH": os.environ["PATH"], "KIWI_SPOOL": str(spool)}
    if resume_file:
        (tmp_path / "resume.json").write_text(json.dumps(resume_file))
        environment["SLURM_RESUME_FILE"] = str(tmp_path / "resume.json")
    process.run([str(REPO / "slurmscripts" / kind), "cpu-[2-3]"], env=environment)

    follow = ["python3", str(REPO / "slurmscripts" / "follow"), str(spool)]
    with process.start(follow, stdin=process.PIPE) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        request = parse_request(child.stdout.readline())
        queue = Queue(tmp_path / "queue.sqlite")
        assert queue.put(request)
        child.stdin.write(f"{request.id}\n")
        child.stdin.close()
        child.stdin = None
        assert child.wait(10) == 0

    assert (request.kind, request.nodes, request.detail) == (kind, "cpu-[2-3]", resume_file)
    assert queue.waiting() == [request]
    assert hostlist.expand(request.nodes) == ("cpu-2", "cpu-3")
    queue.close()
    assert list(spool.iterdir()) == []


@pytest.mark.parametrize("wrong", ["cpu-[1", "cpu-[3-1]", "cpu-]1["])
def test_what_is_no_hostlist_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="nodes"):
        hostlist.expand(wrong)


@pytest.mark.parametrize("text", ["cpu-1", "cpu-[1-3]", "cpu-[1-2,4],lab-1"])
def test_a_hostlist_goes_round(text: str) -> None:
    assert hostlist.fold(hostlist.expand(text)) == text
