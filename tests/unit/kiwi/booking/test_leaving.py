"""Nodes that are taken away: whoever booked one before is seen, nobody books one afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.booking import leaving
from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.seen import FREE, Report
from kiwi.booking.store import Store
from kiwi.common.errors import KiwiError
from kiwi.common.settings import Partition
from kiwi.engines.base import User
from kiwi.engines.booking import BookingEngine

ALICE = User("alice", 10001)


def engine(root: Path, **hooks: object) -> BookingEngine:
    store = Store(root, "login", **hooks)  # type: ignore[arg-type]
    store.create()
    for name in ("lab-1", "lab-2"):
        node = Heartbeats(Store(root, name))
        node.write(Report(name, FREE, "boot"))
        node.beat()
    return BookingEngine(Partition("lab", ("lab-1", "lab-2"), root), store, Heartbeats(store), 3600)


def test_a_node_that_leaves_is_not_booked(tmp_path: Path) -> None:
    found = engine(tmp_path)
    assert leaving.main([str(tmp_path), "lab-2"]) == 0
    with pytest.raises(KiwiError, match="lab-2 leaves the cluster"):
        found.allocate(["lab-1", "lab-2"], ALICE, 60)
    assert found.allocate(["lab-1"], ALICE, 60)[0].holder == "alice"
    assert leaving.main([str(tmp_path)]) == 0
    assert found.allocate(["lab-2"], ALICE, 60)[0].holder == "alice"


def test_a_booking_under_way_when_it_is_announced_is_refused(tmp_path: Path) -> None:
    """The writer has read that lab-2 stays, and is about to link its document."""

    def meanwhile(step: str) -> None:
        if step == "written" and not leaving.read(tmp_path):
            leaving.announce(Store(tmp_path, "driver"), ["lab-2"])

    found = engine(tmp_path, step=meanwhile)
    with pytest.raises(KiwiError, match="lab-2 leaves"):
        found.allocate(["lab-2"], ALICE, 60)
    assert Store(tmp_path, "driver").latest().bookings == {}


def test_a_damaged_file_lets_nobody_book(tmp_path: Path) -> None:
    found = engine(tmp_path)
    (tmp_path / leaving.NAME).write_text("{")
    with pytest.raises(KiwiError, match="is damaged"):
        found.allocate(["lab-1"], ALICE, 60)


def test_nobody_stays_longer_on_a_node_that_leaves(tmp_path: Path) -> None:
    found = engine(tmp_path)
    (node,) = found.allocate(["lab-2"], ALICE, 60)
    leaving.announce(Store(tmp_path, "driver"), ["lab-2"])
    with pytest.raises(KiwiError, match="lab-2 leaves"):
        found.extend([], ALICE, (node.until or 0) + 60)
    assert found.nodes(["lab-2"])[0].until == node.until
