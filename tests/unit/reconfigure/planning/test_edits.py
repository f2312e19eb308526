"""What an edit of the site data takes away, and from whom."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from reconfigure.planning import edits
from reconfigure.slurm.jobs import Job, parse
from tests.unit.reconfigure.planning.test_plan import NODESET, OFF, UP, observed

SITE: dict[str, Any] = {
    "images": {"d": {"release": "trixie"}},
    "flavors": {"small": {"cpus": 2, "memory_mb": 512, "gres": ["gpu:1"], "features": ["fast"]}},
    "login": {"image": "d", "flavor": "small"},
    "partitions": [
        {"name": "cpu", "scheduler": "slurm", "max_nodes": 3, "flavor": "small", "features": []},
        {"name": "lab", "scheduler": "booking", "max_nodes": 1, "flavor": "small", "features": []},
    ],
    "users": [],
}
ALL = {"cpu-1", "cpu-2", "cpu-3"}


@pytest.mark.parametrize(
    ("change", "nodes", "what"),
    [
        pytest.param(lambda s: None, set(), "", id="nothing"),
        pytest.param(lambda s: s["partitions"][0].update(max_nodes=2), {"cpu-3"}, "goes", id="max_nodes lowered"),
        pytest.param(lambda s: s["partitions"][0].update(max_nodes=9), set(), "", id="max_nodes raised"),
        pytest.param(lambda s: s["partitions"][0].update(name="gpu"), ALL, "goes", id="renamed"),
        pytest.param(lambda s: s["partitions"].pop(1), {"lab-1"}, "goes", id="removed"),
        pytest.param(lambda s: s["partitions"][1].update(scheduler="slurm"), {"lab-1"}, "goes", id="another scheduler"),
        pytest.param(lambda s: s["flavors"]["small"].update(cpus=1), ALL | {"lab-1"}, "less: cpus", id="fewer cpus"),
        pytest.param(lambda s: s["flavors"]["small"].update(cpus=4, memory_mb=9999), set(), "", id="a larger flavor"),
        pytest.param(lambda s: s["flavors"]["small"].pop("gres"), ALL | {"lab-1"}, "less: gres", id="without a gres"),
        pytest.param(
            lambda s: s["flavors"]["small"].update(features=["new"]), ALL | {"lab-1"}, "less: features", id="features"
        ),
        pytest.param(
            lambda s: (
                s["flavors"].update(big={"cpus": 9, "memory_mb": 4096}),
                s["partitions"][0].update(flavor="big"),
            ),
            ALL,
            "less: gres, features",
            id="another flavor",
        ),
    ],
)
def test_what_an_edit_takes_away(change: Callable[[Any], object], nodes: set[str], what: str) -> None:
    new = deepcopy(SITE)
    change(new)
    found = edits.taken(SITE, new)
    assert found.keys() == nodes
    assert all(what in words for words in found.values())
    assert edits.kept(SITE, new) == SITE


JOBS = parse("7|RUNNING|alice|cpu|1||cpu-2\n8|PENDING|bob|cpu|1||\n")


def test_who_has_what_is_taken() -> None:
    seen = observed("login", "cpu-1", "cpu-2", "lab-1", states={"cpu-1": UP, "cpu-2": "MIXED+CLOUD", "cpu-3": OFF})
    assert edits.in_use(ALL, NODESET, seen, JOBS) == {"cpu-2": "job 7 of alice"}
    coming = observed("login", states={"cpu-3": "ALLOCATED+CLOUD+POWERING_UP"})
    assert "a job has it" in edits.in_use(ALL, NODESET, coming, ())["cpu-3"]
    ending = observed("login", "cpu-1", states={"cpu-1": "IDLE+CLOUD+COMPLETING"})
    assert "a job has it" in edits.in_use(ALL, NODESET, ending, ())["cpu-1"]
    assert edits.in_use({"lab-1"}, NODESET, replace(seen, bookings={"lab-1": "bob has booked it"}), ()) == {
        "lab-1": "bob has booked it"
    }


def test_who_does_not_answer_has_not_agreed() -> None:
    silent = observed("login", "cpu-1", "lab-1", silent=True)
    found = edits.in_use({"cpu-1", "cpu-2", "lab-1"}, NODESET, silent, None)
    assert found.keys() == {"cpu-1", "lab-1"}  # cpu-2 has no machine
    assert all("try again" in why for why in found.values())
    assert edits.in_use({"cpu-1"}, NODESET, observed("login", "cpu-1", states={"cpu-1": UP}), None).keys() == {"cpu-1"}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("8|PENDING|bob|cpu|1||", ""),
        ("8|PENDING|bob|cpu|3||", "asks for 3 nodes; cpu will have 2"),
        ("8_[1-9%2]|PENDING|bob|cpu|1|cpu-[1-3]|", "asks for cpu-3, which goes"),
        ("8|PENDING|bob|old|1||", "asks for the partition old, which goes"),
        ("8|PENDING|bob|old,cpu|1||", ""),
        ("8|RUNNING|bob|cpu|3||cpu-[1-3]", ""),
    ],
)
def test_pending_jobs_that_can_no_longer_run_are_named(job: str, said: str) -> None:
    new = deepcopy(SITE)
    new["partitions"][0]["max_nodes"] = 2
    found = edits.cannot_run(SITE, new, parse(job))
    assert [said in line for line in found] == ([True] if said else [])


@pytest.mark.parametrize(
    "line", ["7|RUNNING|alice|cpu|1||cpu-2|x", "7|RUNNING", "7|R|a|cpu|one||", "7|R|a|cpu|1||@all"]
)
def test_a_line_that_is_no_job_is_not_passed_over(line: str) -> None:
    with pytest.raises(ValueError, match="is no job"):
        parse(line)


def test_a_job_says_what_it_has() -> None:
    (job,) = parse("51_[8-40%4]|PENDING|alice|cpu,gpu|2-4|cpu-1|\n")
    assert job == Job("51_[8-40%4]", "PENDING", "alice", ("cpu", "gpu"), 2, frozenset({"cpu-1"}), frozenset())
