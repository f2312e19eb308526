"""This lane is out of reach of the host that it runs on, and no lane lets a skip pass."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kiwi.common import process
from tests import lanes


def test_it_can_change_nothing_of_the_host() -> None:
    assert os.geteuid() != 0
    for argv in (["ip", "link", "add", "kiwi-kiwi", "type", "dummy"], ["nft", "flush", "ruleset"]):
        assert process.run(argv, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}).code != 0
    with pytest.raises(PermissionError):
        os.kill(1, 0)
    with pytest.raises(OSError, match=r"denied|Read-only"):
        Path("/run/lock", "kiwi-network.lock").open("a")
    assert not os.environ["KIWI_ROOT"].startswith(lanes.HOST)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda path: path.open(), id="open"),
        pytest.param(lambda path: path.mkdir(), id="mkdir"),
        pytest.param(lambda path: list(path.iterdir()), id="list"),
        pytest.param(lambda path: path.rename("x"), id="rename"),
        pytest.param(lambda path: os.open(bytes(path), os.O_RDONLY), id="bytes"),
        pytest.param(lambda path: os.unlink(path), id="unlink"),
    ],
)
@pytest.mark.parametrize("below", ["", "/clusters/kiwi/lock"])
def test_the_hosts_clusters_are_refused_and_noted(use: Any, below: str) -> None:
    with pytest.raises(PermissionError, match="may not touch"):
        use(Path(lanes.HOST + below))
    assert len(lanes.touched) == 1
    lanes.touched.clear()


def test_a_folder_that_only_begins_like_it_is_not_meant() -> None:
    with pytest.raises(FileNotFoundError):
        Path(lanes.HOST + "-of-mine").open()


SKIP = ("file", 7, "Skipped: no such thing here")


@pytest.mark.parametrize(
    ("report", "refused"),
    [
        (SimpleNamespace(skipped=True, longrepr=SKIP), True),
        (SimpleNamespace(skipped=True, longrepr="as text"), True),
        (SimpleNamespace(skipped=True, longrepr=SKIP, wasxfail="known"), False),
        (SimpleNamespace(skipped=False, longrepr=None), False),
    ],
    ids=["skipped", "skipped as text", "expected to fail", "run"],
)
def test_a_skip_is_a_failure(report: Any, refused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bool(lanes.refused_skip(report)) is refused
    monkeypatch.setattr(lanes, "SKIPS", {"no such thing|as text": "said why"})
    assert lanes.refused_skip(report) == ""


@pytest.mark.parametrize("name", lanes.LANES)
def test_each_argument_goes_to_its_lane(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(lanes.REPO / "tests" / name)
    assert lanes.apart([f"{folder}/test_x.py::test_y"]) == {name: [f"{folder}/test_x.py::test_y"]}
    assert lanes.apart([str(lanes.REPO / "tests")])[name] == [folder]
    monkeypatch.chdir(lanes.REPO)
    assert lanes.apart([f"tests/{name}", "."])[name] == [f"tests/{name}", folder]
