"""`kiwi why`: what a user is told of jobs and nodes; Slurm's commands are small fakes on PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.cli import main as cli
from kiwi.common.errors import OK, USAGE
from kiwi.slurm import explain

SINFO = "cpu-1|allocated|none\ncpu-2|idle%|its image is missing\ncpu-3|idle~|none\ncpu-4|down*|by hand\n"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands; `job` is what squeue says."""
    (tmp_path / "sinfo").write_text(f"#!/bin/sh\nprintf '%s' '{SINFO}' | grep -e \"$6\" || true\n")
    (tmp_path / "squeue").write_text(
        f"#!/bin/sh\n[ -s {tmp_path}/job ] || {{ echo 'slurm_load_jobs error: Invalid job id' >&2; exit 1; }}\n"
        f"cat {tmp_path}/job\n"
    )
    for name in ("sinfo", "squeue"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_a_job_names_its_nodes_with_their_reasons(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slurm / "job").write_text("42|PENDING|BeginTime|alice|cpu|1||cpu-2|2026-11-21T17:41:10|(null)\n")
    assert cli.main(["why", "42"]) == OK
    shown = capsys.readouterr().out
    assert "whose node failed to start" in shown
    assert "  cpu-2 is being powered down (its image is missing)" in shown
    assert "next: Wait, or have it tried at once: scontrol update jobid=42 starttime=now" in shown
    assert "cpu-4" not in shown


def test_unknown_jobs_and_nodes_are_told(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", "77"]) == USAGE
    assert "job: found 77, which Slurm does not know" in capsys.readouterr().err
    assert cli.main(["why", "nosuch"]) == USAGE
    assert "why: found 'nosuch'" in capsys.readouterr().err


def test_where_there_is_no_slurm_that_is_told(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("sinfo", "squeue"):
        fatal = f"{name}: fatal: {explain.UNCONFIGURED}"
        (slurm / name).write_text(f"#!/bin/sh\necho '{fatal}' >&2; exit 1\n")
    assert cli.main(["why", "42"]) == USAGE
    told = capsys.readouterr().err
    assert "this machine knows no Slurm" in told
    assert "squeue" not in told
    assert cli.main(["why", "nosuch"]) == USAGE
    assert "why: found 'nosuch'; needs a node" in capsys.readouterr().err


def test_a_node_is_told_without_an_agent(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", "cpu-4"]) == OK
    assert capsys.readouterr().out == "cpu-4 is down: no job is sent there, does not answer (by hand)\n"


def test_a_partition_is_told_by_its_reasons_and_in_numbers() -> None:
    assert explain.overview(SINFO) == [
        "cpu-2 is being powered down (its image is missing)",
        "cpu-4 is down: no job is sent there, does not answer (by hand)",
        "1 of 4 nodes: is up and in use",
        "1 of 4 nodes: is being powered down",
        "1 of 4 nodes: is powered down; Slurm starts it for a job",
        "1 of 4 nodes: is down: no job is sent there, does not answer",
    ]
    assert len(explain.overview("".join(f"a-{n}|down|x\n" for n in range(99)))) == explain.MOST + 1
