"""What makes Terraform, machines and Slurm agree where nobody asked for anything, as tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconfigure.planning import repair
from reconfigure.planning.observed import Observed
from tests.unit.reconfigure.planning.test_plan import NODESET, OFF, POWERING, UP, observed, shown

ALL = ("login", "cpu-1", "lab-1")
LOST = "Not responding"
GONE = "its machine is gone (reconfigure sync)"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(observed(*ALL), {}, id="all well"),
        pytest.param(observed(*ALL, "cpu-2"), {}, id="a node beyond min_nodes stays"),
        pytest.param(observed(), {"create": ("cpu-1", "lab-1", "login")}, id="from nothing, main.yml configures"),
        pytest.param(observed(dead=ALL), {"replace": ("cpu-1", "lab-1", "login")}, id="all dead"),
        pytest.param(
            observed("login", "lab-1", dead=("cpu-1", "cpu-2"), states={"cpu-1": UP}),
            {"replace": ("cpu-1",), "destroy": ("cpu-2",), "configure": ("cpu-1",)},
            id="dead ones",
        ),
        pytest.param(
            observed("login", "lab-1", states={"cpu-2": OFF}),
            {"create": ("cpu-1",)},
            id="one that Slurm has not heard of: main.yml tells it, and configures",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-2": OFF}, new=("cpu-1", "lab-1")),
            {"configure": ("lab-1",)},
            id="made by a killed bin/up, and Slurm has not heard of it",
        ),
        pytest.param(observed(*ALL, new=("lab-1",)), {"configure": ("lab-1",)}, id="never configured"),
        pytest.param(
            observed(*ALL, new=("cpu-1",), states={"cpu-1": POWERING}),
            {"configure": ("cpu-1",), "register": ("cpu-1",)},
            id="half configured, and Slurm waits for it",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": "IDLE+CLOUD+DRAIN Reason=SlurmdSpoolDir is full"}),
            {"undrain": ("cpu-1",)},
            id="slurmd found its disk full",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": "IDLE+CLOUD+DRAIN Reason=SlurmdSpoolDir is full again, new disk comes"}),
            {},
            id="an administrator found its disk full",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": "IDLE+CLOUD+DRAIN Reason=SlurmdSpoolDir is full by alice"}),
            {},
            id="an administrator who says it as slurmd does",
        ),
        pytest.param(
            observed("login", "lab-1", states={"cpu-1": f"{OFF}+DRAIN Reason=fan"}),
            {},
            id="persistent, drained and off",
        ),
        pytest.param(
            observed("login", "lab-1", states={"cpu-1": "DOWN+CLOUD+POWERED_DOWN Reason=fan"}),
            {},
            id="persistent, set DOWN by an administrator, and off",
        ),
        pytest.param(
            observed("login", "lab-1", states={"cpu-1": "DOWN+CLOUD+POWERED_DOWN Reason=Not responding by slurm"}),
            {"return": ("cpu-1",), "power_up": ("cpu-1",), "create": ("cpu-1",), "configure": ("cpu-1",)},
            id="persistent, crashed, and off",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": "IDLE+CLOUD+DRAIN Reason=disk swap"}), {}, id="drained by an administrator"
        ),
        pytest.param(observed(*ALL, "gpu-7"), {"destroy": ("gpu-7",)}, id="no longer in the nodeset"),
        pytest.param(
            observed(*ALL, states={"cpu-1": UP, "cpu-2": UP, "cpu-3": OFF}),
            {"power_down": {"cpu-2": GONE}},
            id="Slurm thinks it is up",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": UP, "cpu-2": POWERING}),
            {"create": ("cpu-2",), "configure": ("cpu-2",)},
            id="Slurm is powering it up",
        ),
        pytest.param(
            observed(*ALL, dead=("cpu-2",), states={"cpu-1": UP, "cpu-2": POWERING}),
            {"replace": ("cpu-2",), "configure": ("cpu-2",)},
            id="died while Slurm is powering it up",
        ),
        pytest.param(
            observed(*ALL, "cpu-2", states={"cpu-1": UP, "cpu-2": POWERING}), {}, id="Slurm waits for its slurmd"
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": OFF}),
            {"register": ("cpu-1",), "power_up": ("cpu-1",)},
            id="persistent and off",
        ),
        pytest.param(observed(*ALL, states={"cpu-1": POWERING}), {"register": ("cpu-1",)}, id="Slurm waits for it"),
        pytest.param(
            observed(*ALL, "cpu-2", states={"cpu-1": UP, "cpu-2": OFF}), {"destroy": ("cpu-2",)}, id="runs unwanted"
        ),
        pytest.param(
            observed(*ALL, dead=("cpu-2",), states={"cpu-1": UP, "cpu-2": "DOWN*+CLOUD"}),
            {"destroy": ("cpu-2",), "power_down": {"cpu-2": GONE}},
            id="died under Slurm",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": UP, "cpu-2": "ALLOCATED+CLOUD+POWERED_DOWN"}, running=("cpu-2",)),
            {"lost": {"cpu-2": LOST}, "power_down": {"cpu-2": GONE}},
            id="Slurm believes a job runs on a node that is gone",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": UP, "cpu-2": "IDLE+CLOUD+COMPLETING+POWER_DOWN"}),
            {"lost": {"cpu-2": LOST}, "power_down": {"cpu-2": GONE}},
            id="Slurm waits for the end of a job on a node that is gone",
        ),
        pytest.param(
            observed(*ALL, "cpu-2", states={"cpu-1": UP, "cpu-2": "IDLE+CLOUD+COMPLETING+POWER_DOWN"}),
            {},
            id="a job ends",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": UP, "cpu-2": "ALLOCATED+CLOUD+POWERED_DOWN"}),
            {},
            id="a job waits for a node that Slurm has not yet asked for",
        ),
        pytest.param(
            observed("login", "lab-1", dead=("cpu-1",), states={"cpu-1": "ALLOCATED+CLOUD"}, running=("cpu-1",)),
            {"lost": {"cpu-1": LOST}, "replace": ("cpu-1",), "configure": ("cpu-1",)},
            id="a persistent node died with a job",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": "ALLOCATED+CLOUD"}, running=("cpu-1",), remade=("cpu-1",)),
            {"lost": {"cpu-1": LOST}, "register": ("cpu-1",)},
            id="a persistent node was made anew while Slurm was away",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": UP, "cpu-2": "DOWN+CLOUD+POWERED_DOWN"}),
            {"power_down": {"cpu-2": "it is powered down, and may be made anew"}},
            id="stuck after a resume that failed",
        ),
    ],
)
def test_sync(seen: Observed, expected: dict[str, object]) -> None:
    assert shown(repair.sync(NODESET, seen, ALL)) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(observed(*ALL, states={"cpu-1": UP}), {}, id="all well"),
        pytest.param(
            observed("cpu-1", dead=("login",)),
            {"replace": ("login",), "create": ("lab-1",), "configure": ("lab-1", "login")},
            id="login and a booking node",
        ),
        pytest.param(
            observed(dead=("login", "cpu-1", "cpu-2")),
            {
                "replace": ("cpu-1", "login"),
                "create": ("lab-1",),
                "configure": ("cpu-1", "lab-1", "login"),
                "destroy": ("cpu-2",),
            },
            id="all of them, as after a boot of the host",
        ),
        pytest.param(observed("login", "lab-1"), {}, id="a Slurm node while slurmctld is silent"),
        pytest.param(observed("login", "lab-1", states={"cpu-3": OFF}), {}, id="one that Slurm does not know"),
        pytest.param(
            observed("login", "lab-1", states={"cpu-1": OFF}),
            {"create": ("cpu-1",), "configure": ("cpu-1",), "power_up": ("cpu-1",)},
            id="a Slurm node",
        ),
        pytest.param(
            observed(*ALL, "cpu-2", states={"cpu-1": UP, "cpu-2": OFF}), {}, id="one that may still be registering"
        ),
        pytest.param(
            observed(*ALL, dead=("cpu-2",), states={"cpu-1": UP, "cpu-2": "MIXED+CLOUD"}, running=("cpu-2",)),
            {"destroy": ("cpu-2",), "lost": {"cpu-2": LOST}, "power_down": {"cpu-2": GONE}},
            id="one died under its job",
        ),
    ],
)
def test_what_the_worker_mends_by_itself(seen: Observed, expected: dict[str, object]) -> None:
    assert shown(repair.sync(NODESET, seen, ALL, alone=True)) == expected


@pytest.mark.parametrize("name", ["login", "lab-1"])
def test_what_failed_is_not_brought_by_the_worker_while_it_is_left_alone(name: str) -> None:
    seen = replace(observed(*{*ALL} - {name}), held={name: "no room"})
    assert repair.sync(NODESET, seen, ALL, alone=True).made == ()
    assert name in repair.sync(NODESET, seen, ALL).made  # bin/up tries at once


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (observed(*ALL, "cpu-2", states={"cpu-1": OFF, "cpu-2": OFF}), {("cpu-2", "id-cpu-2")}),
        (observed(*ALL, dead=("cpu-2",), states={"cpu-2": OFF}), {("cpu-2", "id-cpu-2")}),
        (observed(*ALL, "cpu-2", states={"cpu-2": UP}), set()),
        (observed(*ALL, "cpu-2", states={"cpu-2": POWERING}), set()),
        (observed(*ALL, "cpu-2", states={"cpu-2": "IDLE+CLOUD+POWERING_DOWN"}), set()),
        (observed(*ALL, "cpu-2", states={"cpu-2": "ALLOCATED+CLOUD+POWERED_DOWN"}), set()),  # Slurm asks in a moment
        (observed(*ALL, "cpu-2"), set()),
    ],
)
def test_strays(seen: Observed, expected: set[tuple[str, str]]) -> None:
    assert repair.strays(seen, ALL) == expected


def test_a_half_made_machine_that_is_left_alone_is_removed_and_nothing_else() -> None:
    """Its slurmd was to register, too: the plan contradicted itself, round after round."""
    seen = observed(
        "login", "lab-1", tainted=("cpu-1",), states={"cpu-1": "ALLOCATED+CLOUD"}, running=("cpu-1",), remade=("cpu-1",)
    )
    machines = tuple(machine for machine in seen.machines if machine.name != "cpu-1")
    held = replace(seen, machines=machines, held={"cpu-1": "no host; left alone until 12:00 UTC"})
    assert shown(repair.sync(NODESET, held, ALL, alone=True)) == {"destroy": ("cpu-1",), "lost": {"cpu-1": LOST}}
