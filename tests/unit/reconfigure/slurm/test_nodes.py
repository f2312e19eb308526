"""Power states: every set of flags is in one of them, and the table of Power says in which."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from reconfigure.slurm.nodes import Power, SlurmNode

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
