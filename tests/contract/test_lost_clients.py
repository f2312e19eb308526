"""Which jobs end with the login machine: those whose srun or salloc ran there before it began, and no other."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest

from kiwi.common import process

SCRIPT = Path(__file__).resolve().parents[2] / "slurmscripts/lost_clients"
BOOTED = 1795856400
HOST = os.uname().nodename


def line(job: object, batch: int = 0, host: str = HOST, age: int = 60, command: str = "sleep") -> str:
    """Return one line as `squeue -O NAME:WIDTH,…` prints it: columns of fixed widths, longer values cut."""
    submitted = datetime.datetime.fromtimestamp(BOOTED - age).isoformat()
    return f"{job!s:<12.12}{batch:<3}{host:<20.20}{submitted:<22.22}{command:<8.8}"


def cancelled(tmp_path: Path, *lines: str, squeue: str = "exit 0") -> list[str]:
    """Run the script where Slurm has these jobs and return those that it cancels."""
    (tmp_path / "list").write_text("".join(f"{text}\n" for text in lines))
    (tmp_path / "squeue").write_text(f"#!/bin/sh\ncat {tmp_path}/list\n{squeue}\n")
    (tmp_path / "scancel").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/done\n')
    (tmp_path / "sleep").write_text(f"#!/bin/sh\necho exit 0 >>{tmp_path}/squeue\n")
    for name in ("squeue", "scancel", "sleep"):
        (tmp_path / name).chmod(0o755)
    (tmp_path / "script").write_text(SCRIPT.read_text().replace("PATH=/usr/sbin", f"PATH={tmp_path}:/usr/sbin"))
    process.run(["sh", str(tmp_path / "script"), str(BOOTED)], env={})
    done = tmp_path / "done"
    return done.read_text().split() if done.exists() else []


def test_what_waits_for_nobody_ends(tmp_path: Path) -> None:
    lines = [line(7), line(8, command="/bin/bas"), line(9, age=1)]
    assert cancelled(tmp_path, *lines) == ["7", "8", "9"]


@pytest.mark.parametrize(
    "other",
    [
        line(7, batch=1),
        line(7, host="cpu-1"),
        line(7, host=HOST + "x"),
        line(7, age=0),
        line(7, age=-5),
        line(7, command="(null)"),
        line(7, command=""),
        line("7+1"),
        "",
        "slurm_load_jobs error",
    ],
)
def test_all_others_stay(tmp_path: Path, other: str) -> None:
    assert cancelled(tmp_path, other, line(8)) == ["8"]


def test_a_controller_that_has_just_begun_is_waited_for(tmp_path: Path) -> None:
    assert cancelled(tmp_path, line(7), squeue='[ -e "$0.asked" ] || { touch "$0.asked"; exit 1; }') == ["7"]
