"""How many nodes are always up: which ones come, which ones go, and what counts when the site data is edited."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kiwi.common.errors import UsageError
from reconfigure.clusterdir import sizes as sizes_file
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.sizes import Size, Sizes
from reconfigure.planning import sizes
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import Machine
from reconfigure.site import data as site_data
from reconfigure.site.data import Site
from reconfigure.slurm import exclusions
from tests.unit.reconfigure.planning.test_plan import OFF, UP, observed


def site(**numbers: int) -> Site:
    """The shipped site data with other numbers: cpu has up to 6 nodes, lab up to 3."""
    data: dict[str, Any] = dict(site_data.load(None).data)
    most = {"cpu": 6, "lab": 3}
    parts = [{**p, "max_nodes": most[p["name"]], "min_nodes": numbers.get(p["name"], 1)} for p in data["partitions"]]
    return site_data.freeze({**data, "partitions": parts})


def change(
    before: int | tuple[str, ...],
    count: int,
    busy: tuple[str, ...] = (),
    *,
    idle_first: bool = False,
    partition: str = "cpu",
    seen: Observed | None = None,
) -> tuple[str, str]:
    """Numbers of the nodes that are always up afterwards, and of those that go."""
    first = before if isinstance(before, int) else 0
    found = site(**{partition: first})
    noted = Sizes() if isinstance(before, int) else Sizes({partition: Size(before, 0)})
    part = next(p for p in found.partitions if p.name == partition)
    of = sizes.change(part, noted, count, seen or observed("login"), busy, idle_first=idle_first)
    return ("".join(n[-1] for n in of.after), "".join(n[-1] for n in of.down))


@pytest.mark.parametrize(
    ("before", "count", "busy", "idle_first", "expected"),
    [
        pytest.param(3, 3, (), False, ("123", ""), id="nothing"),
        pytest.param(1, 4, (), False, ("1234", ""), id="more"),
        pytest.param(4, 2, (), False, ("12", "34"), id="the highest numbers go"),
        pytest.param(4, 0, (), False, ("", "1234"), id="all go"),
        pytest.param(4, 2, ("cpu-4",), False, ("12", "34"), id="busy or not"),
        pytest.param(4, 2, ("cpu-4",), True, ("14", "23"), id="idle ones before busy ones"),
        pytest.param(4, 2, ("cpu-4", "cpu-3", "cpu-2"), True, ("23", "14"), id="not enough idle ones"),
        pytest.param(("cpu-1", "cpu-4"), 3, (), False, ("124", ""), id="the gap is filled first"),
        pytest.param(("cpu-1", "cpu-4"), 1, (), False, ("1", "4"), id="the highest of a set with a gap"),
    ],
)
def test_which_come_and_go(
    before: int | tuple[str, ...], count: int, busy: tuple[str, ...], idle_first: bool, expected: tuple[str, str]
) -> None:
    assert change(before, count, busy, idle_first=idle_first) == expected


def test_nodes_to_book_beyond_the_size_go_too() -> None:
    """Nobody else ever removes them; nodes of Slurm are powered down when they are idle."""
    seen = Observed({}, tuple(Machine(name, "id", "", "running", "") for name in ("lab-1", "lab-3", "cpu-3")))
    assert change(1, 1, partition="lab", seen=seen) == ("1", "3")
    assert change(1, 1, seen=seen) == ("1", "")


@pytest.mark.parametrize(
    ("counts", "said"),
    [({"gpu": 1}, "one of cpu, lab"), ({"cpu": 7}, "0 to max_nodes, 6"), ({"lab": 4}, "0 to max_nodes, 3")],
)
def test_what_cannot_be_is_refused(counts: dict[str, int], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        sizes.wanted(site(), counts)


def resized(count: int, found: Site, noted: Sizes = Sizes()) -> Sizes:  # noqa: B008 - frozen
    of = sizes.change(found.partitions[0], noted, count, observed("login"), (), idle_first=False)
    return sizes.noted(noted, [of], found, 7.0)


def test_what_was_said_by_hand_counts_until_the_number_is_edited() -> None:
    noted = resized(3, site(cpu=1))
    assert sizes.persistent(site(cpu=1), noted) == {"login", "cpu-1", "cpu-2", "cpu-3", "lab-1"}
    assert sizes.excluded(site(cpu=1), noted) == "cpu-[1-3]"
    assert sizes.excluded(site(cpu=1), noted, {"cpu-1", "cpu-2"}) == "cpu-[1-2]"  # Slurm does not know cpu-3 yet
    assert "cpu: 3 always up" in sizes.sentences(site(cpu=1), noted)[0]
    assert sizes.persistent(site(cpu=2), noted) == {"login", "cpu-1", "cpu-2", "lab-1"}
    assert sizes.pruned(noted, site(cpu=1)) == noted
    assert sizes.pruned(noted, site(cpu=2)) == Sizes()


def test_nodes_that_leave_are_noted_until_their_drains_are_taken_back() -> None:
    less = resized(1, site(cpu=1), resized(4, site(cpu=1)))
    assert (less.partitions, less.leaving) == ({}, {"cpu-2": 7.0, "cpu-3": 7.0, "cpu-4": 7.0})
    more = resized(3, site(cpu=1), less)
    assert (more.partitions["cpu"].nodes, more.leaving) == (("cpu-1", "cpu-2", "cpu-3"), less.leaving)


def test_only_what_still_runs_stays_after_a_cancel() -> None:
    less = resized(1, site(cpu=1), resized(4, site(cpu=1)))
    seen = observed("login", "cpu-1", "cpu-3", states={"cpu-3": UP, "cpu-2": OFF})
    found = sizes.cancelled(less, site(cpu=1), seen)
    assert sizes.persistent(site(cpu=1), found) == {"login", "cpu-1", "cpu-3", "lab-1"}


def test_a_persons_drain_is_not_ours() -> None:
    states = {
        "cpu-1": UP,
        "cpu-2": "IDLE+CLOUD+DRAIN Reason=fan",
        "cpu-3": f"IDLE+CLOUD+DRAIN Reason={sizes.DRAINED} by slurm",
    }
    seen = observed("login", "cpu-1", "cpu-2", "cpu-3", states=states)
    nodes = dict.fromkeys(states)
    assert sizes.to_drain(nodes, seen, states) == ("cpu-1",)  # type: ignore[arg-type]
    assert [name for name in states if sizes.drained(seen.slurm_node(name))] == ["cpu-3"]


def warm(number: int, **numbers: int) -> Site:
    data = dict(site(**numbers).data)
    parts = [{**p, "warm": number} if p["name"] == "cpu" else p for p in data["partitions"]]
    return site_data.freeze({**data, "partitions": parts})


def test_slurm_keeps_so_many_idle_nodes_of_a_warm_pool() -> None:
    assert sizes.excluded(warm(2), Sizes()) == "cpu-1,cpu-[1-6]:2"
    assert sizes.excluded(warm(2, cpu=0), Sizes(), {"cpu-1", "cpu-2"}) == "cpu-[1-2]:2"
    assert sizes.excluded(warm(0, cpu=0), Sizes()) == ""


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param([UP, OFF, OFF, OFF], ["cpu-2"], id="an idle one that is always up counts"),
        pytest.param(["ALLOCATED+CLOUD", OFF, OFF, OFF], ["cpu-2", "cpu-3"], id="one with a job does not"),
        pytest.param(["ALLOCATED+CLOUD", "IDLE+CLOUD+POWERING_UP", UP, OFF], [], id="what comes up counts"),
        pytest.param(["ALLOCATED+CLOUD", UP, UP, UP], [], id="more than that is Slurm's affair"),
        pytest.param(
            ["IDLE+CLOUD+DRAIN", OFF, "IDLE+CLOUD+POWERING_DOWN", OFF], ["cpu-2", "cpu-4"], id="not what goes"
        ),
        pytest.param(
            ["ALLOCATED+CLOUD", f"{OFF}+DRAIN", "DOWN+CLOUD+POWERED_DOWN", OFF], ["cpu-4"], id="out of service"
        ),
        pytest.param(["ALLOCATED+CLOUD"] * 4, [], id="none is left"),
    ],
)
def test_what_a_warm_pool_lacks_is_powered_up(states: list[str], expected: list[str]) -> None:
    seen = observed("login", states={f"cpu-{number}": state for number, state in enumerate(states, 1)})
    assert list(sizes.to_warm(warm(2), Sizes(), seen)) == expected


def test_a_warm_pool_leaves_alone_what_failed_or_leaves() -> None:
    seen = observed("login", states={"cpu-1": OFF, "cpu-2": OFF, "cpu-3": OFF, "cpu-4": OFF})
    seen = replace(seen, held={"cpu-1": "no munge"})
    assert list(sizes.to_warm(warm(2), Sizes(leaving={"cpu-2": 7.0}), seen)) == ["cpu-3", "cpu-4"]
    assert sizes.to_warm(warm(2), Sizes(), replace(seen, slurm=None)) == {}


def test_a_kept_node_is_always_up_besides() -> None:
    noted = Sizes(kept={"cpu-4": None, "lab-2": 9e9, "gone-1": None})
    assert sizes.persistent(site(), noted) == {"login", "cpu-1", "cpu-4", "lab-1", "lab-2"}
    assert sizes.excluded(site(), noted) == "cpu-1,cpu-4"
    part = site(cpu=4).partitions[0]
    found = sizes.change(part, noted, 2, observed("login"), (), idle_first=False)
    assert (found.after, found.down) == (("cpu-1", "cpu-2"), ("cpu-3",)), "it stays until that is ended"
    assert "cpu-4: kept up until that is ended" in sizes.sentences(site(), noted)[0]


def test_a_node_is_kept_no_longer_than_that(tmp_path: Path) -> None:
    clusterdir = ClusterDir(tmp_path, "kiwi")
    clusterdir.path.mkdir(parents=True)
    noted = Sizes(kept={"cpu-3": time.time() + 1000, "cpu-4": None})
    assert sizes_file.write(clusterdir, replace(noted, kept={**noted.kept, "cpu-2": time.time() - 1}))
    assert sizes_file.read(clusterdir) == noted


@pytest.mark.parametrize("nodes", [("cpu-1", "cpu-3"), ("cpu-1", "cpu-2", "cpu-4", "cpu-6"), ("cpu-5",), ()])
def test_no_comma_within_brackets(nodes: tuple[str, ...]) -> None:
    """slurmctld 24.11.5 died of SuspendExcNodes=cpu-[1,3],cpu-[1-4]:2 (hostlist_create() error for cpu-[1)."""
    data = dict(warm(2, cpu=0).data)
    for found in (site_data.freeze(data), site(cpu=0)):
        text = sizes.excluded(found, Sizes({"cpu": Size(nodes, 0)}))
        assert not re.search(r"\[[^\]]*,", text), text
        kept = {name for name, count in exclusions.meaning(text).items() if count == 0}
        assert kept == set(nodes)
