"""Why a job waits, in plain words."""

from __future__ import annotations

import pytest

from kiwi.slurm import job_reasons
from kiwi.slurm.jobs import Job

JOB = Job("42", "PENDING", "Resources", "alice", "cpu", "9", "", "", "", "")


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
    for job in [JOB._replace(state=state) for state in (*job_reasons.STATES, "NEW")] + [
        JOB._replace(reason=reason) for reason in job_reasons.REASONS
    ]:
        why = job_reasons.explain(job)
        assert "{" not in why.what + why.todo


def test_a_sentence_names_job_owner_and_nodes() -> None:
    job = JOB._replace(state="CONFIGURING", reason="None", nodes="cpu-[2-3]")
    assert job_reasons.sentence(job).startswith("job 42 of alice, configuring on cpu-[2-3]: it has its nodes")


def test_no_file_is_named_that_is_not_there() -> None:
    failed = JOB._replace(state="FAILED", reason="NonZeroExitCode")
    assert job_reasons.explain(failed).todo == "Read its output, where it wrote any."
    assert job_reasons.explain(failed, "/home/alice/slurm-42.out").todo == "Read its output: /home/alice/slurm-42.out."


def test_a_command_names_a_job_as_commands_take_it() -> None:
    waiting = JOB._replace(id="51_[8-40%4]", reason="JobHeldUser")
    assert job_reasons.explain(waiting).todo == "scontrol release 51"
    assert job_reasons.explain(waiting._replace(id="51_8")).todo == "scontrol release 51_8"
    assert job_reasons.explain(waiting._replace(id="51+1")).todo == "scontrol release 51"
