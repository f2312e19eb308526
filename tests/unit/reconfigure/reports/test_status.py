"""The table of `status`: a row a node, and one for many that have nothing but their names."""

from __future__ import annotations

import pytest

from reconfigure.model.node import Node
from reconfigure.planning.observed import Observed
from reconfigure.reports import status
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.terraform.events import Instance


def nodeset(count: int) -> dict[str, Node]:
    names = ["login", *(f"cpu-{number}" for number in range(1, count + 1))]
    return {n: Node(n, "slurm", "" if n == "login" else "cpu", "198.18.4.1", "i", "f", ()) for n in names}


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (status.MANY, ["login", *(f"cpu-{number}" for number in range(1, status.MANY + 1))]),
        (10000, ["login", "cpu-[1-499]", "cpu-500", "cpu-[501-10000]"]),
    ],
)
def test_many_that_are_off_are_one_row(count: int, shown: list[str]) -> None:
    state = {"cpu-500": Instance("one", "address")} if count > status.MANY else {}
    off = {f"cpu-{n}": SlurmNode(f"cpu-{n}", "IDLE", frozenset({"POWERED_DOWN"})) for n in range(1, count + 1)}
    rows = [vars(row) for row in status.rows(nodeset(count), Observed(state, (), off), [])]
    assert [cell[0] for cell in status.cells({"nodes": rows})] == shown
    assert len(rows) == count + 1


def test_a_state_of_its_own_is_a_row_of_its_own() -> None:
    slurm = {"cpu-30": SlurmNode("cpu-30", "DOWN", frozenset())}
    rows = [vars(row) for row in status.rows(nodeset(60), Observed({}, (), slurm), [])]
    assert [cell[0] for cell in status.cells({"nodes": rows})] == ["login", "cpu-[1-29]", "cpu-30", "cpu-[31-60]"]
