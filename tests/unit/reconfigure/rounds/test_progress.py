"""What is being done, for `status`: said, taken back, and never in the way of the work."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.rounds import progress


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    found = ClusterDir(tmp_path, "kiwi")
    found.path.mkdir(parents=True)
    return found


def step(clusterdir: ClusterDir) -> str | None:
    found = progress.now(clusterdir)
    return found and found["step"]


def test_a_step_within_a_step(clusterdir: ClusterDir) -> None:
    assert step(clusterdir) is None
    with progress.doing(clusterdir, "round", ["b", "a"], "r1"):
        with progress.doing(clusterdir, "terraform", ["a"], "r1"):
            assert step(clusterdir) == "terraform"
        assert step(clusterdir) == "round"
        assert clusterdir.doing.stat().st_mode & 0o777 == 0o600
    assert step(clusterdir) is None


def test_a_full_disk_stops_nothing_and_shows_nothing_old(
    clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with progress.doing(clusterdir, "round", ["a"], "r1"):
        monkeypatch.setattr(os, "write", full)
        with progress.doing(clusterdir, "terraform", ["a"], "r1"):
            assert step(clusterdir) is None
        assert [p.name for p in clusterdir.doing.parent.iterdir()] == []
    assert step(clusterdir) is None


def test_another_fault_of_the_disk_is_an_error(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(number: int, data: bytes) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match="Input/output"), progress.doing(clusterdir, "round", ["a"], "r1"):
        pass
