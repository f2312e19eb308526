"""The end of bin/up: a job for a node that is free, and nothing stays of one that does not start."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kiwi.common import process
from kiwi.common.errors import BUSY, OK, KiwiError, UnreachableError
from kiwi.common.process import CommandError, Result
from reconfigure.cluster import reach
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.lifecycle import welcome
from reconfigure.model.node import Node
from reconfigure.site import data as site_data
from reconfigure.slurm.nodes import SlurmNode

SITE = site_data.load(None)
NAMES = ("cpu-1", "cpu-2", "cpu-3")


class Rig(SimpleNamespace):
    """A cluster with three nodes whose states are given, one answer after the other; what was run and cancelled."""

    def __init__(self, folder: Path, *answers: tuple[str, ...] | None) -> None:
        left = list(answers)
        self.ran, self.cancelled = list[str](), list[list[str]]()

        def nodes() -> dict[str, SlurmNode] | None:
            states = left.pop(0) if len(left) > 1 else left[0]
            parts = [state.split("+") for state in states or ()]
            return {n: SlurmNode(n, p[0], frozenset(p[1:])) for n, p in zip(NAMES, parts)} if parts else None

        super().__init__(
            clusterdir=ClusterDir(folder, "kiwi"),
            site=SITE,
            nodeset={name: Node(name, "slurm", "cpu", "", "i", "small", ()) for name in NAMES},
            controller=SimpleNamespace(nodes=nodes, call=self.cancelled.append),
            provider=SimpleNamespace(observe=lambda: ()),
        )


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What commands on the login node end with, by a word in them; `rig` gets what was run."""
    found: dict[str, Any] = {}

    def run(argv: list[str], timeout: float) -> Result:
        found["rig"].ran.append(argv[-1])
        code = next((code for word, code in found.items() if word in argv[-1]), OK)
        if code:
            raise CommandError(argv, code, "")
        return Result(OK, found.get("says", "cpu-1\n"), "")

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(welcome, "SOON", 0.1)
    monkeypatch.setattr(reach, "why_silent", lambda cluster, observed: "slurmctld is ill")
    return found


USED = "ALLOCATED+CLOUD"


@pytest.mark.parametrize(
    "states",
    [(USED, USED, "IDLE+CLOUD"), (USED, USED, "IDLE+CLOUD+POWERED_DOWN"), (USED, "IDLE+DRAIN", "IDLE")],
)
def test_a_job_is_for_a_node_that_is_free(
    tmp_path: Path, ends: dict[str, Any], states: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    ends["rig"] = rig = Rig(tmp_path, states)
    assert welcome.welcome(rig) == OK  # type: ignore[arg-type]
    assert "alice@login $ srun -p cpu hostname\ncpu-1\n" in capsys.readouterr().out
    assert "timeout --kill-after=5 120 srun -J bin-up-" in rig.ran[0], "it ends there, too"
    assert rig.cancelled == []


@pytest.mark.parametrize(
    "states",
    [(USED, USED, USED), (USED, "IDLE+DRAIN", "IDLE+DRAIN+POWERED_DOWN"), (USED, "MIXED", "IDLE+RESERVED")],
)
def test_where_no_node_can_be_had_that_is_said(
    tmp_path: Path, ends: dict[str, Any], states: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    ends["rig"] = rig = Rig(tmp_path, states)
    assert welcome.welcome(rig) == OK  # type: ignore[arg-type]
    out = capsys.readouterr().out
    assert "No node of cpu is idle or powered down, so no job is run to try the cluster" in out
    assert "To try:" in out
    assert rig.ran == []


def test_a_node_that_comes_up_is_waited_for(tmp_path: Path, ends: dict[str, Any]) -> None:
    ends["rig"] = rig = Rig(tmp_path, (USED, USED, "IDLE+POWERING_UP"), (USED, USED, "IDLE"))
    assert welcome.welcome(rig) == OK  # type: ignore[arg-type]
    assert len(rig.ran) == 1


def test_a_job_that_does_not_start_is_cancelled_and_named(tmp_path: Path, ends: dict[str, Any]) -> None:
    ends.update(rig=Rig(tmp_path, (USED, USED, "IDLE")), srun=124)
    with pytest.raises(KiwiError, match=r"the job bin-up-\d+ of alice in cpu did not end within 120 s, so it was"):
        welcome.welcome(ends["rig"])
    (argv,) = ends["rig"].cancelled
    assert argv[:4] == ["scancel", "--user", "alice", "--name"]


def test_somebody_may_be_faster(tmp_path: Path, ends: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    ends.update(rig=Rig(tmp_path, (USED, USED, "IDLE"), (USED, USED, USED)), srun=124)
    assert welcome.welcome(ends["rig"]) == OK
    assert "Somebody else has the nodes of cpu by now, so the job bin-up-" in capsys.readouterr().out
    assert len(ends["rig"].cancelled) == 1


def test_a_silent_slurm_is_named(tmp_path: Path, ends: dict[str, Any]) -> None:
    ends["rig"] = Rig(tmp_path, None)
    with pytest.raises(UnreachableError, match="Slurm was not heard: slurmctld is ill"):
        welcome.welcome(ends["rig"])


def test_a_node_that_somebody_books_first_is_no_failure(
    tmp_path: Path, ends: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ends.update(rig=Rig(tmp_path, None), alloc=BUSY, says='[{"node": "lab-1", "state": "free"}]')
    welcome._book(ends["rig"])
    assert "Somebody else got lab-1 meanwhile" in capsys.readouterr().out
    assert not any("kiwi kill" in command for command in ends["rig"].ran)
