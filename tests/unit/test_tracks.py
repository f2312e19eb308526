"""The tracks of the cluster lane: each file in one of them, side by side, and none fails unnoticed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import lanes, tracks


def test_each_file_is_in_one_track() -> None:
    named = [file for files in tracks.TRACKS.values() for file in files]
    assert sorted(named) == sorted(path.name for path in tracks.FOLDER.glob("test_*.py")), "see tests/tracks.py"


def test_one_file_waits_for_the_other_tracks_and_is_the_last_of_its_own() -> None:
    """Two would wait for each other, and what comes after it would find the others' clusters gone."""
    (waits,) = [path.name for path in tracks.FOLDER.glob("test_*.py") if "host_alone" in path.read_text()]
    assert waits in [max(files) for files in tracks.TRACKS.values()]


# Each track waits until the other one has begun: one after another, the first would fail.
MEETS = """
import time
from pathlib import Path
def test_meets():
    Path(__file__).with_suffix(".begun").touch()
    until = time.monotonic() + 20
    while len(list(Path(__file__).parent.glob("*.begun"))) < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lane of two tracks, of which the second one has a test that fails."""
    made = tmp_path / "cluster"
    made.mkdir()
    (made / "test_1.py").write_text(MEETS)
    (made / "test_2.py").write_text(MEETS + "def test_fails():\n    assert 7 == 8\n")
    monkeypatch.setattr(tracks, "FOLDER", made)
    monkeypatch.setattr(tracks, "TRACKS", {"a": ("test_1.py",), "b": ("test_2.py",)})
    return made


def test_they_run_side_by_side_and_one_that_fails_fails_the_lane(folder: Path, capfd: pytest.CaptureFixture) -> None:
    assert lanes.run("cluster", [str(folder), "--durations=3"]) == pytest.ExitCode.TESTS_FAILED
    lines = capfd.readouterr().out.splitlines()
    assert {line[:4] for line in lines} == {"a | ", "b | "}
    for track, ended in (("a", "1 passed"), ("b", "1 failed, 1 passed")):
        own = [line for line in lines if line.startswith(track)]
        assert ended in own[-1]
        assert any("slowest" in line for line in own)
    assert any("assert 7 == 8" in line for line in lines)


def test_a_track_without_a_test_counts_only_where_no_track_has_one() -> None:
    assert tracks.worst([5, 0]) == tracks.worst([0, 5]) == 0
    assert tracks.worst([5, 1]) == tracks.worst([1, 0]) == 1
    assert tracks.worst([5, 5]) == 5


def test_who_names_a_file_has_one_pytest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(os, "spawnvpe", lambda mode, program, argv, environment: started.extend(argv) or 0)
    named = [str(folder / "test_2.py"), "-k", "fails"]
    assert lanes.run("cluster", named) == 0
    assert started[-3:] == named
