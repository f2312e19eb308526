"""Prolog and Epilog as slurmd calls them, and the real gate on the allow file that they keep."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kiwi.common import process

REPO = Path(__file__).resolve().parents[2]
GATE = REPO / "roles/gate/files/gate"
BOOT = "a011a577-d6fc-475f-a369-b35c6cf3f59a"
UIDS = {"alice": 60001, "bob": 60002}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A Slurm node up for 100 s, on which dave always passes; its `kiwi` notes how it was called."""
    for folder in ("run/kiwi", "etc/kiwi", "proc/sys/kernel/random", "usr/bin", "dev/shm", "run/lock"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/uptime").write_text("100.50 300.00\n")
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text(BOOT + "\n")
    (tmp_path / "etc/kiwi/bypass").write_text("dave\n")
    (tmp_path / "usr/bin/kiwi").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/called\n')
    (tmp_path / "usr/bin/kiwi").chmod(0o755)
    return tmp_path


def jobs(root: Path, what: str, user: str = "", job: int = 0) -> process.Result:
    """The script with the few variables that slurmd gives it."""
    env = {"SLURM_JOB_USER": user, "SLURM_JOB_UID": str(UIDS.get(user, 0)), "SLURM_JOB_ID": str(job)}
    return process.run([str(REPO / "slurmscripts/jobs"), what, str(root)], env={**env, "SLURMD_NODENAME": "cpu-2"})


def enters(root: Path, user: str) -> bool:
    env = {"PAM_TYPE": "account", "PAM_USER": user}
    return process.run(["dash", str(GATE), str(root)], env=env, check=False).code == 0


def test_who_has_a_job_enters_until_the_last_one_ends(root: Path) -> None:
    jobs(root, "begins", "alice", 7)
    jobs(root, "begins", "bob", 8)
    jobs(root, "begins", "alice", 9)
    assert [enters(root, user) for user in ("alice", "bob", "carol", "ali", "root", "dave")] == [1, 1, 0, 0, 1, 1]
    jobs(root, "ends", "alice", 7)
    jobs(root, "ends", "bob", 8)
    assert [enters(root, user) for user in ("alice", "bob")] == [True, False]
    jobs(root, "ends", "alice", 9)
    assert not enters(root, "alice")
    assert not any((root / "run/kiwi/jobs").iterdir())


def test_the_refused_read_how_to_get_a_job_there(root: Path) -> None:
    assert process.run([str(REPO / "slurmscripts/jobs"), "now", str(root)], env={"SLURMD_NODENAME": "cpu-2"}).out == ""
    env = {"PAM_TYPE": "account", "PAM_USER": "bob"}
    refused = process.run(["dash", str(GATE), str(root)], env=env, check=False)
    assert refused.code == 1
    assert "only users who have a job on cpu-2" in refused.out
    assert "salloc -p cpu -w cpu-2" in refused.out


def test_a_node_without_a_job_admits_nobody_but_those_who_always_pass(root: Path) -> None:
    jobs(root, "now")
    assert [enters(root, user) for user in ("alice", "root", "dave")] == [False, True, True]


def test_a_repeated_call_counts_once(root: Path) -> None:
    for what in ("begins", "begins", "ends", "ends"):
        jobs(root, what, "alice", 7)
    assert not enters(root, "alice")


def test_what_is_left_is_ended_after_the_last_job_only(root: Path) -> None:
    jobs(root, "begins", "alice", 7)
    jobs(root, "begins", "alice", 8)
    left = root / "dev/shm/left"
    left.touch()
    os.chown(left, UIDS["alice"], -1)
    jobs(root, "ends", "alice", 7)
    assert not (root / "called").exists()
    jobs(root, "ends", "alice", 8)
    assert (root / "called").read_text() == "clean alice\n"
    jobs(root, "begins", "bob", 9)
    jobs(root, "ends", "bob", 9)
    assert (root / "called").read_text() == "clean alice\n", "bob left nothing"


def test_what_one_job_of_several_left_is_ended(root: Path) -> None:
    jobs(root, "begins", "alice", 7)
    jobs(root, "begins", "alice", 77)
    for pid, environment in ((1, "A=1"), (2, "XSLURM_JOB_ID=7"), (3, "SLURM_JOB_ID=77"), (4, "B=SLURM_JOB_ID=7")):
        (root / f"proc/{pid}").mkdir()
        (root / f"proc/{pid}/environ").write_text(f"HOME=/\0{environment}\0")
    jobs(root, "ends", "alice", 7)
    assert not (root / "called").exists()
    jobs(root, "begins", "alice", 7)
    (root / "proc/2/environ").write_text("HOME=/\0SLURM_JOB_ID=7\0")
    jobs(root, "ends", "alice", 7)
    assert (root / "called").read_text() == "clean alice --job 7 --grace 2\n"
    assert enters(root, "alice")


def test_a_node_that_cannot_tell_its_jobs_ends_nobody(root: Path) -> None:
    """An empty answer is no answer: it would end what alice runs in job 8."""
    jobs(root, "begins", "alice", 7)
    jobs(root, "begins", "alice", 8)
    (root / "find").write_text("#!/bin/sh\nexit 1\n")
    (root / "find").chmod(0o755)
    text = (REPO / "slurmscripts/jobs").read_text().replace("PATH=/usr/sbin", f"PATH={root}:/usr/sbin")
    (root / "jobs").write_text(text)
    env = {"SLURM_JOB_USER": "alice", "SLURM_JOB_UID": str(UIDS["alice"]), "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n"}
    assert process.run(["sh", str(root / "jobs"), "ends", str(root)], env=env, check=False).code == 1
    assert not (root / "called").exists()
    assert enters(root, "alice")


def test_a_ps_that_says_nothing_hides_nobody(root: Path) -> None:
    jobs(root, "begins", "alice", 7)
    (root / "ps").write_text("#!/bin/sh\nexit 0\n")
    (root / "ps").chmod(0o755)
    text = (REPO / "slurmscripts/jobs").read_text().replace("PATH=/usr/sbin", f"PATH={root}:/usr/sbin")
    (root / "jobs").write_text(text)
    env = {"SLURM_JOB_USER": "alice", "SLURM_JOB_UID": str(UIDS["alice"]), "SLURM_JOB_ID": "7", "SLURMD_NODENAME": "n"}
    process.run(["sh", str(root / "jobs"), "ends", str(root)], env=env)
    assert (root / "called").read_text() == "clean alice\n"


def task_prolog(tmp_path: Path, **env: str) -> list[str]:
    return process.run([str(REPO / "slurmscripts/task_prolog")], env=env).out.splitlines()


def test_a_task_has_no_session_of_the_login_node(tmp_path: Path) -> None:
    bus = "unix:path=/run/user/10001/bus"
    said = task_prolog(tmp_path, XDG_RUNTIME_DIR="/run/user/10001", DBUS_SESSION_BUS_ADDRESS=bus)
    assert {"unset XDG_RUNTIME_DIR", "unset DBUS_SESSION_BUS_ADDRESS", "unset XDG_SESSION_ID"} <= set(said)


def test_a_runtime_folder_of_the_users_own_stays(tmp_path: Path) -> None:
    said = task_prolog(tmp_path, XDG_RUNTIME_DIR="/tmp/mine", DBUS_SESSION_BUS_ADDRESS="unix:abstract=/tmp/x")
    assert not {line for line in said if "RUNTIME" in line or "DBUS" in line}


def test_nothing_of_roots_is_ended(root: Path) -> None:
    jobs(root, "begins", "root", 7)
    jobs(root, "ends", "root", 7)
    assert not (root / "called").exists()


def test_many_at_once_lose_none(root: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: jobs(root, "begins", "alice" if job % 2 else "bob", job), range(1, 17)))
    assert len(list((root / "run/kiwi/jobs").iterdir())) == 16
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: jobs(root, "ends", "alice", job), range(1, 17, 2)))
    assert [enters(root, user) for user in ("alice", "bob")] == [False, True]


@pytest.mark.parametrize("hook", ["prolog", "epilog"])
def test_a_hook_that_fails_drains_no_node(tmp_path: Path, hook: str) -> None:
    shutil.copy(REPO / "slurmscripts" / hook, tmp_path)
    (tmp_path / "jobs").write_text("#!/bin/sh\nexit 7\n")
    (tmp_path / "jobs").chmod(0o755)
    assert process.run([str(tmp_path / hook)], env={"SLURM_JOB_USER": "alice", "SLURM_JOB_ID": "1"}).code == 0
