"""What a bake asks for before it begins."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from kiwi.common import process
from reconfigure.clusterdir.paths import REPO


def test_a_disk_that_is_too_full_is_named_before_anything_is_made(tmp_path: Path) -> None:
    """It ended with apt's words after minutes, and left what it had unpacked."""
    part = tmp_path / "images" / "debian13-1.part-1"
    play = {"hosts": "localhost", "gather_facts": False, "connection": "local"}
    tasks = [{"ansible.builtin.include_tasks": str(REPO / "playbooks/tasks/bake.yml")}]
    (tmp_path / "play.yml").write_text(json.dumps([{**play, "tasks": tasks}]))
    variables = json.dumps({"bake_needs": 10**9, "image_part": str(part)})
    ansible = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-e", variables]
    done = process.run([*ansible, str(tmp_path / "play.yml")], check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.code == 2
    said = " ".join(done.out.split())
    assert f"MB are left below {part.parent}, and baking needs about 1000000000 MB" in said
    assert not part.parent.exists()
