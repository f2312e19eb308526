"""The log of finished jobs: one line each, whatever a user calls a job or a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.common import process

SCRIPT = Path(__file__).resolve().parents[3] / "roles/accounting/files/joblog"
# As slurmctld 24.11 hands it over (jobcomp/script).
JOB = {
    "JOBID": "25",
    "UID": "10001",
    "USERNAME": "alice",
    "JOBNAME": "train",
    "JOBSTATE": "FAILED",
    "EXITCODE": "3:0",
    "END": "1795854367",
    "NODES": "cpu-[1-2]",
    "WORK_DIR": "/home/alice",
}


def logged(tmp_path: Path, **job: str) -> list[str]:
    process.run([str(SCRIPT), str(tmp_path / "jobs")], env={**JOB, **job})
    return (tmp_path / "jobs").read_bytes().decode("ascii").splitlines()


def test_a_job_is_a_line_of_pairs(tmp_path: Path) -> None:
    logged(tmp_path)
    first, second = logged(tmp_path, JOBID="26")
    pairs = dict(pair.split("=") for pair in first.split(" "))
    assert (pairs["JobId"], pairs["User"], pairs["UserId"], pairs["Name"]) == ("25", "alice", "10001", "train")
    assert (pairs["NodeList"], pairs["WorkDir"], pairs["ArrayJobId"]) == ("cpu-[1-2]", "/home/alice", "")
    assert second.startswith("JobId=26 ")
    assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "words",
    ["x\nJobId=7 UserId=0 JobState=COMPLETED", "a JobState=COMPLETED", "$(touch {0})`touch {0}`", "\udce9\x01|*"],
)
@pytest.mark.parametrize("field", ["JOBNAME", "WORK_DIR", "RESERVATION"])
def test_nobody_writes_a_record_of_another(tmp_path: Path, words: str, field: str) -> None:
    (line,) = logged(tmp_path, **{field: words.format(tmp_path / "ran")})
    pairs = [pair.split("=") for pair in line.split(" ")]
    assert all(len(pair) == 2 for pair in pairs)
    assert [value for key, value in pairs if key == "JobId"] == ["25"]
    assert [value for key, value in pairs if key == "JobState"] == ["FAILED"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("given", "shown"), [("4294967294", ""), ("0", "0"), ("17", "17"), ("", "")])
def test_only_the_task_of_an_array_has_a_number(tmp_path: Path, given: str, shown: str) -> None:
    """Slurm's word for none is a number, too."""
    (line,) = logged(tmp_path, ARRAYTASKID=given)
    assert f" ArrayTaskId={shown} " in line
