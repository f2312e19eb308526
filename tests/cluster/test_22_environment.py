"""What an administrator's shell exports changes nothing: not what is done, not whether it succeeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.conftest import Cluster

HOSTILE = {
    "TF_DATA_DIR": "/nonexistent",
    "TF_CLI_ARGS": "-destroy",
    "TF_CLI_ARGS_apply": "-destroy",
    "TF_WORKSPACE": "x",
    "TF_VAR_nodes": "[]",
    "ANSIBLE_STDOUT_CALLBACK": "nonsense",
    "ANSIBLE_INVENTORY": "/x",
    "ANSIBLE_CONFIG": "/x",
    "KIWI_NAME": "login",
    "CDPATH": "/",
}


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, str]:
    """Modules of this name, and this file for every bash that reads it, end who loads them."""
    for name in ("json", "yaml", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(77)\n")
    (tmp_path / "bashrc").write_text("exit 78\n")
    return {**HOSTILE, "PYTHONPATH": str(tmp_path), "BASH_ENV": str(tmp_path / "bashrc")}


def test_a_second_bin_up(cluster: Cluster, hostile: dict[str, str]) -> None:
    cluster.rest()
    cluster.up_again({**hostile, "LC_ALL": "xx_YY"})


def test_resume_and_suspend(cluster: Cluster, hostile: dict[str, str]) -> None:
    cluster.rest()
    before = cluster.instances()
    cluster.command("reconfigure", "resume", "cpu-2", env={**hostile, "LC_ALL": "C"})
    after = cluster.instances()
    assert after.pop("cpu-2")
    assert after == before
    cluster.command("reconfigure", "suspend", "cpu-2", env={**hostile, "LC_ALL": "POSIX"})
    assert cluster.instances() == before
