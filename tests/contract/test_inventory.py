"""The inventory: what playbooks may rely on, through Ansible's own eyes."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from kiwi.common import process
from reconfigure.cluster import inventory
from reconfigure.clusterdir import files
from reconfigure.clusterdir.nodeset import load_nodeset
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.site import data as site_data
from reconfigure.site import releases
from reconfigure.terraform.events import Instance

RECORDED = Path(__file__).parent / "recorded"
ROLES = {"login": "login", "cpu-1": "slurm", "cpu-2": "slurm", "lab-1": "booking"}
NODES = {
    name: {
        "name": name,
        "role": role,
        "partition": "" if role == "login" else name.split("-")[0],
        "address": f"198.18.0.{number}",
        "image": "debian13",
        "flavor": "small",
        "features": [],
    }
    for number, (name, role) in enumerate(ROLES.items(), 10)
}


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    """A cluster's files, without machines."""
    found = ClusterDir(tmp_path, "kiwi")
    files.write_json(found.nodeset, {"version": 1, "nodes": NODES})
    files.write_json(found.site, site_data.load(None).data)
    image = {"path": str(tmp_path / "images" / "debian13-x"), "hash": "x"}
    files.write_json(found.local / "cluster.auto.tfvars.json", {"images": {"debian13": image}})
    files.write_json(Path(image["path"]) / "image.json", {"version": 1})
    return found


def build(clusterdir: ClusterDir, *names: str) -> inventory.Inventory:
    state = {name: Instance(f"id-{name}", "address") for name in names}
    facts = {name: {"title": "Debian 13"} for name in NODES}
    return inventory.build(clusterdir, load_nodeset(clusterdir.nodeset), state, {}, facts)


def as_ansible_sees(clusterdir: ClusterDir) -> dict[str, Any]:
    """`ansible-inventory --list` from the checkout."""
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
        "KIWI_CLUSTER": clusterdir.cluster,
        "KIWI_ROOT": str(clusterdir.root),
    }
    program = str(Path(sys.executable).parent / "ansible-inventory")
    done = process.run([program, "--list"], env=environment, cwd=REPO)
    assert "WARNING" not in done.err, done.err
    return dict(json.loads(done.out, object_hook=lambda found: found.get("__ansible_unsafe", found)))


def test_hosts_are_the_machines_of_the_state(clusterdir: ClusterDir) -> None:
    found = build(clusterdir, "login", "cpu-1", "lab-1", "of-another-site")
    assert set(found.hosts) == {"login", "cpu-1", "lab-1"}
    assert found.groups == {
        "slurm": ("cpu-1",),
        "booking": ("lab-1",),
        "nodes": ("cpu-1", "lab-1"),
        "partition_cpu": ("cpu-1",),
        "partition_lab": ("lab-1",),
    }


def test_variables_of_a_host(clusterdir: ClusterDir) -> None:
    variables = build(clusterdir, "cpu-1").hosts["cpu-1"]
    assert variables["node"] == {**NODES["cpu-1"], "instance": "id-cpu-1"}
    assert variables["release"] == {"title": "Debian 13"}
    assert variables["ansible_host"] == "198.18.0.11"
    assert variables["ansible_user"] == "root"
    assert variables["ansible_ssh_private_key_file"] == str(clusterdir.control_key)
    for option in ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={clusterdir.known_hosts}", "HostKeyAlias=cpu-1"):
        assert option in variables["ansible_ssh_common_args"]
    assert "GlobalKnownHostsFile=none" in variables["ansible_ssh_common_args"]


def test_ansible_reads_it(clusterdir: ClusterDir) -> None:
    state = json.dumps(
        {
            "version": 4,
            "terraform_version": "1.9.0",
            "serial": 1,
            "lineage": "x",
            "outputs": {},
            "resources": [
                {
                    "module": 'module.node["cpu-1"]',
                    "mode": "managed",
                    "type": "terraform_data",
                    "name": "machine",
                    "provider": 'provider["terraform.io/builtin/terraform"]',
                    "instances": [{"schema_version": 0, "attributes": {"id": "one"}}],
                }
            ],
        }
    )
    shutil.copy(REPO / "terraform" / "local" / "versions.tf", clusterdir.local)
    clusterdir.state.write_text(state)
    found = as_ansible_sees(clusterdir)
    assert set(found["_meta"]["hostvars"]) == {"cpu-1"}
    variables = found["_meta"]["hostvars"]["cpu-1"]
    assert variables["node"]["instance"] == "one"
    assert variables["nodeset"] == {name: NODES[name] for name in ("login", "cpu-1")}
    assert variables["addresses"] == {"cpu": "198.18.0.[11-12]", "lab": "198.18.0.13"}
    assert variables["release"] == releases.facts("trixie")
    assert variables["cluster_home"] == str(clusterdir.path)
    assert variables["kiwi_repo"] == str(REPO)
    assert variables["images_baked"]["debian13"]["hash"] == "x"


def test_a_cluster_that_does_not_exist_has_no_hosts(tmp_path: Path) -> None:
    assert as_ansible_sees(ClusterDir(tmp_path, "kiwi"))["_meta"]["hostvars"] == {}
