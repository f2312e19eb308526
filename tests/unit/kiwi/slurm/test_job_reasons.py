"""Why a job waits, in plain words."""

from __future__ import annotations

import pytest

from kiwi.common.errors import UsageError
from kiwi.slurm import job_reasons

JOB = job_reasons.Job("42", "PENDING", "Resources", "alice", "cpu", "9", "", "", "", "")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("PartitionNodeLimit", "more nodes (9) than partition cpu"),
        ("ReqNodeNotAvail, May be reserved for other job", "being powered down"),
        ("ReqNodeNotAvail,_May_be_reserved_for_other_job", "being powered down"),
        ("Nodes required for job are DOWN, DRAINED or reserved", "down, drained or reserved"),
        ("QOSMaxCpuPerUserLimit", "QOS is reached (QOSMaxCpuPerUserLimit)"),
        ("AssocGrpCpuLimit", "account or user is reached"),
        ("DependencyNeverSatisfied", "never starts"),
        ("launch failed requeued held", "could not be launched"),
        ("SomethingNew", "Slurm says: SomethingNew"),
    ],
)
def test_the_longest_known_reason_counts(reason: str, said: str) -> None:
    assert said in job_reasons.explain(JOB._replace(reason=reason)).what


def test_every_text_has_known_places_only() -> None:
    for why in (*job_reasons.STATES.values(), *job_reasons.REASONS.values(), job_reasons.UNKNOWN):
        shown = why.what.format(**JOB._asdict()) + why.todo.format(**JOB._asdict())
        assert "{" not in shown


def test_a_sentence_names_job_owner_and_nodes() -> None:
    job = JOB._replace(state="CONFIGURING", reason="None", nodes="cpu-[2-3]")
    assert job_reasons.sentence(job).startswith("job 42 of alice, configuring on cpu-[2-3]: it has its nodes")


def test_lines_that_are_no_job_are_left_out() -> None:
    assert job_reasons.parse("\nslurm_load_jobs error\n1|2\n") == []


@pytest.mark.parametrize("number", ["42;reboot", "4 2", "42_", "-1", "1,2"])
def test_a_wrong_id_is_told(number: str) -> None:
    with pytest.raises(UsageError, match="needs a job id such as 42"):
        job_reasons.command(number)


def test_parts_of_arrays_have_ids_too() -> None:
    assert job_reasons.command("42_7")[-3:] == ["42_7", "-o", job_reasons.FORMAT]
