"""The worker: stores before it acknowledges, merges what waits, does again what a killed one left."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kiwi.common import process
from kiwi.common.errors import BusyError, KiwiError
from reconfigure.clusterdir import files, worker_pid
from reconfigure.clusterdir import queue as queues
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.clusterdir.queue import Queue
from reconfigure.model.node import Node
from reconfigure.model.request import Request
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.observed import Observed
from reconfigure.rounds.round import Outcome
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.terraform.events import Instance
from reconfigure.worker import serve, spool_listener, strays

PATIENCE = 20.0  # seconds, a bound for what must come


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    found = ClusterDir(tmp_path, "kiwi")
    found.path.mkdir(parents=True)
    return found


@pytest.fixture
def queue(clusterdir: ClusterDir) -> Iterator[Queue]:
    found = Queue(clusterdir.path / "queue.sqlite")
    yield found
    found.close()


class FakeController:
    """`follow` runs here on a local spool; counts its sessions."""

    address = "here"

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        spool.mkdir()
        self.sessions: list[process.Child[str]] = []

    def follow(self) -> process.Child[str]:
        argv = ["python3", str(REPO / "slurmscripts" / "follow"), str(self.spool)]
        self.sessions.append(process.start(argv, stdin=process.PIPE, stderr=process.DEVNULL))
        return self.sessions[-1]

    def leave(self, number: int) -> None:
        text = f'{{"version":1,"id":"{number}-1","kind":"resume","nodes":"cpu-1","time":1,"detail":null}}'
        (self.spool / ".tmp").write_text(text)
        (self.spool / ".tmp").rename(self.spool / f"{number}-1.json")


@pytest.fixture
def listening(clusterdir: ClusterDir, tmp_path: Path) -> Iterator[tuple[FakeController, threading.Event]]:
    controller, wake = FakeController(tmp_path / "spool"), threading.Event()
    listener = spool_listener.Listener(clusterdir, controller, wake)  # type: ignore[arg-type]
    listener.start()
    yield controller, wake
    listener.stop()
    listener.join(PATIENCE)


def test_a_request_is_stored_acknowledged_and_wakes(
    listening: tuple[FakeController, threading.Event], queue: Queue
) -> None:
    controller, wake = listening
    controller.leave(1)
    assert wake.wait(PATIENCE)
    assert [request.id for request in queue.waiting()] == ["1-1"]


def test_a_lost_connection_is_made_again(
    listening: tuple[FakeController, threading.Event], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, wake = listening
    controller.leave(1)
    assert wake.wait(PATIENCE)
    wake.clear()
    controller.sessions[0].kill()
    controller.leave(2)
    assert wake.wait(PATIENCE)
    assert [request.id for request in queue.waiting()] == ["1-1", "2-1"]
    assert len(controller.sessions) == 2


def test_a_connection_that_breaks_at_the_acknowledgement_is_made_again(
    clusterdir: ClusterDir, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the broken pipe failed once more, and the thread that listens was gone."""
    controller, wake, follow = FakeController(tmp_path / "spool"), threading.Event(), FakeController.follow
    record = '{"version":1,"id":"1-1","kind":"resume","nodes":"cpu-1","time":1,"detail":null}'

    def deaf(self: FakeController) -> process.Child[str]:
        if self.sessions:
            return follow(self)
        argv = ["sh", "-c", f"exec 0<&-; echo '{record}'; exec sleep 60"]
        self.sessions.append(process.start(argv, stdin=process.PIPE, stderr=process.DEVNULL))
        return self.sessions[-1]

    monkeypatch.setattr(FakeController, "follow", deaf)
    controller.leave(2)
    listener = spool_listener.Listener(clusterdir, controller, wake)  # type: ignore[arg-type]
    listener.start()
    assert wake.wait(PATIENCE)
    wake.clear()
    assert wake.wait(PATIENCE)
    assert [request.id for request in queue.waiting()] == ["1-1", "2-1"]
    listener.stop()
    listener.join(PATIENCE)


def test_a_full_disk_acknowledges_nothing_and_ends_nothing(
    listening: tuple[FakeController, threading.Event], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller, wake = listening
    refused, put = threading.Event(), Queue.put

    def full(self: Queue, request: Request, now: float | None = None) -> bool:
        if refused.is_set():
            return put(self, request, now)
        refused.set()
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Queue, "put", full)
    controller.leave(1)
    assert wake.wait(PATIENCE)
    assert [request.id for request in queue.waiting()] == ["1-1"]


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("while :; do echo yes >&2; done", "the login node said more than 65536 characters beside its requests"),
        ("exec yes", "the login node sent more than 100 records that are no requests"),
        ("exec cat /dev/zero", "the login node sent more than 100 records that are no requests"),
    ],
)
def test_a_login_node_that_never_stops_is_no_longer_listened_to(
    clusterdir: ClusterDir,
    queue: Queue,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    says: str,
    told: str,
) -> None:
    """What it printed went into the worker's log, and into a file that had been put aside, without end."""
    controller, wake, follow = FakeController(tmp_path / "spool"), threading.Event(), FakeController.follow

    def flood(self: FakeController) -> process.Child[str]:
        if self.sessions:
            return follow(self)
        self.sessions.append(process.start(["sh", "-c", says], stdin=process.PIPE))
        return self.sessions[-1]

    monkeypatch.setattr(FakeController, "follow", flood)
    monkeypatch.setattr(spool_listener, "LONGEST", 1000)
    controller.leave(2)
    listener = spool_listener.Listener(clusterdir, controller, wake)  # type: ignore[arg-type]
    listener.start()
    assert wake.wait(PATIENCE)
    listener.stop()
    listener.join(PATIENCE)
    assert [request.id for request in queue.waiting()] == ["2-1"]
    assert any(message.endswith(told) for message in caplog.messages)
    assert controller.sessions[0].poll() is not None


def test_no_more_requests_are_taken_than_can_wait(
    listening: tuple[FakeController, threading.Event], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay in the spool, and come when there is room."""
    controller, wake = listening
    monkeypatch.setattr(queues, "MOST", 1)
    for number in (1, 2):
        controller.leave(number)
    assert wake.wait(PATIENCE)
    wake.clear()
    assert not wake.wait(0.5)
    assert [request.id for request in queue.waiting()] == ["1-1"]
    queue.finish(queue.waiting())
    assert wake.wait(PATIENCE)
    assert [request.id for request in queue.waiting()] == ["2-1"]


NODES = {
    n: Node(n, "login" if n == "login" else "slurm", "", "", "", "", ()) for n in ("login", "cpu-1", "cpu-2", "cpu-3")
}


class FakeRound:
    """Remembers plans; may be told to die, or to let a request in meanwhile."""

    done: list[Plan]
    meanwhile: Any = None
    failed: dict[str, str]
    batch: Any = None

    def __init__(self, cluster: Any, todo: Plan, observed: Observed, requests: tuple[Request, ...] = ()) -> None:
        self.todo = todo

    def carry_out(self) -> Outcome:
        if FakeRound.meanwhile:
            FakeRound.meanwhile()
        FakeRound.done.append(self.todo)
        return Outcome(FakeRound.failed, True, FakeRound.batch)


@pytest.fixture
def worker(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> serve.Worker:
    """A worker of a cluster where only the login node runs."""
    FakeRound.done, FakeRound.meanwhile, FakeRound.failed, FakeRound.batch = [], None, {}, None
    monkeypatch.setattr(serve, "Round", FakeRound)
    state = {"login": Instance("id", "address"), "cpu-3": Instance("id", "address")}
    machine = SimpleNamespace(name="login", instance="id", state="running")
    observed = Observed(state, (machine,))  # type: ignore[arg-type]
    terraform = SimpleNamespace(mend=lambda: False)
    cluster = SimpleNamespace(
        clusterdir=clusterdir,
        nodeset=NODES,
        observe=lambda: observed,
        terraform=terraform,
        persistent=lambda: frozenset({"login"}),
        site=SimpleNamespace(partitions=()),
        has_slurm=True,
    )
    return serve.Worker(clusterdir, lambda: cluster)  # type: ignore[arg-type, return-value]


@pytest.fixture
def stray(worker: serve.Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """cpu-3 runs, and Slurm has it powered down."""
    cluster = worker._cluster()
    powered_down = {"cpu-3": SlurmNode("cpu-3", "IDLE", frozenset({"CLOUD", "POWERED_DOWN"}))}
    seen = replace(cluster.observe(), slurm=powered_down)
    monkeypatch.setattr(cluster, "observe", lambda: seen)


def request(number: int, nodes: str, kind: str = "resume") -> Request:
    return Request(f"{number}-1", kind, nodes, 1, None)


def test_what_waits_is_one_round(worker: serve.Worker, queue: Queue) -> None:
    queue.put(request(1, "cpu-1"))
    queue.put(request(2, "cpu-2"))
    worker.round(queue)
    assert [todo.of(Do.CREATE) for todo in FakeRound.done] == [("cpu-1", "cpu-2")]
    assert queue.waiting() == []


def test_what_comes_during_a_round_waits_for_the_next(worker: serve.Worker, queue: Queue) -> None:
    queue.put(request(1, "cpu-1"))
    FakeRound.meanwhile = lambda: queue.put(request(2, "cpu-2"))
    worker.round(queue)
    assert [found.id for found in queue.waiting()] == ["2-1"]
    FakeRound.meanwhile = None
    worker.round(queue)
    assert [todo.of(Do.CREATE) for todo in FakeRound.done] == [("cpu-1",), ("cpu-2",)]


def test_a_round_that_was_killed_is_done_again(worker: serve.Worker, queue: Queue) -> None:
    def die() -> None:
        raise SystemExit

    queue.put(request(1, "cpu-1"))
    FakeRound.meanwhile = die
    with pytest.raises(SystemExit):
        worker.round(queue)
    assert [found.id for found in queue.waiting()] == ["1-1"]
    FakeRound.meanwhile = None
    worker.round(queue)
    assert [todo.of(Do.CREATE) for todo in FakeRound.done] == [("cpu-1",)]


def test_a_node_that_could_not_be_removed_is_tried_again(worker: serve.Worker, queue: Queue) -> None:
    queue.put(request(1, "cpu-1"))
    queue.put(request(2, "cpu-3", "suspend"))
    FakeRound.failed = {"cpu-3": "Terraform was killed (signal 9)", "cpu-1": "Terraform was killed (signal 9)"}
    with pytest.raises(KiwiError, match="cpu-3: not removed: Terraform was killed"):
        worker.round(queue)
    assert [found.id for found in queue.waiting()] == ["2-1"]
    FakeRound.failed = {}
    worker.round(queue)
    assert [todo.of(Do.DESTROY) for todo in FakeRound.done] == [("cpu-3",), ("cpu-3",)]
    assert queue.waiting() == []


def test_a_stray_is_removed_when_it_has_been_one_for_long(
    worker: serve.Worker, stray: None, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.round(queue)
    worker.round(queue)
    assert FakeRound.done == []
    monkeypatch.setattr(strays, "LONG", 0)
    worker.round(queue)
    assert [todo.of(Do.DESTROY) for todo in FakeRound.done] == [("cpu-3",)]
    assert '"event":"stray"' in worker._clusterdir.journal.read_text().replace(" ", "")


def test_a_stray_that_slurm_asks_for_stays(
    worker: serve.Worker, stray: None, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strays, "LONG", 0)
    queue.put(request(1, "cpu-3"))
    worker.round(queue)
    assert [todo.of(Do.DESTROY) for todo in FakeRound.done] == [()]


def test_what_is_always_up_is_brought_though_nobody_asks(worker: serve.Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead login node came back with bin/up only; what Slurm says is known, and mended, when it runs again."""
    cluster = worker._cluster()
    monkeypatch.setattr(cluster, "observe", lambda: Observed({"login": Instance("id", "address")}, ()))
    worker.mend()
    assert [(todo.of(Do.REPLACE), todo.of(Do.CONFIGURE)) for todo in FakeRound.done] == [(("login",), ("login",))]
    assert worker._patience() == 0.0


def test_a_wish_that_waits_keeps_nobody_from_mending(worker: serve.Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suspend waited for Slurm, which was silent since the login node had died: it was never made again."""
    mended = []

    def waits(queue: object) -> None:
        raise KiwiError("cpu-3: not removed: Slurm does not answer")

    monkeypatch.setattr(worker, "round", waits)
    monkeypatch.setattr(worker, "mend", lambda: mended.append(1))
    worker._next_look = 0.0
    with pytest.raises(KiwiError):
        worker._requests_and_mending(None)  # type: ignore[arg-type]
    assert mended == [1]


def test_nothing_to_mend_is_no_round(worker: serve.Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = worker._cluster()
    seen = replace(cluster.observe(), state={"login": Instance("id", "address")})
    monkeypatch.setattr(cluster, "observe", lambda: seen)
    worker.mend()
    assert FakeRound.done == []
    assert serve.LOOK - 5 < worker._patience() <= serve.LOOK


def test_nothing_to_do_is_no_round(worker: serve.Worker, queue: Queue) -> None:
    queue.put(request(1, "gpu-7"))
    worker.round(queue)
    assert FakeRound.done == []
    assert queue.waiting() == []
    assert "unknown node" in worker._clusterdir.journal.read_text()


def test_there_is_one_worker(clusterdir: ClusterDir) -> None:
    assert worker_pid.worker(clusterdir) is None
    with worker_pid.alone(clusterdir):
        assert worker_pid.worker(clusterdir) is not None
        with pytest.raises(BusyError, match="runs already"), worker_pid.alone(clusterdir):
            pass
    assert worker_pid.worker(clusterdir) is None


def test_a_worker_of_older_sources_is_seen(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not worker_pid.outdated(clusterdir)
    with worker_pid.alone(clusterdir):
        assert not worker_pid.outdated(clusterdir)
        monkeypatch.setattr(worker_pid, "kind", lambda _: "newer")
        assert worker_pid.outdated(clusterdir)
    assert not worker_pid.outdated(clusterdir)


def test_a_worker_from_before_the_site_had_slurm_is_seen(clusterdir: ClusterDir) -> None:
    files.write_json(clusterdir.site, {"partitions": [{"name": "lab", "scheduler": "booking"}]})
    with worker_pid.alone(clusterdir):
        assert not worker_pid.outdated(clusterdir)
        files.write_json(clusterdir.site, {"partitions": [{"name": "cpu", "scheduler": "slurm"}]})
        assert worker_pid.outdated(clusterdir)


@pytest.mark.parametrize("has_slurm", [True, False])
def test_only_a_site_with_slurm_has_a_spool_to_follow(
    clusterdir: ClusterDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_slurm: bool
) -> None:
    controller, served = FakeController(tmp_path / "spool"), threading.Event()

    def loop(self: serve.Worker, queue: Queue, after: object) -> None:
        served.wait(PATIENCE if has_slurm else 0.5)

    class Metrics:
        def __init__(self, *_: object) -> None: ...

        start = stop = poke = lambda self: None

    def follow(*_: object) -> process.Child[str]:
        served.set()
        raise OSError("seen")

    monkeypatch.setattr(serve.signal, "signal", lambda *_: None)
    monkeypatch.setattr(serve.Worker, "_loop", loop)
    monkeypatch.setattr(serve, "MetricsThread", Metrics)
    monkeypatch.setattr(controller, "follow", follow)
    cluster = SimpleNamespace(controller=controller, has_slurm=has_slurm)
    serve.Worker(clusterdir, lambda: cluster).run()  # type: ignore[arg-type, return-value]
    assert served.is_set() is has_slurm
