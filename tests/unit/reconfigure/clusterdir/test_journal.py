"""The journal: bounded, and followed across the boundary of its files."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.rounds import progress


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    found = ClusterDir(tmp_path, "kiwi")
    found.path.mkdir(parents=True)
    return found


def numbers(events: list[journal.Event]) -> list[int]:
    return [event["number"] for event in events]


def test_a_line_has_version_time_event_and_nodes(clusterdir: ClusterDir) -> None:
    assert journal.read(clusterdir) == ([], journal.Position())
    journal.write(clusterdir, "failed", ["cpu-2", "cpu-1"], reason="the host is full")
    (event,), _ = journal.read(clusterdir)
    assert event.pop("time") > 0
    assert event == {"version": 1, "event": "failed", "nodes": ["cpu-1", "cpu-2"], "reason": "the host is full"}
    assert clusterdir.journal.stat().st_mode & 0o777 == 0o600


def test_it_stays_bounded_and_keeps_the_newest(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LIMIT", 400)
    for number in range(200):
        journal.write(clusterdir, "x", number=number)
    files = sorted(path.name for path in clusterdir.log.iterdir())
    assert files == ["journal.jsonl", "journal.jsonl.1", "journal.jsonl.2", "journal.jsonl.3"]
    assert all(path.stat().st_size < 600 for path in clusterdir.log.iterdir())
    found = numbers(journal.read(clusterdir)[0])
    assert found == list(range(found[0], 200))
    assert len(found) > 10


def test_a_follower_misses_nothing_and_meets_nothing_twice(
    clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LIMIT", 400)
    found, place = [], journal.Position()
    for number in range(100):
        journal.write(clusterdir, "x", number=number)
        if number % 3 == 0:
            events, place = journal.read(clusterdir, place)
            found += numbers(events)
    events, place = journal.read(clusterdir, place)
    assert found + numbers(events) == list(range(100))
    assert journal.read(clusterdir, place) == ([], place)


def test_a_place_in_a_file_that_is_gone_means_all_there_is(clusterdir: ClusterDir) -> None:
    journal.write(clusterdir, "x", number=1)
    assert numbers(journal.read(clusterdir, journal.Position(1, 7))[0]) == [1]
    _, place = journal.read(clusterdir)
    assert numbers(journal.read(clusterdir, place._replace(offset=10_000))[0]) == [1]


def test_a_line_cut_by_a_crash_is_left_out_and_one_that_grows_is_waited_for(clusterdir: ClusterDir) -> None:
    journal.write(clusterdir, "x", number=1)
    with clusterdir.journal.open("a") as file:
        file.write('{"version": 1, "event": "x"')
    events, place = journal.read(clusterdir)
    assert numbers(events) == [1]
    with clusterdir.journal.open("a") as file:
        file.write('\n[]\n{"version": 2}\n')
    journal.write(clusterdir, "x", number=2)
    assert numbers(journal.read(clusterdir, place)[0]) == [2]


def test_many_writers_lose_no_line(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LIMIT", 4000)

    def write(first: int) -> None:
        for number in range(first, first + 25):
            journal.write(clusterdir, "x", number=number)

    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 100, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(journal.read(clusterdir)[0])) == list(range(100))


def test_a_removed_home_is_not_made_again(clusterdir: ClusterDir) -> None:
    clusterdir.path.rmdir()
    with pytest.raises(FileNotFoundError):
        journal.write(clusterdir, "worker stopped")


def test_what_is_done_now_is_told_while_it_is_done(clusterdir: ClusterDir) -> None:
    assert progress.now(clusterdir) is None
    with progress.doing(clusterdir, "machines", ["cpu-1"], "17-1"):
        with progress.doing(clusterdir, "slurm", ["cpu-2"], "17-1"):
            assert (progress.now(clusterdir) or {})["step"] == "slurm"
        assert (progress.now(clusterdir) or {})["nodes"] == ["cpu-1"]
    assert progress.now(clusterdir) is None


def test_what_a_killed_process_did_is_not_told(clusterdir: ClusterDir) -> None:
    clusterdir.run.mkdir()
    clusterdir.doing.write_text('{"pid": 4194999, "step": "machines"}')
    assert progress.now(clusterdir) is None


def test_a_full_disk_stops_nobody(clusterdir: ClusterDir, caplog: pytest.LogCaptureFixture) -> None:
    clusterdir.journal.parent.mkdir(exist_ok=True)
    clusterdir.journal.symlink_to("/dev/full")
    with caplog.at_level(logging.ERROR):
        journal.write(clusterdir, "failed", ["cpu-1"], reason="no munge")
    assert "No space left on device" in caplog.text
    assert "no munge" in caplog.text


def test_a_line_that_finds_half_of_its_room_spoils_no_other(
    clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    journal.write(clusterdir, "worker started")
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda number, data: write(number, data[:20]))
        journal.write(clusterdir, "round", ["cpu-1"])
    journal.write(clusterdir, "done", ["cpu-1"])
    assert [event["event"] for event in journal.read(clusterdir)[0]] == ["worker started", "done"]
    assert len(clusterdir.journal.read_text().splitlines()) == 2
