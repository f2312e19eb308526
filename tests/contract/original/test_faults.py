"""The faults of eiffel-ohpc (docs/originals.md), one assertion for both ways: seen to fail on the original's.

Guards: that one change touches no other node, that no wish is lost, that failures are told and mended.
Cannot prove: what needs machines, see tests/cluster/test_20_elastic.py and test_25_originals.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.original import ways
from tests.contract.original.ways import Way

FAILS = pytest.mark.xfail(strict=True, raises=AssertionError, reason="this is the original's fault")


@pytest.fixture(params=[pytest.param("original", marks=FAILS), "kiwi"])
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Way:
    if request.param == "original":
        return ways.original(tmp_path)
    found = ways.kiwi(tmp_path, monkeypatch)
    request.addfinalizer(found.queue.close)
    return found


def test_1_a_new_image_replaces_no_node_when_another_goes(way: Way) -> None:
    way.resume("cpu-1", "cpu-2", "cpu-3")
    before = way.machines()
    way.bake()
    way.suspend("cpu-3")
    assert way.machines() == {name: before[name] for name in ("cpu-1", "cpu-2")}


def test_2_a_suspend_destroys_no_node_made_meanwhile(way: Way) -> None:
    way.resume("cpu-1")
    way.suspend("cpu-1", meanwhile=lambda: way.resume("cpu-2"))
    assert set(way.machines()) == {"cpu-2"}


def test_3_hooks_at_the_same_time_all_succeed(way: Way) -> None:
    way.resume_each_at_once(*ways.NODES)
    assert set(way.machines()) == set(ways.NODES)


def test_5_a_failure_is_told_with_its_reason(way: Way) -> None:
    way.spoil("cpu-2")
    way.resume("cpu-1", "cpu-2")
    assert "cpu-1" in way.machines()
    assert "the host is full" in way.told()


def test_5_a_machine_that_died_is_mended(way: Way) -> None:
    way.resume("cpu-1", "cpu-2")
    assert not way.would_mend("cpu-2")
    way.kill("cpu-2")
    assert way.would_mend("cpu-2")
