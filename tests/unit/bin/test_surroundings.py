"""What the scripts of bin/ say of the surroundings in which they are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir.paths import REPO


@pytest.mark.parametrize("name", ["up", "down", "login", "prepare"])
def test_a_folder_for_temporary_files_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    """It was mktemp's own words, after the first half of the work."""
    missing = str(tmp_path / "nonexistent")
    done = process.run([str(REPO / "bin" / name)], check=False, env={**os.environ, "TMPDIR": missing})
    assert (done.code, done.err) == (
        2,
        f"{name}: TMPDIR: found '{missing}'; needs a folder to write to, such as /tmp\n",
    )


def test_up_is_called_from_a_folder_that_is_gone(tmp_path: Path) -> None:
    """It was "line 6: PWD: unbound variable"."""
    script = f"mkdir {tmp_path}/gone && cd {tmp_path}/gone && rmdir {tmp_path}/gone && exec {REPO}/bin/up --site my.yml"
    done = process.run(["bash", "-c", script], check=False)
    assert done.code == 2
    assert done.err.splitlines()[-1] == (
        "bin/up: --site: cannot read the file 'my.yml'; give a YAML file such as my-lab.yml"
    )
