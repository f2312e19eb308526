"""bin/login: names of nodes and users, and one sentence for what is neither; ssh is a fake that says its arguments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.model.node import Node
from reconfigure.ssh import client_config

NODES = "known: login cpu-1 cpu-2"
USERS = "known: alice bob root"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """KIWI_ROOT with one cluster, and a fake ssh."""
    clusterdir = ClusterDir(tmp_path, "kiwi")
    clusterdir.path.mkdir(parents=True)
    (tmp_path / "ssh").write_text('#!/bin/sh\nshift 2\necho "$*"\n')
    (tmp_path / "ssh").chmod(0o755)
    nodes = {
        name: Node(
            name=name, role="slurm", partition="cpu", address="198.18.0.1", image="x", flavor="small", features=()
        )
        for name in ("login", "cpu-1", "cpu-2")
    }
    (clusterdir.path / "ssh_config").write_text(client_config.control(clusterdir, nodes, ["alice", "bob"]))
    return tmp_path


def login(root: Path, *arguments: str) -> process.Result:
    environment = {**os.environ, "KIWI_ROOT": str(root), "KIWI_CLUSTER": "kiwi", "PATH": f"{root}:{os.environ['PATH']}"}
    return process.run([str(REPO / "bin/login"), *arguments], check=False, env=environment)


@pytest.mark.parametrize("target", ["login", "cpu-1", "bob@cpu-2", "root@login"])
def test_what_is_known_is_entered(root: Path, target: str) -> None:
    assert login(root, target, "echo", "hello").out == f"{target} echo hello\n"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("cpu-.", f"unknown node 'cpu-.'; {NODES}"),
        ("cpu-[12]", f"unknown node 'cpu-[12]'; {NODES}"),
        ("*", f"unknown node '*'; {NODES}"),
        ("", f"unknown node ''; {NODES}"),
        ("login cpu-1", f"unknown node 'login cpu-1'; {NODES}"),
        ("alice@", f"unknown node ''; {NODES}"),
        ("carol@login", f"unknown user 'carol'; {USERS}"),
        ("al.ce@login", f"unknown user 'al.ce'; {USERS}"),
        ("alice@bob@login", f"unknown user 'alice@bob'; {USERS}"),
        ("@login", f"unknown user ''; {USERS}"),
    ],
)
def test_what_is_not_gets_one_sentence(root: Path, target: str, said: str) -> None:
    done = login(root, target)
    assert (done.code, done.out, done.err) == (2, "", f"bin/login: {said}\n")


def test_a_file_of_an_older_version_names_no_users(root: Path) -> None:
    config = root / "clusters/kiwi/ssh_config"
    config.write_text(config.read_text().replace("# Users: alice bob root\n", ""))
    assert login(root, "alice@login").out == "alice@login\n"
