"""What real Slurms said of waiting jobs (`record-jobs` says how), explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.slurm import job_reasons
from kiwi.slurm.jobs import Job, parse

HERE = Path(__file__).parent
RECORDED = sorted(HERE.glob("[0-9]*/jobs.txt"))
SAID = {  # recording: words of what keeps it, words of what to do
    "running": ("it runs", "Nothing to do"),
    "resources": ("next in line", "starts by itself"),
    "priority": ("other jobs are before it", "starts by itself"),
    "begin-time": ("must not begin before 2026-11-21", "starttime=now"),
    "dependency": ("waits for another job (afterok:", "goes on when that one is through"),
    "held": ("its owner holds it", "scontrol release"),
    "held-by-admin": ("an admin holds it", "Ask the admin"),
    "time-limit": ("longer than partition cpu allows", "timelimit="),
    "unavailable": ("down, drained, reserved", "sinfo -R"),
    "configuring": ("being powered up", "Nothing to do"),
    "requeued": ("whose node failed to start", "starttime=now"),
    "partition-down": ("partition cpu takes jobs but starts none", "Ask an admin"),
    "never": ("so it never starts", "scancel"),
    "cancelled": ("it was cancelled", "Submit it again"),
    "failed": ("NonZeroExitCode", "Read its output"),
}


def jobs(path: Path) -> dict[str, Job]:
    lines = (line.partition("|") for line in path.read_text().splitlines())
    return {name: parse(rest)[0] for name, _, rest in lines}


def test_there_are_recordings() -> None:
    assert RECORDED


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_every_recording_is_explained(path: Path) -> None:
    found = jobs(path)
    assert set(found) == set(SAID)
    for name, (what, todo) in SAID.items():
        why = job_reasons.explain(found[name])
        assert what in why.what, name
        assert todo in why.todo, name
        assert "{" not in why.what + why.todo, name


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_nodes_are_read(path: Path) -> None:
    found = jobs(path)
    assert (found["configuring"].nodes, found["configuring"].asked) == ("cpu-3", "cpu-3")
    assert (found["requeued"].nodes, found["requeued"].asked) == ("", "cpu-3")
    assert found["unavailable"].unavailable == "cpu-4"
    assert found["held"].nodes == found["held"].asked == found["held"].unavailable == ""
