"""The last change of a node, from events as the worker writes them."""

from __future__ import annotations

from typing import Any

import pytest

from reconfigure.reports import failure_causes
from reconfigure.reports.history import last_change

ONE, TWO = "1795282300000000000-11", "1795282399000000000-12"


def event(at: float, name: str, nodes: str = "cpu-2", **more: Any) -> dict[str, Any]:
    return {"version": 1, "time": at, "event": name, "nodes": nodes.split(), **more}


def of_round(number: str, request: str, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**step, "round": number, "requests": [request]} for step in steps]


OLD = [event(1, "request", request="1-1", kind="resume"), *of_round("r0", "1-1", event(2, "round"), event(3, "done"))]
ASKED = event(10, "request", "cpu-2 cpu-3", request=ONE, kind="resume", jobs={"7": "cpu-[2-3]"})
UP = of_round(
    "r1",
    ONE,
    event(11, "round", "cpu-2 cpu-3", command="reconfigure serve"),
    event(12, "terraform", "cpu-2 cpu-3", create=["cpu-2", "cpu-3"], destroy=[], replace=[], failed={}, seconds=1.0),
    event(13, "machines", "cpu-2 cpu-3", seconds=0.9),
    event(15, "playbook", "cpu-2 cpu-3", failed={}, seconds=2.0),
    event(15, "done", "cpu-2 cpu-3", failed=[], seconds=4.0),
)
FAILED = of_round(
    "r1",
    ONE,
    event(11, "round", command="reconfigure serve"),
    event(12, "terraform", create=["cpu-2"], destroy=[], replace=[], failed={"cpu-2": "full"}, seconds=1.0),
    event(12, "failed", step="terraform", reason="the host\n  is full"),
    event(12, "slurm", state="power_down_force", reason="the host is full", seconds=0.1),
    event(13, "cleanup", seconds=0.5),
    event(13, "done", failed=["cpu-2"], seconds=2.0),
)
GONE = [event(20, "request", request=TWO, kind="suspend", jobs={}), event(21, "nothing", requests=[TWO])]


def words(events: list[dict[str, Any]], node: str = "cpu-2") -> list[str]:
    return [step.text for step in last_change(node, events).steps]


def test_a_node_that_came_up() -> None:
    assert words([*OLD, ASKED, *UP]) == [
        "Slurm asked for it, for job 7",
        "the worker began with it and 1 more",
        "Terraform made its machine",
        "waited for its machine to answer on SSH",
        "the playbook made it a node",
        "the change was over",
    ]
    history = last_change("cpu-2", [*OLD, ASKED, *UP])
    assert (history.failure, history.over) == (None, True)
    assert [step.seconds for step in history.steps] == [None, None, 1.0, 0.9, 2.0, 4.0]


def test_a_failure_is_kept_after_the_removal_that_follows() -> None:
    for events in ([*OLD, ASKED, *FAILED], [*OLD, ASKED, *FAILED, *GONE]):
        history = last_change("cpu-2", events)
        assert history.failure is not None
        assert history.failure["step"] == "terraform"
        assert "FAILED: the host is full" in [step.text for step in history.steps]
        assert history.over
    assert words([*OLD, ASKED, *FAILED, *GONE])[-2:] == ["Slurm asked to have it removed", "nothing had to be done"]


def test_a_removal_after_a_success_stands_alone() -> None:
    assert words([ASKED, *UP, *GONE]) == ["Slurm asked to have it removed", "nothing had to be done"]


def test_a_request_that_waits_and_a_round_that_goes_on_are_not_over() -> None:
    assert not last_change("cpu-2", [*OLD, ASKED]).over
    assert not last_change("cpu-2", [*OLD, ASKED, *UP[:2]]).over


def test_a_round_by_hand_is_named_by_its_command() -> None:
    by_hand = [{**step, "requests": []} for step in UP]
    by_hand[0]["command"] = "reconfigure resume cpu-[2-3]"
    assert words([*OLD, *by_hand])[0] == "`reconfigure resume cpu-[2-3]` began with it and 1 more"
    assert "Slurm asked for it" not in words([*OLD, *by_hand])


def test_a_round_that_was_killed_and_done_again_is_one_last_change() -> None:
    again = [{**step, "round": "r2"} for step in UP]
    assert len(words([ASKED, *UP[:2], *again])) == 1 + 2 + len(again)


def test_a_refusal_is_a_failure() -> None:
    history = last_change("cpu-2", [ASKED, event(11, "refused", reason="the login node does not run", requests=[ONE])])
    assert history.failure is not None
    assert history.steps[-1].text == "refused: the login node does not run"


def test_there_is_no_history_of_a_node_without_events() -> None:
    assert last_change("cpu-9", [ASKED, *UP]).steps == ()
    assert last_change("cpu-9", []).over


@pytest.mark.parametrize(
    ("step", "reason", "name"),
    [
        ("terraform", "machine cpu-2 of cluster kiwi: its image is missing: there is no /x/root", "image"),
        ("terraform", "no machine: the host is full (found 5 of 5)", "capacity"),
        ("terraform", "No valid host was found. There are not enough hosts available.", "capacity"),
        ("terraform", "Quota exceeded for cores: Requested 4, but already used 20 of 20 cores", "quota"),
        ("terraform", "refused: Terraform would delete module.node, which nobody asked for", "refused"),
        ("terraform", "something else", "terraform"),
        ("machines", "no answer on its SSH port within 60 s", "unreachable"),
        ("machines", "its machine stopped while it started: no reason given", "machine"),
        ("playbook", "the playbook did not reach it", "unreachable"),
        ("playbook", "Be what the roles say: no munge", "playbook"),
        ("register", "its slurmd could not be restarted: x", "slurmd"),
        ("", "who knows", "other"),
    ],
)
def test_causes_are_few(step: str, reason: str, name: str) -> None:
    assert failure_causes.cause(step, reason).name == name
    assert name in failure_causes.NAMES
    assert len(failure_causes.NAMES) < 15
