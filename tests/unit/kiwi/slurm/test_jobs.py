"""A job is found by every spelling that Slurm prints of one."""

from __future__ import annotations

import pytest

from kiwi.common.errors import KiwiError, UnreachableError, UsageError
from kiwi.common.process import CommandError
from kiwi.slurm import jobs

# As squeue 22.05 and 24.11 answer `-j 51` for an array, and for a heterogeneous job.
ARRAY = """51_[8-40%4]|PENDING|JobArrayTaskLimit|alice|cpu|1|||N/A|(null)
51_7|RUNNING|None|alice|cpu|1|cpu-3||2026-11-28T08:22:28|(null)
51_5|RUNNING|None|alice|cpu|1|cpu-1||2026-11-28T08:22:20|(null)
51_6|RUNNING|None|alice|cpu|1|cpu-2||2026-11-28T08:22:28|(null)
51_1|FAILED|NonZeroExitCode|alice|cpu|1|cpu-1||2026-11-28T08:22:10|(null)
"""
PARTS = """17+1|PENDING|Resources|alice|cpu|1||cpu-4|N/A|(null)
17+0|PENDING|None|alice|cpu|1||cpu-1|N/A|(null)
17+10|PENDING|None|alice|gpu|1|||N/A|(null)
"""


def found(text: str, answer: str) -> tuple[list[str], str]:
    """The ids of the jobs that are found, and what squeue was asked for."""
    asked: list[str] = []

    def call(argv: list[str]) -> str:
        asked.append(argv[argv.index("-j") + 1])
        return answer

    return [job.id for job in jobs.find(text, call)], asked[0]


@pytest.mark.parametrize(
    ("text", "asked", "ids"),
    [
        ("51", "51", ["51_[8-40%4]", "51_1", "51_[5-7]"]),
        ("51_[8-40%4]", "51", ["51_[8-40%4]"]),
        ("51_[1,3-5,9-99:2%7]", "51", ["51_[8-40%4]"]),
        ("51_[1-3,...]", "51", ["51_[8-40%4]"]),
        ("51_*", "51", ["51_[8-40%4]"]),
        ("51.batch", "51", ["51_[8-40%4]", "51_1", "51_[5-7]"]),
        ("JobId=51", "51", ["51_[8-40%4]", "51_1", "51_[5-7]"]),
    ],
)
def test_an_array_tells_what_runs_and_what_waits(text: str, asked: str, ids: list[str]) -> None:
    assert found(text, ARRAY) == (ids, asked)


@pytest.mark.parametrize("text", ["51_7", "51_7.0", "51_7.batch", "51_7.extern", "51_7(58)", "JobId=51_7(58)"])
def test_one_task(text: str) -> None:
    assert found(text, ARRAY.splitlines()[1]) == (["51_7"], "51_7")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("17", ["17+0", "17+1", "17+10"]),
        ("17+1", ["17+1"]),
        ("17+10", ["17+10"]),
        ("17+0.batch", ["17+0"]),
        ("17.0+1", ["17+0", "17+1", "17+10"]),
    ],
)
def test_the_components_of_a_heterogeneous_job(text: str, ids: list[str]) -> None:
    assert found(text, PARTS) == (ids, "17")


def test_tasks_that_wait_no_more_are_told_as_they_are() -> None:
    running = "".join(line for line in ARRAY.splitlines(keepends=True) if "RUNNING" in line)
    assert found("51_[8-40%4]", running) == (["51_[5-7]"], "51")
    (job,) = jobs.find("51", lambda argv: running)
    assert (job.nodes, job.number) == ("cpu-[1-3]", "51")


@pytest.mark.parametrize(
    "text", ["42;reboot", "4 2", "42_", "-1", "1,2", "42_[", "42.sh", "²", "51_[x]", "42\n", "1" * 11, "42_[$(id)]"]
)
def test_a_wrong_id_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="needs a job id such as 42"):
        jobs.target(text)


def test_lines_that_are_no_job_are_left_out() -> None:
    assert jobs.parse("\nslurm_load_jobs error\n1|2\n") == []


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (1, "slurm_load_jobs error: Invalid job id specified", UsageError),
        (1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)", UnreachableError),
        (124, "no end after 10 s", UnreachableError),
        (127, "squeue: not found", jobs.NoSlurmError),
    ],
)
def test_who_does_not_answer_is_told(code: int, said: str, kind: type[KiwiError]) -> None:
    def call(argv: list[str]) -> str:
        raise CommandError(argv, code, said)

    with pytest.raises(KiwiError) as caught:
        jobs.find("42", call)
    assert type(caught.value) is kind


def test_ranges() -> None:
    assert jobs.ranges("3,1,2,7") == "1-3,7"
    assert jobs.ranges("3,4-20%2") == "3,4-20%2"
