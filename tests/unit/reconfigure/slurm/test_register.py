"""Nodes are asked to register all at once: one that hangs or fails is its own failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.slurm import controller

# The first two wait for each other, the third fails, the fifth has just begun, the fourth hangs.
SSH = """#!/bin/sh
case "$*" in
  *root@10.0.0.1*) : >{0}/one; until [ -e {0}/two ]; do sleep 0.05; done ;;
  *root@10.0.0.2*) : >{0}/two; until [ -e {0}/one ]; do sleep 0.05; done ;;
  *root@10.0.0.3*) echo "no route" >&2; exit 255 ;;
  *root@10.0.0.5*timestamp*) exit 75 ;;
  *root@10.0.0.5*) exit 0 ;;
  *) exec sleep 60 ;;
esac
"""


def test_each_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text(SSH.format(tmp_path))
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(controller, "CALL_TIMEOUT", 3.0)
    nodes = [Node(f"cpu-{n}", "slurm", "cpu", f"10.0.0.{n}", "debian13", "small", ()) for n in (1, 2, 3, 4, 5)]
    found = controller.register(ClusterDir(tmp_path, "kiwi"), nodes, ())
    began = "its slurmd could not be restarted: "
    assert found.just_began == {"cpu-5"}
    assert found.failed == {"cpu-3": f"{began}no route", "cpu-4": f"{began}no end after 3.0 s"}
    last = controller.register(ClusterDir(tmp_path, "kiwi"), nodes[4:], (), young_too=True)
    assert last == controller.Registration({}, frozenset())


@pytest.mark.parametrize(("seconds", "code"), [(1, controller.JUST_BEGAN), (60, 0)])
def test_what_has_just_begun_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, code: int) -> None:
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\necho @$(( $(date +%s) - {seconds} ))\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert process.run(["sh", "-c", controller.OLD], check=False).code == code
