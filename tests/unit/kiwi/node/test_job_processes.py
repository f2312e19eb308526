"""What one job left, told from what another one runs: real processes of our own, with environments of jobs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kiwi.common import process, waiting
from kiwi.node import job_processes

MINE = [range(os.getuid(), os.getuid() + 1)]
JOB, OTHER = 2000000000 + os.getpid(), 2100000000 + os.getpid()  # no real ones
Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a shell that says its number, with a job in its environment, and what it starts itself."""
    children: list[process.Child[str]] = []

    def begin(job: int | None, script: str = "exec sleep 99") -> int:
        env = {"PATH": os.environ["PATH"]} | ({"SLURM_JOB_ID": str(job)} if job else {})
        child = process.start(["sh", "-c", f"echo ready; {script}"], env=env, new_session=True)
        children.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        return child.pid

    yield begin
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def pids(job: int) -> set[int]:
    return {p.pid for p in job_processes.belonging(MINE, job)}


def below(pid: int) -> set[int]:
    """Return the children of a process, once there is one that runs its own program."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    assert waiting.until(lambda: bool(path.read_text().split()), 5)
    found = {int(word) for word in path.read_text().split()}
    sleeps = [Path(f"/proc/{child}/cmdline") for child in found]
    assert waiting.until(lambda: all(p.read_bytes() != Path(f"/proc/{pid}/cmdline").read_bytes() for p in sleeps), 5)
    return found


def test_what_carries_the_job_and_what_descends_from_it(start: Start) -> None:
    plain, bare = start(JOB), start(JOB, "env -i sleep 98 & wait")
    expected = {plain, bare} | below(bare)
    assert pids(JOB) == expected


def test_another_jobs_processes_are_never_taken(start: Start) -> None:
    other, login = start(OTHER), start(None)
    nested = start(JOB, f"SLURM_JOB_ID={OTHER} sh -c 'env -i sleep 98 & wait' & wait")
    (theirs,) = below(nested)
    expected = {other, theirs} | below(theirs)
    assert pids(OTHER) == expected
    assert pids(JOB) == {nested}
    assert not pids(JOB) & {login}


@pytest.mark.parametrize(
    "forged",
    [f"SLURM_JOB_ID={JOB}0", f"XSLURM_JOB_ID={JOB}", f"A=SLURM_JOB_ID={JOB}"],
    ids=["a longer number", "a longer name", "a value"],  # the same in each process that runs tests
)
def test_only_the_very_job_counts(start: Start, forged: str) -> None:
    start(None, f"exec env {forged} sleep 99")
    assert pids(JOB) == set()


def test_it_ends_also_what_ignores_term_and_left_its_session(start: Start) -> None:
    stays = start(OTHER)
    stubborn = start(JOB, "trap '' TERM; setsid sleep 99 & wait")
    left = below(stubborn)
    assert left <= pids(JOB)
    began = time.monotonic()
    assert job_processes.end("nobody-such", os.getuid(), JOB, grace=0.2) == []
    assert pids(JOB) == set()
    assert pids(OTHER) == {stays}
    assert time.monotonic() - began < job_processes.SWEEP


def test_who_does_not_end_is_returned(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    stays = start(JOB)
    monkeypatch.setattr(job_processes, "SWEEP", 0.3)
    monkeypatch.setattr("psutil.Process.send_signal", lambda *_: None)
    assert [p.pid for p in job_processes.end("nobody-such", os.getuid(), JOB, grace=0)] == [stays]
