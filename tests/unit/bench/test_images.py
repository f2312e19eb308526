"""A measurement leaves the images that were there before it."""

from __future__ import annotations

from pathlib import Path

from bench.cluster import keeping_images
from reconfigure.lifecycle import teardown


def test_images_from_before_stay_and_new_ones_go(tmp_path: Path) -> None:
    (tmp_path / "images/debian13-old").mkdir(parents=True)
    with keeping_images(tmp_path):
        (tmp_path / "images/debian13-new").mkdir()
        teardown._remove_images(tmp_path)
        assert [path.name for path in (tmp_path / "images").iterdir()] == ["debian13-old"]
    assert not (tmp_path / "clusters").exists()
    teardown._remove_images(tmp_path)
    assert list((tmp_path / "images").iterdir()) == []


def test_where_nothing_was_nothing_stays(tmp_path: Path) -> None:
    with keeping_images(tmp_path):
        (tmp_path / "images/debian13-new").mkdir(parents=True)
        teardown._remove_images(tmp_path)
    assert list((tmp_path / "images").iterdir()) == []
