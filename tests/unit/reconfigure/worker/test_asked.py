"""Requests are followed node by node: each once, and to the end of the batch that brings it up."""

from __future__ import annotations

from reconfigure.model.request import Request
from reconfigure.worker.asked import Asked


def request(number: int, nodes: str, kind: str = "resume") -> Request:
    return Request(f"{number}-1", kind, nodes, 1, None)


def nodes(found: list[Request]) -> list[str]:
    return [request.nodes for request in found]


def test_one_is_finished_when_the_batch_of_its_nodes_has_ended() -> None:
    asked, stored = Asked(), [request(1, "cpu-[1-2]")]
    asked.note(asked.open(stored), (), (), ["cpu-1", "cpu-2"])
    assert (asked.open(stored), asked.finished(stored)) == ([], [])
    asked.ended(["cpu-1"])
    assert asked.finished(stored) == []
    asked.ended(["cpu-2"])
    assert asked.finished(stored) == stored


def test_a_node_that_waits_for_another_batch_keeps_the_others_from_being_asked_for_again() -> None:
    """One of them that failed would be made again and again."""
    asked, stored = Asked(), [request(1, "cpu-[1-3]")]
    asked.note(asked.open(stored), ["cpu-2"], (), ["cpu-1"])
    assert nodes(asked.open(stored)) == ["cpu-2"]
    asked.ended(["cpu-1"])
    assert asked.finished(stored) == []
    asked.note(asked.open(stored), (), (), ())
    assert asked.finished(stored) == stored


def test_a_batch_that_failed_of_itself_is_asked_for_again() -> None:
    asked, stored = Asked(), [request(1, "cpu-[1-2]")]
    asked.note(asked.open(stored), (), (), ["cpu-1"])
    asked.ended(["cpu-1"], again=True)
    assert nodes(asked.open(stored)) == ["cpu-1"]
    assert asked.finished(stored) == []


def test_what_could_not_be_removed_is_tried_again_and_a_resume_of_it_is_not() -> None:
    asked, stored = Asked(), [request(1, "cpu-[1-2]", "suspend"), request(2, "cpu-1")]
    asked.note(asked.open(stored), (), ["cpu-1"], ())
    assert nodes(asked.open(stored)) == ["cpu-1"]
    assert asked.finished(stored) == [stored[1]]


def test_requests_that_nobody_followed_are_left() -> None:
    asked, stored = Asked(), [request(1, "cpu-1"), request(2, "cpu-2")]
    asked.note(asked.open(stored[:1]), (), (), ())
    assert asked.finished(stored) == stored[:1]
    assert asked.finished(stored[1:]) == []
