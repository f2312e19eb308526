"""Commands of a person where Slurm is silent, or has not yet done what was asked before."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator

import pytest

from kiwi.common.errors import FAILED, OK, UNREACHABLE
from reconfigure.cli import nodes
from reconfigure.cluster import reach
from reconfigure.cluster.cluster import Cluster
from reconfigure.lifecycle import setup
from reconfigure.rounds import playbook, resizing
from reconfigure.slurm.nodes import SlurmNode
from tests.contract.rounds.rig import configured, do, made

Run = Callable[..., tuple[int, str, str]]
ALWAYS_UP = "cpu-1"
DEFAULTS = {"dry_run": False, "json": False, "force": False, "adopt": False, "give_back": False}


@pytest.fixture
def run(with_login: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command on a cluster; return its code and what it printed."""
    assert do(with_login, {"cpu-1": "resume", "cpu-2": "resume"}).failed == {}
    monkeypatch.setattr(nodes, "cluster_of", lambda options: with_login)
    monkeypatch.setattr(nodes, "REST", 0.2)
    monkeypatch.setattr(setup, "refresh_images", lambda clusterdir, site: None)
    monkeypatch.setattr(resizing, "settle", lambda cluster, observed: ())
    monkeypatch.setattr(reach, "why_silent", lambda cluster, observed: "slurmctld is ill")
    monkeypatch.setattr(with_login, "persistent", lambda: frozenset({"login", ALWAYS_UP}))

    def command(name: str, which: str = "", **options: bool) -> tuple[int, str, str]:
        capsys.readouterr()
        does = nodes.sync if name == "sync" else nodes.by_hand
        code = does(Namespace(**{**DEFAULTS, "command": name, "nodes": which, **options}))
        return (code, *capsys.readouterr())

    yield command


def say(cluster: Cluster, *states: str | None) -> None:
    """Have Slurm answer with these states of all nodes, one after the other, the last one again and again."""
    left = list(states)

    def answer() -> dict[str, SlurmNode] | None:
        state = left.pop(0) if len(left) > 1 else left[0]
        if state is None:
            return None
        base, *flags = state.split("+")
        return {name: SlurmNode(name, base, frozenset(flags)) for name in ("cpu-1", "cpu-2", "cpu-3")}

    cluster.controller.nodes = answer  # type: ignore[assignment]


@pytest.mark.parametrize("options", [{}, {"give_back": True}, {"dry_run": True}])
def test_a_sync_says_that_slurm_was_not_heard(with_login: Cluster, run: Run, options: dict[str, bool]) -> None:
    say(with_login, None)
    assert run("sync", **options) == (
        UNREACHABLE,
        "",
        "reconfigure: Slurm was not heard, so nothing was compared with it: slurmctld is ill\n",
    )


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(("command", "node"), [("suspend", "cpu-2"), ("resume", "cpu-3")])
def test_what_slurm_must_agree_to_is_refused_once(
    with_login: Cluster, run: Run, command: str, node: str, dry_run: bool
) -> None:
    say(with_login, None)
    code, out, err = run(command, node, dry_run=dry_run)
    assert (code, out, err.count("\n")) == (UNREACHABLE, "", 1)
    assert err.startswith(f"reconfigure: {node}: refused: Slurm does not answer, so ")
    assert made(with_login) == {"login", "cpu-1", "cpu-2"}


def test_a_resume_waits_for_the_end_of_the_suspend_before_it(with_login: Cluster, run: Run) -> None:
    say(with_login, "IDLE+POWERING_DOWN", "IDLE+POWERING_DOWN", "IDLE+POWERED_DOWN", "IDLE+POWERED_DOWN", "IDLE")
    code, out, _ = run("resume", "cpu-3")
    assert (code, out.split("\n")[0]) == (OK, "power_up: cpu-3 (asked for by hand)")
    assert (("cpu-3",), "power_up", "") in with_login.controller.told  # type: ignore[attr-defined]


def test_a_resume_that_slurm_does_not_follow_is_told(with_login: Cluster, run: Run) -> None:
    say(with_login, "IDLE+POWERED_DOWN")
    code, _, err = run("resume", "cpu-3")
    assert code == FAILED
    assert "cpu-3: its machine is ready, and Slurm has it IDLE+POWERED_DOWN; see reconfigure why cpu-3" in err


def test_what_failed_is_not_shown_as_done(with_login: Cluster, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playbook, "run", configured(cpu_3="no slurmd"))
    say(with_login, "IDLE+POWERED_DOWN")
    code, out, _ = run("resume", "cpu-3")
    assert (code, out) == (FAILED, "")
