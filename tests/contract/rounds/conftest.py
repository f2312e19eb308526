"""Clusters for rounds: see rig.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.rounds import playbook, wait_ssh
from reconfigure.site import data as site_data
from reconfigure.slurm import controller
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.ssh import authority
from tests.contract.rounds.rig import NAMES, FakeProvider, configured, do
from tests.contract.terraform.test_client import MODULE, NODE


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose home is made by hand; Slurm answers and remembers what it was told."""
    clusterdir = ClusterDir(tmp_path, "kiwi")
    authority.make_missing(clusterdir, site_data.load(None))
    clusterdir.run.mkdir()
    clusterdir.log.mkdir()
    (clusterdir.local / "node").mkdir(parents=True)
    (clusterdir.local / "main.tf").write_text(MODULE)
    (clusterdir.local / "node" / "main.tf").write_text(NODE)
    files.write_json(clusterdir.site, site_data.load(None).data)
    roles = {name: "login" if name == "login" else "slurm" for name in NAMES}
    nodes = {
        name: dict(name=name, role=role, partition="", address="127.0.0.1", image="i", flavor="f", features=[])
        for name, role in roles.items()
    }
    files.write_json(clusterdir.nodeset, {"version": 1, "nodes": nodes})
    fake = FakeProvider()
    found = Cluster(clusterdir, lambda _clusterdir, _subnet: fake)
    fake.terraform = found.terraform
    found.terraform.init()
    told: list[tuple[tuple[str, ...], str, str]] = []
    started: list[set[int]] = []
    found.controller = SimpleNamespace(  # type: ignore[assignment]
        nodes=lambda: {name: SlurmNode(name, "IDLE", frozenset({"CLOUD"})) for name in NAMES[1:]},
        running=lambda: {},
        set_state=lambda names, state, reason="", as_user="slurm": told.append(
            (tuple(names), state, reason if as_user == "slurm" else f"{reason} by {as_user}")
        ),
        told=told,
        start_now=lambda jobs: started.append(set(jobs)),
        started=started,
    )
    monkeypatch.setattr(wait_ssh, "greeting", lambda addresses, timeout=1.0: set(addresses))
    monkeypatch.setattr(playbook, "run", configured())
    monkeypatch.setattr(controller, "register", lambda *_, **__: controller.Registration({}, frozenset()))
    yield found


@pytest.fixture
def with_login(cluster: Cluster) -> Cluster:
    assert do(cluster, {"login": "resume"}).failed == {}
    return cluster
