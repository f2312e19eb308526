"""What makes Terraform, machines and Slurm agree where nobody asked for anything, as tables."""

from __future__ import annotations

import pytest

from reconfigure.planning import repair
from reconfigure.planning.observed import Observed
from tests.unit.reconfigure.planning.test_plan import NODESET, OFF, POWERING, UP, observed, shown

ALL = ("login", "cpu-1", "lab-1")
LOST = "its machine died (reconfigure sync)"
GONE = "its machine is gone (reconfigure sync)"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(observed(*ALL), {}, id="all well"),
        pytest.param(observed(*ALL, "cpu-2"), {}, id="a node beyond min_nodes stays"),
        pytest.param(observed(), {"create": ("cpu-1", "lab-1", "login")}, id="from nothing, main.yml configures"),
        pytest.param(observed(dead=ALL), {"replace": ("cpu-1", "lab-1", "login")}, id="all dead"),
        pytest.param(
            observed("login", "lab-1", dead=("cpu-1", "cpu-2")),
            {"replace": ("cpu-1",), "destroy": ("cpu-2",), "configure": ("cpu-1",)},
            id="dead ones",
        ),
        pytest.param(observed(*ALL, new=("lab-1",)), {"configure": ("lab-1",)}, id="never configured"),
        pytest.param(
            observed(*ALL, new=("cpu-1",), states={"cpu-1": POWERING}),
            {"configure": ("cpu-1",), "register": ("cpu-1",)},
            id="half configured, and Slurm waits for it",
        ),
        pytest.param(
            observed(*ALL, states={"cpu-1": "IDLE+CLOUD+DRAIN Reason=SlurmdSpoolDir is full [root@2026-11-21]"}),
            {"undrain": ("cpu-1",)},
            id="slurmd found its disk full",
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
            {"register": ("cpu-1",)},
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
            {"power_down": {"cpu-2": GONE}},
            id="stuck after a resume that failed",
        ),
    ],
)
def test_sync(seen: Observed, expected: dict[str, object]) -> None:
    assert shown(repair.sync(NODESET, seen, ALL)) == expected


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
