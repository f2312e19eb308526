"""Real answers of every version at hand through the parsers; record-*.sh makes them anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconfigure import slurm, tfjson

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture(params=sorted(RECORDED.glob("terraform-*")), ids=lambda path: path.name)
def terraform(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture(params=sorted(RECORDED.glob("slurm-*.txt")), ids=lambda path: path.stem)
def sections(request: pytest.FixtureRequest) -> dict[str, dict[str, slurm.SlurmNode]]:
    """Parsed sections of a recording by their headings."""
    parts = request.param.read_text().split("== ")[1:]
    return {head: slurm.parse_nodes(body) for head, _, body in (part.partition("\n") for part in parts)}


def test_a_plan(terraform: Path) -> None:
    changes = tfjson.changes(json.loads((terraform / "plan.json").read_text()))
    assert {(change.node, change.actions) for change in changes} == {("cpu-1", ("create",)), ("cpu-2", ("create",))}


def test_a_state(terraform: Path) -> None:
    found = tfjson.instances(json.loads((terraform / "state.json").read_text()))
    assert {name: instance.tainted for name, instance in found.items()} == {"cpu-1": False, "cpu-2": True}
    assert all(len(instance.id) == 36 for instance in found.values())


def test_an_empty_state_has_no_machines() -> None:
    assert tfjson.instances({"format_version": "1.0"}) == {}


def test_the_events_of_an_apply(terraform: Path) -> None:
    events = tfjson.events((terraform / "apply.jsonl").read_text().splitlines())
    assert [fault for fault in map(tfjson.fault, events) if fault] == [("cpu-2", "the host is full")]


def test_a_line_that_is_no_event_is_told() -> None:
    (event,) = tfjson.events(["panic: out of memory"])
    assert tfjson.fault(event) == (None, "panic: out of memory")


@pytest.mark.parametrize(
    ("section", "name", "expected"),
    [
        ("powered down", "cpu-1", {"off", "asleep"}),
        ("powering up", "cpu-1", {"powering_up", "serving"}),
        ("powering up", "cpu-3", {"off", "asleep"}),
        ("cpu-1 allocated, cpu-2 forced down", "cpu-1", {"allocated", "serving", "up"}),
        ("cpu-1 allocated, cpu-2 forced down", "cpu-2", {"off"}),
        ("cpu-2 powering down", "cpu-2", {"off"}),
        ("cpu-3 registered while it was powered down", "cpu-3", {"serving", "up"}),
        ("cpu-3 down", "cpu-3", {"up"}),
    ],
)
def test_slurm_states(
    sections: dict[str, dict[str, slurm.SlurmNode]], section: str, name: str, expected: set[str]
) -> None:
    node = sections[section][name]
    properties = ("off", "asleep", "powering_up", "allocated", "serving", "up")
    assert {key for key in properties if getattr(node, key)} == expected


def test_slurm_reasons_with_blanks(sections: dict[str, dict[str, slurm.SlurmNode]]) -> None:
    node = sections["cpu-2 powering down"]["cpu-2"]
    assert node.reason.startswith("the host is full: found 5 of 5 machines [root@")
    assert sections["powered down"]["cpu-1"].reason == ""


def test_what_slurm_is_told() -> None:
    assert slurm.update(["cpu-2", "cpu-1"], "power_down_force", "the host is full") == [
        "scontrol",
        "update",
        "nodename=cpu-[1-2]",
        "state=power_down_force",
        "reason=the host is full",
    ]
