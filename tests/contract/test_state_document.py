"""The state document of bookings, versions 1 and 2, as other machines may have written it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kiwi.booking import codec
from kiwi.booking.document import Change
from kiwi.booking.store import Store
from kiwi.common.errors import KiwiError, UnreachableError

DOCUMENT = {
    "version": 1,
    "generation": 7,
    "writer": "login",
    "nodes": {"lab-1": {"id": "b1", "user": "alice", "uid": 10001, "start": 1795272400.0, "until": 1795276000.0}},
}

SECOND = {
    "version": 2,
    "generation": 7,
    "writer": "login",
    "bookings": {
        "b1": {
            "kind": "alloc",
            "user": "alice",
            "uid": 10001,
            "with": ["bob"],
            "nodes": ["lab-1", "lab-2"],
            "start": 1795272400.0,
            "until": 1795276000.0,
            "made": 1795272000.5,
            "note": "thesis",
        }
    },
    "nodes": {
        "lab-1": {
            "host": "gpu-a.lab.example",
            "port": 2222,
            "labels": ["gpu"],
            "windows": ["18:00-08:00"],
            "admin": "blocked",
            "reason": "fan",
        }
    },
    "config": {
        "time_zone": "Europe/Berlin",
        "bypass_users": ["carol"],
        "bypass_groups": ["staff"],
        "limits": {"hours": 12.0},
        "managed_by": "kiwi-manage",
    },
    "waiting": [
        {
            "id": "w1",
            "user": "bob",
            "uid": 10002,
            "seconds": 60.0,
            "made": 1795272000.5,
            "until": 1795273000.0,
            "nodes": [],
            "size": 2,
            "labels": ["gpu"],
        }
    ],
    "changes": [],
}


def store(tmp_path: Path, document: object, number: int = 7) -> Store:
    (tmp_path / "generations").mkdir()
    (tmp_path / "generations" / f"{number:012d}.json").write_text(json.dumps(document))
    return Store(tmp_path, "lab-1")


def test_it_is_read_without_a_hint(tmp_path: Path) -> None:
    found = store(tmp_path, DOCUMENT).latest()
    assert found.generation == 7
    assert (found.bookings["b1"].user, found.bookings["b1"].until) == ("alice", 1795276000.0)
    assert (found.bookings["b1"].nodes, found.version) == (("lab-1",), 1)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({**DOCUMENT, "version": 2}, id="another version"),
        pytest.param({**SECOND, "bookings": {"b1": {"user": "alice"}}}, id="version 2, half a booking"),
        pytest.param({**SECOND, "nodes": {"lab-1": {"admin": "perhaps"}}}, id="version 2, no such word"),
        pytest.param({k: v for k, v in SECOND.items() if k != "waiting"}, id="version 2, a key is missing"),
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


def test_version_2_is_read_and_written_as_it_is(tmp_path: Path) -> None:
    found = store(tmp_path, SECOND).latest()
    booking = found.bookings["b1"]
    assert (booking.others, booking.nodes, booking.note) == (("bob",), ("lab-1", "lab-2"), "thesis")
    assert (found.nodes["lab-1"].admin, found.config.time_zone, found.waiting[0].size) == (
        "blocked",
        "Europe/Berlin",
        2,
    )
    assert json.loads(codec.dump(found, "login")) == SECOND


def test_changes_are_in_the_document(tmp_path: Path) -> None:
    (change,) = [{"event": "booked", "id": "b1", **SECOND["bookings"]["b1"]}]  # type: ignore[index]
    found = store(tmp_path, {**SECOND, "changes": [change]}).latest()
    assert found.changes == (Change("booked", found.bookings["b1"]),)
    assert json.loads(codec.dump(found, "login"))["changes"] == [change]


def held(identity: str, until: float) -> dict[str, object]:
    return {"id": identity, "user": "alice", "uid": 10001, "start": 1000.0, "until": until}


def test_nodes_of_one_booking_of_version_1_that_ended_at_different_times(tmp_path: Path) -> None:
    nodes = {
        "lab-1": held("a", 1100.0),
        "lab-2": held("a", 1500.0),
        "lab-3": held("a", 1500.0),
        "lab-4": held("a", 1200.0),
    }
    found = store(tmp_path, {**DOCUMENT, "nodes": nodes}).latest().bookings
    assert {i: (b.nodes, b.until) for i, b in found.items()} == {
        "a": (("lab-2", "lab-3"), 1500.0),
        "a.1": (("lab-4",), 1200.0),
        "a.2": (("lab-1",), 1100.0),
    }


def test_what_version_1_can_say_is_written_so_that_its_agents_read_it(tmp_path: Path) -> None:
    found = store(tmp_path, DOCUMENT).latest()
    written = json.loads(codec.dump(found, "login"))
    assert written.pop("changes") == []
    assert written == DOCUMENT


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"note": "x"}, id="a note"),
        pytest.param({"others": ("bob",)}, id="others"),
        pytest.param({"kind": "run"}, id="another kind"),
        pytest.param({"start": 1795272401.0}, id="later"),
    ],
)
def test_version_1_has_no_words_for_more(tmp_path: Path, more: dict[str, Any]) -> None:
    found = store(tmp_path, DOCUMENT).latest()
    document = found._replace(bookings={"b1": found.bookings["b1"]._replace(**more)})
    assert not codec.fits_first_version(document)
    with pytest.raises(ValueError, match="version 1"):
        codec.dump(document, "login")


def test_version_1_has_one_booking_for_a_node(tmp_path: Path) -> None:
    found = store(tmp_path, DOCUMENT).latest()
    one = found.bookings["b1"]
    both = {"b1": one, "b2": one._replace(id="b2", start=one.until, until=one.until + 9, made=one.until)}
    assert codec.fits_first_version(found)
    assert not codec.fits_first_version(found._replace(bookings=both))
