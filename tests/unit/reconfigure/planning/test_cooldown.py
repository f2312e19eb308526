"""Failures in a row, and how long a node is left alone for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.planning import cooldown


@pytest.mark.parametrize(
    ("failures", "permanent", "seconds"),
    [(1, False, 0), (2, False, 60), (3, False, 120), (9, False, 600), (1, True, 600)],
)
def test_how_long(failures: int, permanent: bool, seconds: float) -> None:
    entry = None
    for _ in range(failures):
        entry = cooldown.after(entry, "no munge", 1000.0, permanent=permanent)
    assert entry is not None
    assert entry.until == (1000.0 + seconds if seconds else 0)


def test_an_old_failure_is_forgotten() -> None:
    first = cooldown.after(None, "no munge", 0.0, permanent=False)
    assert cooldown.after(first, "no munge", cooldown.FORGET + 1, permanent=False).failures == 1


def test_a_reason_of_any_length_says_until_when() -> None:
    told = cooldown.after(None, "x" * 500, 0.0, permanent=True).shown
    assert told.endswith("xx; left alone until 00:10 UTC")
    assert len(told) <= 200


def test_the_table_outlives_the_worker(tmp_path: Path) -> None:
    clusterdir = ClusterDir(tmp_path, "t")
    clusterdir.path.mkdir(parents=True)
    assert cooldown.read(clusterdir) == {}
    for _ in range(2):
        cooldown.failed(clusterdir, {"cpu-1": "no munge"}, 1000.0, permanent=False)
    assert set(cooldown.held(cooldown.read(clusterdir), 1059.0)) == {"cpu-1"}
    cooldown.freed(clusterdir, 1059.0)
    assert cooldown.waits(cooldown.read(clusterdir))
    cooldown.freed(clusterdir, 1060.0)
    assert not cooldown.waits(cooldown.read(clusterdir))
    assert cooldown.read(clusterdir)["cpu-1"].failures == 2
    cooldown.well(clusterdir, ["cpu-1"])
    assert cooldown.read(clusterdir) == {}
