"""A slurmctld that runs and says nothing is restarted; every other silence is left to main.yml."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kiwi.common.errors import UnreachableError
from kiwi.common.process import CommandError
from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.lifecycle import wake
from reconfigure.providers.base import Machine


def cluster(folder: Path, answers: list[object], *, active: object = None, machine: str = "running") -> Any:
    """A cluster whose Slurm gives these answers, the last one again; `ran` is what was called on its login node."""
    ran = list[Sequence[str]]()
    clusterdir = ClusterDir(folder, "kiwi")
    clusterdir.log.mkdir(parents=True)

    def call(argv: Sequence[str], timeout: float = 20) -> None:
        ran.append(argv)
        if argv == wake.ACTIVE and isinstance(active, Exception):
            raise active

    return SimpleNamespace(
        ran=ran,
        clusterdir=clusterdir,
        has_slurm=True,
        provider=SimpleNamespace(observe=lambda: (Machine("login", "1", "", machine, ""),)),
        controller=SimpleNamespace(nodes=lambda *_: answers.pop(0) if len(answers) > 1 else answers[0], call=call),
    )


def test_one_that_answers_is_left(tmp_path: Path) -> None:
    found = cluster(tmp_path, [{}])
    assert (wake.wake(found), found.ran) == (False, [])


def test_one_that_is_stopped_is_restarted(tmp_path: Path) -> None:
    found = cluster(tmp_path, [None, None, {}])
    assert (wake.wake(found), found.ran) == (True, [wake.ACTIVE, wake.RESTART])
    assert [event["event"] for event in journal.read(found.clusterdir)[0]] == ["slurmctld restarted"]


@pytest.mark.parametrize("active", [CommandError(["systemctl"], 3, ""), UnreachableError("no SSH")])
def test_one_that_does_not_run_is_main_ymls(tmp_path: Path, active: Exception) -> None:
    found = cluster(tmp_path, [None], active=active)
    assert (wake.wake(found), found.ran) == (False, [wake.ACTIVE])


def test_a_dead_login_node_is_not_asked(tmp_path: Path) -> None:
    assert wake.wake(cluster(tmp_path, [None], machine="stopped")) is False


def test_one_that_stays_silent_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wake, "BACK", 0.0)
    with pytest.raises(UnreachableError, match="did not answer for 15 s, was restarted, and does not answer still"):
        wake.wake(cluster(tmp_path, [None]))
