"""Batches: who holds which node, and what a killed one leaves."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kiwi.common import process
from kiwi.common.errors import BusyError
from reconfigure.clusterdir import batches, lock, rivals
from reconfigure.clusterdir.paths import REPO, ClusterDir


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    return ClusterDir(tmp_path, "t")


def test_a_batch_holds_its_nodes_until_it_gives_them_back(clusterdir: ClusterDir) -> None:
    assert batches.busy(clusterdir) == frozenset()
    one = batches.claim(clusterdir, "1-1", ["cpu-1", "cpu-2"])
    two = batches.claim(clusterdir, "2-1", ["lab-1"])
    assert batches.busy(clusterdir) == {"cpu-1", "cpu-2", "lab-1"}
    assert batches.live(clusterdir) == ("1-1", "2-1")
    one.release(["cpu-1", "lab-1"])
    assert batches.busy(clusterdir) == {"cpu-2", "lab-1"}
    one.close()
    two.close()
    assert batches.busy(clusterdir) == frozenset()
    assert [*clusterdir.batches.iterdir(), *clusterdir.node_locks.iterdir()] == []


def test_no_node_is_in_two_batches(clusterdir: ClusterDir) -> None:
    one = batches.claim(clusterdir, "1-1", ["cpu-1"])
    with pytest.raises(BusyError, match="cpu-1"):
        batches.claim(clusterdir, "2-1", ["cpu-1", "cpu-2"])
    assert batches.live(clusterdir) == ("1-1",)
    one.close()


def test_a_batch_is_told_which_nodes_to_let_go(clusterdir: ClusterDir) -> None:
    one = batches.claim(clusterdir, "1-1", ["cpu-1", "cpu-2"])
    batches.drop(clusterdir, ["cpu-2"])
    assert one.dropped() == {"cpu-2"}
    one.release(one.dropped())
    again = batches.claim(clusterdir, "2-1", ["cpu-2"])
    assert again.dropped() == set()
    one.close()
    again.close()


HOLDER = """
import sys; from pathlib import Path
from reconfigure.clusterdir import batches, rivals
from reconfigure.clusterdir.paths import ClusterDir
from kiwi.common import process
place = ClusterDir(Path(sys.argv[1]), "t")
batches.claim(place, "1-1", ["cpu-1"])
child = process.start(["sh", "-c", "echo 1; exec sleep 600"], env=rivals.environment(place, "1-1"), new_session=True)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(clusterdir: ClusterDir) -> Iterator[tuple[process.Child[str], int]]:
    """Another process with a batch, and a child of that batch."""
    argv = [sys.executable, "-c", HOLDER, str(clusterdir.root)]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    with process.start(argv, stdin=process.PIPE, env=environment) as found:
        assert found.stdout is not None
        yield found, int(found.stdout.readline())


def test_who_takes_the_lock_leaves_a_batch_that_goes_on_and_ends_a_killed_ones_children(clusterdir: ClusterDir) -> None:
    with holder(clusterdir) as (other, child):
        with lock.locked(clusterdir, 1):
            assert rivals.marked(clusterdir) == [child]
            assert batches.busy(clusterdir) == {"cpu-1"}
        other.kill()
        other.wait()
        assert batches.busy(clusterdir) == frozenset()
        assert rivals.marked(clusterdir) == [child]
        with lock.locked(clusterdir, 1):
            assert rivals.marked(clusterdir) == []
            assert [*clusterdir.batches.iterdir(), *clusterdir.node_locks.iterdir()] == []


def test_a_batch_ends_its_own_children_alone(clusterdir: ClusterDir) -> None:
    with holder(clusterdir) as (other, child):
        rivals.end_batches(clusterdir, ["2-1"])
        assert rivals.marked(clusterdir) == [child]
        rivals.end_batches(clusterdir, ["1-1"])
        assert rivals.marked(clusterdir) == []
        other.kill()


@pytest.mark.parametrize("name", ["", ".", "..", "../batches/1-1"])
def test_an_odd_mark_is_of_no_batch(clusterdir: ClusterDir, name: str) -> None:
    one = batches.claim(clusterdir, "1-1", ["cpu-1"])
    assert not batches.goes_on(clusterdir, name)
    one.close()


def test_a_command_waits_for_the_batch_that_has_its_nodes(clusterdir: ClusterDir) -> None:
    one = batches.claim(clusterdir, "1-1", ["cpu-1"])
    with lock.locked_when_free(clusterdir, ["cpu-2"], 1):
        pass
    for names in (["cpu-1"], None):
        with pytest.raises(BusyError, match="cpu-1"), lock.locked_when_free(clusterdir, names, 0.2):
            pass
    two = batches.claim(clusterdir, "2-1", ["cpu-2"])
    threading.Timer(0.2, one.close).start()
    with lock.locked_when_free(clusterdir, ["cpu-1"], 20):
        assert batches.busy(clusterdir) == {"cpu-2"}
    two.close()


def test_a_command_about_all_waits_for_no_batch_that_began_after_it(clusterdir: ClusterDir) -> None:
    one, later = batches.claim(clusterdir, "1-1", ["cpu-1"]), list[batches.Claim]()

    def next_one() -> None:
        later.append(batches.claim(clusterdir, "2-1", ["cpu-2"]))
        one.close()

    threading.Timer(0.2, next_one).start()
    with lock.locked_when_free(clusterdir, None, 20):
        assert batches.live(clusterdir) == ("2-1",)
    later[0].close()
