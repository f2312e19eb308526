"""Terraform: exact arguments, events, and plans that are refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest

from reconfigure.clusterdir.paths import REPO
from reconfigure.terraform import client as terraform
from reconfigure.terraform.client import Terraform, TerraformError
from reconfigure.terraform.events import Change, Instance

MODULE = """
variable "nodes" { type = set(string) }
variable "bad" { default = "" }
module "node" {
  source   = "./node"
  for_each = var.nodes
  name     = each.key
  bad      = var.bad
}
"""
NODE = """
variable "name" { type = string }
variable "bad" { type = string }
resource "terraform_data" "machine" {
  input = var.name
  lifecycle {
    precondition {
      condition     = var.name != "never"
      error_message = "there is no image for never"
    }
  }
  provisioner "local-exec" {
    command = "if [ ${var.name} = '${var.bad}' ]; then echo the host is full >&2; exit 3; fi"
  }
}
"""


@pytest.fixture(params=["on PATH", "from the wheel"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root module of the provider's shape, with either Terraform."""
    if request.param == "on PATH":
        shim = tmp_path / "terraform"
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m reconfigure.terraform.embedded "$@"\n')
        shim.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if request.param == "from the wheel":
        monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("PYTHONPATH", str(Path(terraform.__file__).parents[2]))
    (tmp_path / "node").mkdir()
    (tmp_path / "main.tf").write_text(MODULE)
    (tmp_path / "node" / "main.tf").write_text(NODE)
    Terraform(tmp_path, os.environ).init()
    return tmp_path


def wish(root: Path, *names: str, bad: str = "") -> Terraform:
    (root / "nodes.auto.tfvars.json").write_text(json.dumps({"nodes": names, "bad": bad}))
    return Terraform(root, os.environ)


def test_make_and_remove_one_node_and_no_other(root: Path) -> None:
    found = wish(root, "a", "b")
    assert found.instances() == {}
    assert found.plan(["a"]) == (Change('module.node["a"].terraform_data.machine', ("create",)),)
    assert found.apply(["a"]) == terraform.Applied()
    assert list(found.instances()) == ["a"]
    found = wish(root)
    assert [(c.node, c.actions) for c in found.plan(["a"])] == [("a", ("delete",))]
    found.apply(["a"])
    assert found.instances() == {}


def test_a_node_that_fails_stops_no_other(root: Path) -> None:
    found = wish(root, "a", "b", bad="b")
    found.plan(["a", "b"])
    assert found.apply(["a"]) == terraform.Applied({"b": "the host is full"})
    assert {name: i.tainted for name, i in found.instances().items()} == {"a": False, "b": True}


def test_replace_gives_a_new_instance(root: Path) -> None:
    found = wish(root, "a")
    found.plan(["a"])
    found.apply(["a"])
    before = found.instances()["a"]
    assert isinstance(before, Instance)
    (change,) = found.plan(["a"], [before.address])
    assert sorted(change.actions) == ["create", "delete"]
    found.apply(["a"])
    assert found.instances()["a"].id != before.id


def test_a_plan_that_fails_says_why(root: Path) -> None:
    with pytest.raises(TerraformError, match="there is no image for never"):
        wish(root, "a", "never").plan(["a", "never"])
    assert wish(root, "a", "never").plan(["a"])


ADDRESS = 'module.node["a"].terraform_data.machine'


@pytest.mark.parametrize(
    ("change", "made", "removed"),
    [
        pytest.param(Change(ADDRESS, ("create",)), [], [], id="makes what nobody asked for"),
        pytest.param(Change(ADDRESS, ("delete",)), ["a"], [], id="removes what shall be made"),
        pytest.param(Change(ADDRESS, ("delete", "create")), ["a"], [], id="replaces what shall be made"),
        pytest.param(Change(ADDRESS, ("update",)), ["a"], ["a"], id="changes in place"),
        pytest.param(Change(ADDRESS, ("delete",)), ["a"], ["a"], id="removes what shall be replaced"),
        pytest.param(Change("terraform_data.bridge", ("create",)), ["a"], ["a"], id="no node's"),
    ],
)
def test_a_plan_that_does_more_is_refused(change: Change, made: list[str], removed: list[str]) -> None:
    with pytest.raises(TerraformError, match="refused"):
        terraform.check([change], made, removed)


def test_a_plan_that_does_what_was_asked_passes() -> None:
    terraform.check([Change(ADDRESS, ("delete", "create"))], ["a"], ["a"])


def test_arguments_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "argv"
    fake = tmp_path / "terraform"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{log}\necho "{{}}"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = Terraform(tmp_path, os.environ)
    found.plan(["cpu-1", "cpu-2"], ["x.y"])
    found.apply(["a"])
    assert log.read_text().splitlines() == [
        'plan -no-color -out=nodes.tfplan -input=false -json -target=module.node["cpu-1"]'
        ' -target=module.node["cpu-2"] -replace=x.y',
        "show -no-color -json nodes.tfplan",
        "apply -no-color -json -parallelism=20 nodes.tfplan",
    ]


EVENT = '{{"type":"{}","hook":{{"resource":{{"addr":"module.node[\\"{}\\"].terraform_data.machine"}}}}}}'
ENDLESS = """#!/bin/sh
trap 'exit 1' INT
printf '%s\\n' '{}'
sleep 60 & wait
"""


def test_a_terraform_that_hangs_costs_only_the_nodes_it_was_not_done_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is made, one is hung, one is half replaced; the deadline counts per AT_ONCE nodes."""
    kinds = (("apply_complete", "a"), ("apply_complete", "c"), ("apply_start", "c"))
    fake = tmp_path / "terraform"
    fake.write_text(ENDLESS.format("\n".join(EVENT.format(kind, name) for kind, name in kinds)))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    applied = Terraform(tmp_path, os.environ).apply(["a", "b", "c"], machine=0.5)
    assert applied == terraform.Applied(dict.fromkeys(("b", "c"), terraform.LATE.format(0.5)))


def test_the_driver_waits_for_longer_than_a_machine_does() -> None:
    """Else a machine that hangs costs all that are made with it."""
    script = (REPO / "terraform" / "local" / "machine.sh").read_text()
    (seconds,) = re.findall(r"(?m)^deadline=\$\{KIWI_DEADLINE:-([0-9]+)\}", script)
    assert int(seconds) + 15 <= terraform.MACHINE


@pytest.mark.parametrize("how", ["half", "empty", "gone"])
def test_a_broken_state_is_read_from_its_copy(root: Path, how: str) -> None:
    """Who only looks got Terraform's raw words until the worker, or bin/up, had put the copy back."""
    terraform = wish(root, "cpu-1")
    terraform.plan(["cpu-1"])
    terraform.apply(["cpu-1"])
    before, state = terraform.instances(), root / "terraform.tfstate"
    assert set(before) == {"cpu-1"}
    if how == "gone":
        state.unlink()
    else:
        state.write_text(state.read_text()[:40] if how == "half" else "")
    assert terraform.instances() == before
    assert how == "gone" or len(state.read_text()) <= 40, "who looks changes nothing"
    (root / "kept.tfstate").unlink()
    if how == "gone":
        assert terraform.instances() == {}
    else:
        with pytest.raises(TerraformError, match=r"tfstate is broken, and there is no copy of it\n.*--adopt"):
            terraform.instances()
