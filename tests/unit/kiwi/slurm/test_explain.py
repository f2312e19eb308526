"""`kiwi why`: what a user is told of jobs and nodes; Slurm's commands are small fakes on PATH."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.cli import main as cli
from kiwi.common.errors import OK, UNREACHABLE, USAGE
from kiwi.slurm import explain, jobs
from kiwi.slurm.nodes import Node, describe

NODES = [
    Node("cpu-1", "allocated", "allocated+cloud", "none"),
    Node("cpu-2", "idle%", "idle+cloud+powering_down", "its image is missing"),
    Node("cpu-3", "idle~", "idle+cloud+powered_down", "none"),
    Node("cpu-4", "down*", "down+cloud+not_responding", "by hand"),
]
LINES = "".join(f"{'|'.join(node)}MARK\\n" for node in NODES)
SILENT = "Unable to contact slurm controller (connect failure)"
FAKES = {
    "sinfo": f"""[ ! -e silent ] || {{ echo 'slurm_load_partitions: {SILENT}' >&2; exit 1; }}
printf %b '{LINES}' | sed "s/MARK/${{5##*:}}/" | grep -e "$7|" || true""",
    "squeue": f"""[ ! -e silent ] || {{ echo 'slurm_load_jobs error: {SILENT}' >&2; exit 1; }}
[ -z "$SQUEUE_STATES$SLURM_TIME_FORMAT" ] || exit 3
[ -s job ] || {{ echo 'slurm_load_jobs error: Invalid job id' >&2; exit 1; }}
case "$*" in *STDOUT*) for last; do :; done; printf '%s%s\\n' "$(cat output)" "${{last##*:}}" ;; *) cat job ;; esac""",
}


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands; `job` is what squeue says, `output` the name of its output, `silent`: no answer."""
    for name, text in FAKES.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
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


def test_a_job_whose_nodes_were_taken_out_says_so(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slurm / "job").write_text("42|NODE_FAIL|None|alice|cpu|1||cpu-9|N/A|(null)\n")
    assert cli.main(["why", "42"]) == OK
    assert "the nodes or the partition that it asked for (cpu-9) were taken out" in capsys.readouterr().out


def test_an_array_tells_what_waits_and_what_runs(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (slurm / "job").write_text(
        "51_[8-40%4]|PENDING|JobHeldUser|alice|cpu|1||cpu-3|N/A|(null)\n"
        "51_6|RUNNING|None|alice|cpu|1|cpu-1||x|(null)\n51_7|RUNNING|None|alice|cpu|1|cpu-2||x|(null)\n"
    )
    assert cli.main(["why", "51.batch"]) == OK
    assert capsys.readouterr().out.splitlines() == [
        "job 51_[8-40%4] of alice, pending: its owner holds it.",
        "  cpu-3 is powered down; Slurm starts it for a job",
        "next: scontrol release 51",
        "job 51_[6-7] of alice, running on cpu-[1-2]: it runs.",
        "next: Nothing to do.",
    ]


@pytest.mark.parametrize(
    ("job", "named", "file"),
    [("42", "slurm-%j.out", "slurm-42.out"), ("42_7", "slurm-%A_%a.out", "slurm-42_7.out"), ("42", "a b", "a b")],
)
def test_a_failed_job_names_its_output_only_if_it_is_there(
    slurm: Path, capsys: pytest.CaptureFixture[str], job: str, named: str, file: str
) -> None:
    (slurm / "job").write_text(f"{job}|FAILED|NonZeroExitCode|alice|cpu|1|cpu-1||x|(null)\n")
    (slurm / "output").write_text(str(slurm / named))
    assert cli.main(["why", job]) == OK
    assert capsys.readouterr().out.endswith("next: Read its output, where it wrote any.\n")
    (slurm / file).write_text("oh")
    assert cli.main(["why", job]) == OK
    assert capsys.readouterr().out.endswith(f"next: Read its output: {slurm / file}.\n")


def test_unknown_jobs_and_nodes_are_told(slurm: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["why", "77"]) == USAGE
    assert "job: found 77, which Slurm does not know" in capsys.readouterr().err
    assert cli.main(["why", "nosuch"]) == USAGE
    assert "why: found 'nosuch'" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["42", "cpu-1"])
def test_a_slurm_that_is_silent_is_out_of_reach(slurm: Path, capsys: pytest.CaptureFixture[str], target: str) -> None:
    (slurm / "silent").touch()
    assert cli.main(["why", target]) == UNREACHABLE
    assert f"Slurm does not answer: slurm_load_{'jobs' if target == '42' else 'part'}" in capsys.readouterr().err


def test_it_ends_when_its_time_is_over(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (slurm / "squeue").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(explain, "DEADLINE", 0.2)
    assert cli.main(["why", "42"]) == UNREACHABLE
    monkeypatch.setattr(explain, "DEADLINE", -1.0)
    assert cli.main(["why", "cpu-1"]) == UNREACHABLE


def test_the_environment_changes_nothing(slurm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (slurm / "job").write_text("42|RUNNING|None|alice|cpu|1|cpu-1||x|(null)\n")
    monkeypatch.setenv("SQUEUE_STATES", "failed")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    assert cli.main(["why", "42"]) == OK


@pytest.mark.parametrize("installed", [True, False])
def test_where_there_is_no_slurm_that_is_told(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], installed: bool
) -> None:
    for name in ("sinfo", "squeue"):
        (slurm / name).write_text(f"#!/bin/sh\necho '{name}: fatal: {jobs.UNCONFIGURED}' >&2; exit 1\n")
    if not installed:
        monkeypatch.setenv("PATH", str(slurm / "nothing"))
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
    assert explain.overview(NODES, describe(NODES, {})) == [
        "cpu-2 is being powered down (its image is missing)",
        "cpu-4 is down: no job is sent there, does not answer (by hand)",
        "1 of 4 nodes: is up and in use",
        "1 of 4 nodes: is being powered down",
        "1 of 4 nodes: is powered down; Slurm starts it for a job",
        "1 of 4 nodes: is down: no job is sent there, does not answer",
    ]
    many = [Node(f"a-{n}", "down", "down", "x") for n in range(99)]
    assert len(explain.overview(many, describe(many, {}))) == explain.MOST + 1
