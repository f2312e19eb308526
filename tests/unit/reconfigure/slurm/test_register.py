"""Nodes are asked to register all at once: one that hangs or fails is its own failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.slurm import controller

# The first two wait for each other, the third fails, the fourth hangs.
SSH = """#!/bin/sh
case "$*" in
  *root@10.0.0.1*) : >{0}/one; until [ -e {0}/two ]; do sleep 0.05; done ;;
  *root@10.0.0.2*) : >{0}/two; until [ -e {0}/one ]; do sleep 0.05; done ;;
  *root@10.0.0.3*) echo "no route" >&2; exit 255 ;;
  *) exec sleep 60 ;;
esac
"""


def test_each_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text(SSH.format(tmp_path))
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(controller, "CALL_TIMEOUT", 3.0)
    nodes = [Node(f"cpu-{n}", "slurm", "cpu", f"10.0.0.{n}", "debian13", "small", ()) for n in (1, 2, 3, 4)]
    failed = controller.register(ClusterDir(tmp_path, "kiwi"), nodes, ())
    began = "its slurmd could not be restarted: "
    assert failed == {"cpu-3": f"{began}no route", "cpu-4": f"{began}no end after 3.0 s"}
