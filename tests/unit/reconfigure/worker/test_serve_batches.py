"""The worker beside batches that go on: what it does meanwhile, and what it does when they end."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import batches
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue
from reconfigure.planning.actions import Do
from reconfigure.worker import serve
from tests.unit.reconfigure.worker.test_serve import PATIENCE, FakeRound, clusterdir, queue, request, worker

__all__ = ["clusterdir", "queue", "worker"]


class FakeBatch:
    """Brings its nodes up when it is told to; `fault` is what it meets."""

    def __init__(self, clusterdir: ClusterDir, number: int, *names: str, fault: str = "") -> None:
        self.claim, self.nodes, self._fault = batches.claim(clusterdir, f"{number}-1", names), frozenset(names), fault
        self.id, self.go = self.claim.id, threading.Event()

    def carry_out(self) -> dict[str, str]:
        assert self.go.wait(PATIENCE)
        self.claim.close()
        if self._fault:
            raise OSError(self._fault)
        return {}


def wishes(queue: Queue) -> list[str]:
    return [f"{found.kind} {found.nodes}" for found in queue.waiting()]


@pytest.fixture
def busy(worker: serve.Worker, monkeypatch: pytest.MonkeyPatch) -> serve.Worker:
    """A worker whose observations see which nodes are busy, as real ones do."""
    cluster = worker._cluster()
    before = cluster.observe()
    monkeypatch.setattr(cluster, "observe", lambda: replace(before, busy=batches.busy(worker._clusterdir)))
    return worker


def brought(worker: serve.Worker, queue: Queue, *, fault: str = "") -> FakeBatch:
    """A round that leaves cpu-1 to a batch."""

    def begin() -> None:
        FakeRound.batch = FakeBatch(worker._clusterdir, 1, "cpu-1", fault=fault)

    FakeRound.meanwhile = begin
    queue.put(request(1, "cpu-1"))
    worker.round(queue)
    found: FakeBatch = FakeRound.batch
    FakeRound.meanwhile = FakeRound.batch = None
    worker._due = False
    return found


def end(worker: serve.Worker, batch: FakeBatch) -> None:
    worker._wake.clear()
    batch.go.set()
    assert worker._wake.wait(PATIENCE)


def test_other_wishes_are_followed_while_a_batch_goes_on(busy: serve.Worker, queue: Queue) -> None:
    slow = brought(busy, queue)
    queue.put(request(2, "cpu-[1-2]"))
    busy.round(queue)
    assert [todo.of(Do.CREATE) for todo in FakeRound.done] == [("cpu-1",), ("cpu-2",)]
    assert FakeRound.done[1].of(Do.QUEUE) == ("cpu-1",)
    assert wishes(queue) == ["resume cpu-1", "resume cpu-[1-2]"]
    end(busy, slow)
    busy._collect(queue)
    assert wishes(queue) == ["resume cpu-[1-2]"]
    assert not busy._nothing_new(queue, woken=True)
    busy.round(queue)
    assert [todo.of(Do.CREATE) for todo in FakeRound.done[2:]] == [("cpu-1",)]  # FakeRound has made none
    assert wishes(queue) == []


def test_a_batch_that_nobody_waited_for_is_no_reason_for_a_round(busy: serve.Worker, queue: Queue) -> None:
    end(busy, brought(busy, queue))
    busy._collect(queue)
    assert queue.waiting() == []
    assert busy._nothing_new(queue, woken=True)


def test_who_waits_for_a_commands_batch_looks_again_when_it_is_done(busy: serve.Worker, queue: Queue) -> None:
    """Nobody wakes the worker then."""
    other = batches.claim(busy._clusterdir, "1-1", ["cpu-1"])
    queue.put(request(1, "cpu-1"))
    busy.round(queue)
    busy._due = False
    assert busy._patience() <= serve.BUSY_LOOK
    assert busy._nothing_new(queue, woken=False)
    other.close()
    assert not busy._nothing_new(queue, woken=False)


def test_a_batch_that_failed_of_itself_is_begun_again_after_a_while(busy: serve.Worker, queue: Queue) -> None:
    end(busy, brought(busy, queue, fault="the disk is full"))
    with pytest.raises(KiwiError, match="the disk is full"):
        busy._collect(queue)
    assert wishes(queue) == ["resume cpu-1"]
    busy.round(queue)
    assert [todo.of(Do.CREATE) for todo in FakeRound.done] == [("cpu-1",), ("cpu-1",)]
    assert wishes(queue) == []


def test_a_worker_that_stops_gives_its_batches_up(busy: serve.Worker, queue: Queue) -> None:
    batch = brought(busy, queue)
    busy._batches.stop()
    assert batch.claim.abandoned
    assert wishes(queue) == ["resume cpu-1"]
    batch.go.set()
