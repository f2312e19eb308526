"""The worker's queue: stored before acknowledged, done once, in order, across kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconfigure.clusterdir import queue as queues
from reconfigure.clusterdir.queue import REMEMBER, Queue
from reconfigure.model.request import Request


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite"


def request(id_: str, kind: str = "resume") -> Request:
    return Request(id_, kind, "cpu-1", 1.0, {"all_nodes_resume": "cpu-1"})


def ids(queue: Queue) -> list[str]:
    return [found.id for found in queue.waiting()]


def test_order_is_that_of_the_ids_not_of_arrival(path: Path) -> None:
    queue = Queue(path)
    for id_ in ("300-1", "1000-1", "20-9", "20-10"):
        queue.put(request(id_))
    assert ids(queue) == ["20-9", "20-10", "300-1", "1000-1"]
    queue.close()


def test_a_request_sent_twice_is_kept_once_and_done_once(path: Path) -> None:
    queue = Queue(path)
    assert queue.put(request("1-1"))
    assert not queue.put(request("1-1"))
    queue.finish(queue.waiting())
    assert not queue.put(request("1-1"))
    assert ids(queue) == []
    queue.close()


def test_what_is_stored_outlives_the_one_who_stored_it(path: Path) -> None:
    first = Queue(path)
    first.put(request("1-1"))
    second = Queue(path)  # the first was killed: it is never closed
    assert second.waiting() == [request("1-1")]
    for queue in (first, second):
        queue.close()


def test_finished_ones_are_forgotten_after_a_day(path: Path) -> None:
    queue = Queue(path)
    queue.put(request("1-1"), now=0)
    queue.finish(queue.waiting(), now=1)
    queue.put(request("2-1"), now=REMEMBER)
    queue.finish(queue.waiting(), now=REMEMBER + 2)
    assert queue.put(request("1-1"))
    queue.close()


def test_only_its_owner_reads_it(path: Path) -> None:
    Queue(path).close()
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("name", "most"), [("MOST", 2), ("MOST_DETAIL", 50)])
def test_it_is_full_when_too_much_waits(path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    monkeypatch.setattr(queues, name, most)
    queue = Queue(path)
    queue.put(request("1-1"))
    assert not queue.full()
    queue.put(request("2-1"))
    assert queue.full()
    queue.finish(queue.waiting()[:1])
    assert not queue.full()
    queue.close()


def test_of_many_finished_ones_the_last_are_remembered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "REMEMBERED", 2)
    queue = Queue(path)
    for second in (1, 2, 3):
        queue.put(request(f"{second}-1"), now=second)
        queue.finish(queue.waiting(), now=second)
    assert [queue.put(request(f"{second}-1")) for second in (3, 2, 1)] == [False, False, True]
    queue.close()
