"""The worker's queue: stored before acknowledged, done once, in order, across kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import journal
from reconfigure.clusterdir import queue as queues
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import REMEMBER, Queue, opened, stored
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


def spoil(path: Path, how: str) -> None:
    """Break a queue in place, as a bad disk or a person does; or have it gone."""
    if how == "removed":
        path.unlink()
    elif how == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes({"empty": b"", "text": b"x" * 8192, "zeros": bytes(8192)}[how])


@pytest.mark.parametrize("is_open", [False, True], ids=["before it is opened", "while it is open"])
@pytest.mark.parametrize("how", ["removed", "empty", "text", "zeros", "half"])
def test_a_broken_file_is_set_aside_and_a_new_one_begins(path: Path, how: str, is_open: bool) -> None:
    """The worker failed in each round, also after the file was removed: its connection went on with what was gone."""
    said: list[str] = []
    queue = Queue(path, said.append)
    queue.put(request("1-1"))
    if not is_open:
        queue.close()
    spoil(path, how)
    if not is_open:
        queue = Queue(path, said.append)
    assert ids(queue) == []
    assert queue.put(request("2-2"))
    assert ids(queue) == ["2-2"]
    queue.finish(queue.waiting())
    queue.close()
    other = Queue(path)
    assert not other.put(request("2-2"))
    other.close()
    aside = list(path.parent.glob("queue.sqlite.broken-*"))
    assert len(aside) == len(said)
    assert how in ("removed", "empty") or len(said) == 1


def test_two_threads_set_a_broken_file_aside_once(path: Path) -> None:
    said: list[str] = []
    first, second = Queue(path, said.append), Queue(path, said.append)
    spoil(path, "text")
    assert first.put(request("1-1"))
    assert ids(second) == ["1-1"]
    assert len(said) == 1
    first.close()
    second.close()


def test_who_only_looks_changes_nothing(tmp_path: Path) -> None:
    clusterdir = ClusterDir(tmp_path, "kiwi")
    clusterdir.path.mkdir(parents=True)
    assert stored(clusterdir) == []
    assert not clusterdir.queue.exists()
    queue = opened(clusterdir)
    queue.put(request("1-1"))
    assert [found.id for found in stored(clusterdir)] == ["1-1"]
    spoil(clusterdir.queue, "text")
    with pytest.raises(KiwiError, match="cannot be read"):
        stored(clusterdir)
    assert clusterdir.queue.read_bytes() == b"x" * 8192
    assert queue.waiting() == []
    assert [event["event"] for event in journal.read(clusterdir)[0]] == ["mended"]
    queue.close()
