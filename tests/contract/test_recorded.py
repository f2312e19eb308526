"""What real Terraforms wrote, through the parsers; record-terraform.sh makes it anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconfigure.terraform import events as terraform_events

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture(params=sorted(RECORDED.glob("terraform-*")), ids=lambda path: path.name)
def terraform(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_a_plan(terraform: Path) -> None:
    changes = terraform_events.changes(json.loads((terraform / "plan.json").read_text()))
    assert {(change.node, change.actions) for change in changes} == {("cpu-1", ("create",)), ("cpu-2", ("create",))}


def test_a_state(terraform: Path) -> None:
    found = terraform_events.instances(json.loads((terraform / "state.json").read_text()))
    assert {name: instance.tainted for name, instance in found.items()} == {"cpu-1": False, "cpu-2": True}
    assert all(len(instance.id) == 36 for instance in found.values())


def test_an_empty_state_has_no_machines() -> None:
    assert terraform_events.instances({"format_version": "1.0"}) == {}


def test_the_events_of_an_apply(terraform: Path) -> None:
    events = terraform_events.events((terraform / "apply.jsonl").read_text().splitlines())
    assert [fault for fault in map(terraform_events.fault, events) if fault] == [("cpu-2", "the host is full")]


def test_a_line_that_is_no_event_is_told() -> None:
    (event,) = terraform_events.events(["panic: out of memory"])
    assert terraform_events.fault(event) == (None, "panic: out of memory")
