"""How nodes are, from what sinfo says; a reason may be anything."""

from __future__ import annotations

from kiwi.slurm import nodes
from kiwi.slurm.nodes import Node

EVIL = "saw | State=IDLE\ncpu-2|down|down+cloud|@end\n\x1b[2J"


def sinfo(*rows: tuple[str, str, str, str], mark: str) -> str:
    return "".join(f"{'|'.join(row)}{mark}\n" for row in rows)


def ask(*rows: tuple[str, str, str, str], reservations: str = "") -> list[str]:
    """What is said of nodes, as it is asked for."""

    def call(argv: list[str]) -> str:
        if "-T" in argv:
            return reservations
        return sinfo(*rows, mark=argv[argv.index("-O") + 1].rpartition(":")[2])

    found = nodes.find(call, "-n", "cpu-[1-2]")
    return nodes.describe(found, nodes.reservations(call, found))


def test_a_reason_makes_no_record_and_stays_a_line() -> None:
    assert ask(("cpu-1", "allocated", "allocated+cloud", EVIL), ("cpu-2", "idle", "idle+cloud", "none")) == [
        "cpu-1 is up and in use (saw | State=IDLE cpu-2|down|down+cloud|@end [2J)",
        "cpu-2 is up and free",
    ]


def test_hidden_partitions_are_asked_for_where_sinfo_can() -> None:
    """It refuses -a with -p."""
    asked: list[list[str]] = []
    nodes.find(lambda argv: asked.append(argv) or "", "-p", "cpu")  # type: ignore[func-returns-value]
    nodes.find(lambda argv: asked.append(argv) or "", "-n", "cpu-1")  # type: ignore[func-returns-value]
    assert ["-a" in argv for argv in asked] == [False, True]


def test_a_node_of_two_partitions_comes_once() -> None:
    row = ("cpu-1", "idle", "idle+cloud", "none")
    assert nodes.parse(sinfo(row, row, mark="@x"), "@x") == [Node(*row)]


RESERVATIONS = """win          ACTIVE  2026-11-28T08:23:49  2026-11-28T08:33:49     00:10:00  cpu-[2-3]
later        INACTIVE  2026-11-29T08:23:49  2026-11-29T08:33:49     00:10:00  cpu-1
"""


def test_a_node_that_waits_for_the_end_of_a_reservation() -> None:
    flags = "idle+cloud+maintenance+powered_down+reserved"
    assert ask(("cpu-2", "maint", flags, "none"), reservations=RESERVATIONS) == [
        "cpu-2 is reserved for maintenance until 2026-11-28 08:33:49 (reservation win), and powered down: "
        "only jobs of that reservation get it before (scontrol show reservation)"
    ]
    assert ask(("cpu-2", "reserved", "idle+cloud+reserved", "none"), reservations=RESERVATIONS) == [
        "cpu-2 is reserved until 2026-11-28 08:33:49 (reservation win): "
        "only jobs of that reservation get it before (scontrol show reservation)"
    ]
    assert ask(("cpu-3", "idle#", "idle+cloud+reserved+powering_up", "none"), reservations=RESERVATIONS) == [
        "cpu-3 is being powered up, reserved until 2026-11-28 08:33:49 (reservation win)"
    ]
    assert "by a reservation" in ask(("cpu-9", "reserved", "idle+reserved", "none"), reservations=RESERVATIONS)[0]
