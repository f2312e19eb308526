"""Power states: every set of flags is in one of them, and the table of Power says in which."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path

import pytest

from kiwi.common.errors import KiwiError
from kiwi.common.process import Result
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.slurm.controller import Controller
from reconfigure.slurm.nodes import SHOW, STATES, Power, SlurmNode, parse_states

RISING, FALLING = ("POWERING_UP", "POWER_UP"), ("POWERED_DOWN", "POWERING_DOWN", "POWER_DOWN")
ALL = (*RISING, *FALLING)
SETS = [frozenset(flags) for flags in chain.from_iterable(combinations(ALL, n) for n in range(len(ALL) + 1))]


def by_the_table(flags: frozenset[str]) -> Power:
    """The table of Power, row by row."""
    up, down = flags & set(RISING), flags & set(FALLING)
    rows = {
        Power.UP: not up and not down,
        Power.POWERING_UP: up and not down,
        Power.TURNING: up and down,
        Power.POWERING_DOWN: not up and down and "POWERED_DOWN" not in down,
        Power.POWERED_DOWN: not up and "POWERED_DOWN" in down,
    }
    (found,) = [power for power, holds in rows.items() if holds]
    return found


@pytest.mark.parametrize("flags", SETS, ids=lambda flags: "+".join(sorted(flags)) or "none")
def test_every_set_of_flags_is_one_power_state(flags: frozenset[str]) -> None:
    node = SlurmNode("cpu-1", "IDLE", flags | {"CLOUD"})
    assert node.power is by_the_table(flags)
    assert node.power.off == bool(flags & set(FALLING))
    assert node.power.rising == bool(flags & set(RISING))


def test_a_job_on_a_node_that_goes_counts_no_more() -> None:
    assert SlurmNode("cpu-1", "MIXED", frozenset({"CLOUD"})).allocated
    assert not SlurmNode("cpu-1", "MIXED", frozenset({"CLOUD", "POWER_DOWN"})).allocated
    assert SlurmNode("cpu-1", "MIXED", frozenset({"CLOUD", "POWER_DOWN"})).has_job


LINES = """\
cpu-20 idle+cloud+power_up+powered_down 
cpu-[7,9] idle+cloud+powered_down+not_responding 
cpu-8 idle+cloud+drain+powered_down 
cpu-[2-6,10-19,21-10000] idle+cloud+powered_down 
cpu-1 mixed+cloud 
"""  # noqa: W291 - as sinfo of 24.11 prints them


def test_what_is_just_off_is_known_by_its_line_alone() -> None:
    off, others = parse_states(LINES)
    assert len(off) == 5 + 10 + 9980
    assert off["cpu-10000"] == SlurmNode("cpu-10000", "IDLE", frozenset({"CLOUD", "POWERED_DOWN"}))
    assert others == "cpu-20,cpu-[7,9],cpu-8,cpu-1"
    assert parse_states("") == ({}, "")


@pytest.mark.parametrize(
    "text",
    [
        "cpu-1 idle+cloud powered_down\n",
        "cpu-[1-4]\n",
        "cpu-1 State=IDLE\n",
        "@all idle+cloud\n",
        "cpu-[1-99999999] idle+cloud+powered_down\n",
        f"{','.join(f'cpu-{number}' for number in range(1, 20000, 2))} down+cloud \n",
    ],
    ids=lambda text: text[:24],
)
def test_another_answer_is_none(text: str) -> None:
    with pytest.raises(KiwiError):
        parse_states(text)


class Answers:
    """A controller's calls, and what it answers."""

    def __init__(self, *answers: str) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.left = list(answers)

    def __call__(self, command: Sequence[str], timeout: float) -> Result:
        self.calls.append(tuple(command))
        return Result(0, self.left.pop(0), "")


def asked(monkeypatch: pytest.MonkeyPatch, *answers: str) -> tuple[dict[str, SlurmNode] | None, list[tuple[str, ...]]]:
    """What a controller that answers so makes of its nodes, and what it was asked."""
    found = Controller(ClusterDir(Path("/nowhere"), "kiwi"), Node("login", "login", "", "127.0.0.1", "i", "f", ()))
    call = Answers(*answers)
    monkeypatch.setattr(found, "call", call)
    return found.nodes(), call.calls


def as_json(*names: str) -> str:
    return json.dumps({"nodes": [{"name": name, "state": ["DOWN", "CLOUD"], "reason": "fan"} for name in names]})


def test_more_is_asked_by_name_of_those_that_are_not_just_off(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, calls = asked(monkeypatch, "cpu-[2-9] idle+cloud+powered_down \ncpu-1 down+cloud \n", as_json("cpu-1"))
    assert nodes is not None and len(nodes) == 9
    assert (nodes["cpu-1"].reason, nodes["cpu-9"].power) == ("fan", Power.POWERED_DOWN)
    assert calls == [STATES, (*SHOW, "cpu-1")]


def test_where_all_are_off_one_question_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, calls = asked(monkeypatch, "cpu-[1-9] idle+cloud+powered_down \n")
    assert nodes is not None and (len(nodes), calls) == (9, [STATES])


def test_a_release_that_prints_states_in_another_way_is_asked_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes, calls = asked(monkeypatch, "cpu-[1-9]           idle+cloud     \n", as_json("cpu-1", "cpu-2"))
    assert nodes is not None and (sorted(nodes), calls) == (["cpu-1", "cpu-2"], [STATES, SHOW])
