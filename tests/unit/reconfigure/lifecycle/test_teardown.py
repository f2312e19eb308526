"""Images go with the last cluster that needs them, also where two clusters go at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kiwi.common.errors import BusyError
from reconfigure.clusterdir import lock
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.lifecycle import teardown
from reconfigure.providers import registry
from reconfigure.providers.local import LocalProvider
from reconfigure.reports import textfile
from reconfigure.worker import supervisor


def test_two_clusters_that_go_at_once_remove_an_image_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both removed the same tree, and the slower one ended with FileNotFoundError."""
    root, remove, met = tmp_path / "kiwi", teardown._remove, []
    (root / "images" / "debian13-17" / "root").mkdir(parents=True)

    def meanwhile(path: Path) -> None:
        try:
            teardown._images(root)
        except BusyError:
            met.append(path.name)
        remove(path)

    monkeypatch.setattr(lock, "WAIT", 0.0)
    monkeypatch.setattr(teardown, "_remove", meanwhile)
    teardown._images(root)
    assert met == ["debian13-17"]
    assert not root.exists()
    teardown._images(root)
    assert not root.exists()


def test_a_cluster_that_goes_leaves_the_lock_of_an_image_that_is_baked(tmp_path: Path) -> None:
    """It took the file away, and the next one baked the same image beside the first one."""
    root = tmp_path / "kiwi"
    with lock.hold(root / "images" / ".lock", 0):
        teardown._images(root)
        with pytest.raises(BusyError), lock.hold(root / "images" / ".lock", 0):
            pass
    teardown._images(root)
    assert not root.exists()


def test_a_root_that_is_a_disk_of_its_own_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing the mount point ended with a traceback, after all was done."""
    root = tmp_path / "kiwi"
    (root / "images").mkdir(parents=True)
    monkeypatch.setattr(Path, "is_mount", lambda path: path == root)
    teardown._images(root)
    assert root.is_dir()
    assert not any(root.iterdir())


@pytest.mark.parametrize(("age", "stays"), [(0.0, True), (teardown.BAKING + 60, False)])
def test_an_image_that_somebody_bakes_stays(tmp_path: Path, age: float, stays: bool) -> None:
    """`bin/down --all` took the tree from under another checkout's bake."""
    part = tmp_path / "kiwi" / "images" / "debian13-17.part-1"
    (part / "root" / "var").mkdir(parents=True)
    for folder in (part, part / "root"):
        os.utime(folder, (1, 1))
    os.utime(part / "root" / "var", (time.time() - age, time.time() - age))
    teardown._images(tmp_path / "kiwi")
    assert part.exists() is stays


@pytest.mark.parametrize("other", ["", "/other/clusters/kiwi"])
def test_unit_and_metrics_of_another_root_with_the_same_name_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    clusterdir, ran, collected = ClusterDir(tmp_path, "kiwi"), list[list[str]](), tmp_path / "kiwi-kiwi.prom"
    (clusterdir.path / "data").mkdir(parents=True)
    collected.write_text("")
    monkeypatch.setattr(textfile, "COLLECTOR", tmp_path)
    monkeypatch.setattr(supervisor, "systemd", lambda: True)
    monkeypatch.setattr(supervisor.process, "run", lambda argv, check: ran.append(argv))
    monkeypatch.setattr(LocalProvider, "elsewhere", lambda provider: other)
    monkeypatch.setattr(LocalProvider, "observe", lambda provider: ())
    monkeypatch.setattr(LocalProvider, "teardown", lambda provider: None)
    teardown.down(clusterdir, registry.provider, everything=False)
    assert ran == ([] if other else [["systemctl", "stop", "kiwi-kiwi-serve.service"]])
    assert collected.exists() == bool(other)
    assert [path.name for path in clusterdir.path.iterdir()] == ["data"]
