"""The state document of bookings, version 1, as other machines may have written it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiwi.booking.store import Store
from kiwi.common.errors import KiwiError, UnreachableError

DOCUMENT = {
    "version": 1,
    "generation": 7,
    "writer": "login",
    "nodes": {"lab-1": {"id": "b1", "user": "alice", "uid": 10001, "start": 1795272400.0, "until": 1795276000.0}},
}


def store(tmp_path: Path, document: object, number: int = 7) -> Store:
    (tmp_path / "generations").mkdir()
    (tmp_path / "generations" / f"{number:012d}.json").write_text(json.dumps(document))
    return Store(tmp_path, "lab-1")


def test_it_is_read_without_a_hint(tmp_path: Path) -> None:
    found = store(tmp_path, DOCUMENT).latest()
    assert found.generation == 7
    assert (found.nodes["lab-1"].user, found.nodes["lab-1"].until) == ("alice", 1795276000.0)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({**DOCUMENT, "version": 2}, id="another version"),
        pytest.param({**DOCUMENT, "generation": 8}, id="another number than its name"),
        pytest.param({k: v for k, v in DOCUMENT.items() if k != "nodes"}, id="no nodes"),
        pytest.param({**DOCUMENT, "nodes": {"lab-1": {"id": "b1"}}}, id="half a booking"),
        pytest.param([], id="no object"),
    ],
)
def test_a_damaged_one_is_refused_by_name(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(KiwiError, match=r"000000000007\.json is damaged"):
        store(tmp_path, wrong).latest()


def test_an_empty_share_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="holds no booking state"):
        Store(tmp_path, "lab-1").latest()
