"""Seams 1 and 3: node records and requests, from those who write them to those who read them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiwi.common import hostlist, process
from kiwi.common.errors import UsageError
from reconfigure.clusterdir.nodeset import load_nodeset
from reconfigure.clusterdir.paths import REPO
from reconfigure.clusterdir.queue import Queue
from reconfigure.model.node import parse_node
from reconfigure.model.request import KINDS, LONGEST, Request, parse_request
from reconfigure.planning import plan

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
        json.dumps({**REQUEST, "id": "1--2"}),
        json.dumps({**REQUEST, "id": "²-1"}),
        json.dumps({**REQUEST, "id": 7}),
        json.dumps({**REQUEST, "nodes": "@x'; touch /tmp/x; echo '"}),
        json.dumps({**REQUEST, "nodes": "cpu-[1-99999999]"}),
        json.dumps({**REQUEST, "nodes": ["cpu-1"]}),
        json.dumps({**REQUEST, "nodes": ""}),
        json.dumps({**REQUEST, "detail": []}),
        json.dumps({**REQUEST, "time": True}),
        json.dumps({**REQUEST, "time": float("nan")}),
        json.dumps({**REQUEST, "time": 10**400}),
        "[" * 100000,
        "x" * (LONGEST + 1),
        json.dumps({key: value for key, value in REQUEST.items() if key != "nodes"}),
    ],
)
def test_what_is_no_request_is_refused(broken: str) -> None:
    with pytest.raises(UsageError):
        parse_request(broken)


@pytest.mark.parametrize("kind", KINDS)
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


TEXTS = st.text() | st.sampled_from(
    ["cpu-[2-3]", "@x'; id; echo '", "cpu-[1-99999999]", "1--2", "²-1", "1-1", "resume", ""]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
JOBS = st.fixed_dictionaries({"job_id": VALUES, "nodes_resume": VALUES | TEXTS})
DETAILS = VALUES | st.fixed_dictionaries({"jobs": VALUES | st.lists(JOBS | VALUES, max_size=3)})


@st.composite
def hostile(draw: st.DrawFn) -> str:
    """A record with some values replaced, as any process of user slurm may write it."""
    changed = draw(st.dictionaries(st.sampled_from([*REQUEST, "other"]), VALUES, max_size=2))
    return json.dumps({**REQUEST, "detail": draw(DETAILS), **changed})


@given(hostile() | st.text() | st.binary().map(lambda data: data.decode(errors="replace")))
def test_the_door_lets_in_what_a_round_can_bear(line: str) -> None:
    """Whatever is written, it is refused at the door, or all that a round asks of it has an answer."""
    try:
        request = parse_request(line)
    except UsageError as exc:
        assert len(str(exc)) < 1000
        return
    assert request.order > (0, 0) or request.id.startswith("0")
    assert plan.merge([request]) == dict.fromkeys(hostlist.expand(request.nodes), request.kind)
    assert all(job.isdigit() for job in request.jobs)
    assert request.jobs_waiting_for(["cpu-2"]) <= set(map(int, request.jobs))


def test_what_an_older_release_let_in_is_given_up(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "queue.sqlite")
    queue.put(Request("1--2", "resume", "cpu-1", 1, None))
    queue.put(Request("2-1", "resume", "@x", 1, None))
    good = Request("3-1", "resume", "cpu-1", 1, None)
    queue.put(good)
    assert queue.waiting() == [good]
    assert queue.waiting() == [good]
    queue.close()


def test_a_hostlist_runs_nothing(tmp_path: Path) -> None:
    """ClusterShell's default resolver looks @name up by a shell command, with the name in it."""
    seen = tmp_path / "ran"
    with pytest.raises(UsageError, match="nodes"):
        hostlist.expand(f"@x'; touch {seen}; echo '")
    assert hostlist.fold([f"@x'; touch {seen}; echo '", "cpu-1"]).startswith("cpu-1,@x")
    assert not seen.exists()
