"""`suspend_exc` changes one line of slurm.conf, and has slurmctld take it without a restart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.common import process

PROGRAM = Path(__file__).resolve().parents[3] / "slurmscripts" / "suspend_exc"
OLD = 1_700_000_000  # unix s


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "slurm.conf"
    path.write_text("ClusterName=kiwi\n# Those.\nSuspendExcNodes=cpu-[1-2]\nSuspendTime=15\n")
    path.chmod(0o640)
    os.utime(path, (OLD, OLD))
    return path


def run(conf: Path, nodes: str, knows: bool = True) -> tuple[int, list[str]]:
    """Run it with a scontrol that remembers how it was called; 22.05's `update` does not know the word."""
    scontrol = conf.parent / "scontrol"
    log = conf.parent / "calls"
    log.write_text("")
    scontrol.write_text(f'#!/bin/sh\necho "$*" >>{log}\n[ "$1" = reconfigure ] || exit {0 if knows else 1}\n')
    scontrol.chmod(0o755)
    program = conf.parent / "suspend_exc"
    program.write_text(PROGRAM.read_text().replace("PATH=/usr/bin:/bin", f"PATH={conf.parent}:/usr/bin:/bin"))
    program.chmod(0o755)
    done = process.run([str(program), nodes], check=False, env={"KIWI_SLURM_CONF": str(conf)})
    return done.code, log.read_text().splitlines()


def test_the_line_changes_and_the_file_keeps_its_age_and_mode(conf: Path) -> None:
    assert run(conf, "cpu-[1-4],gpu-1") == (0, ["update SuspendExcNodes=cpu-[1-4],gpu-1"])
    text = "ClusterName=kiwi\n# Those.\nSuspendExcNodes=cpu-[1-4],gpu-1\nSuspendTime=15\n"
    assert conf.read_text() == text
    assert (conf.stat().st_mtime, conf.stat().st_mode & 0o777) == (OLD, 0o640)
    assert run(conf, "") == (0, ["update SuspendExcNodes="])
    assert "\n# SuspendExcNodes=\n" in conf.read_text()
    assert run(conf, "cpu-1")[0] == 0
    assert "\nSuspendExcNodes=cpu-1\n" in conf.read_text()


def test_a_slurm_that_does_not_know_it_reads_its_file_again(conf: Path) -> None:
    assert run(conf, "cpu-1", knows=False) == (0, ["update SuspendExcNodes=cpu-1", "reconfigure"])


@pytest.mark.parametrize("nodes", ["cpu-1/e", "cpu-1\nX=1", "&", "a b"])
def test_what_is_no_node_changes_nothing(conf: Path, nodes: str) -> None:
    before = conf.read_text()
    assert run(conf, nodes) == (2, [])
    assert conf.read_text() == before
