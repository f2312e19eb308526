"""What every provider must fulfil, module and driver's side (seam 2 of docs/seams.md).

Guards: the module's variables, the addresses and ids the driver relies on, and
that a targeted change leaves all other nodes alone. Machines are not made: the
program that would make them writes down how it was called.
Cannot prove: that machines run or end (tests/cluster/test_15_provider_local.py).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import pytest

from reconfigure.providers.base import Machine, Provider
from reconfigure.providers.local import LocalProvider
from tests.contract.terraform.module import Module

RECORDER = """\
printf '%s %s %s\\n' "$1" "$KIWI_NAME" "$KIWI_INSTANCE" >>"$KIWI_HOME/calls"
[ ! -e "$KIWI_HOME/fail-$1-$KIWI_NAME" ] || { echo "no room for $KIWI_NAME" >&2; exit 1; }
"""


class Case(NamedTuple):
    """A provider: its module, how it is made, and the program in the module that is replaced."""

    module: str
    make: Callable[[Path], Provider]
    program: str


CASES = [
    pytest.param(
        Case(
            "local",
            lambda clusterdir: LocalProvider(clusterdir, "tb", "198.18.202.0/24", clusterdir.parent),
            "machine.sh",
        ),
        id="local",
    )
]


class World(NamedTuple):
    """A home, and the provider's module in it."""

    clusterdir: Path
    module: Module
    provider: Provider

    def wish(self, *nodes: str) -> None:
        record = {"role": "slurm", "partition": "p", "image": "debian13", "flavor": "small", "features": []}
        records = {n: {**record, "name": n, "address": f"198.18.202.{ord(n)}"} for n in nodes}
        self.module.write("nodes.auto.tfvars.json", nodes=nodes, nodeset=records)

    def image(self, digest: str) -> None:
        """Write cluster.auto.tfvars.json as the driver does."""
        self.module.write(
            "cluster.auto.tfvars.json",
            cluster={"name": "tb", "home": str(self.clusterdir), "subnet": "198.18.202.0/24"},
            images={"debian13": {"path": f"/images/{digest}", "hash": digest}},
        )

    def apply(self, *options: str, check: bool = True) -> str:
        done = self.module.run("apply", "-auto-approve", "-input=false", *options, check=check)
        return done.out + done.err

    def calls(self) -> list[str]:
        file = self.clusterdir / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines


@pytest.fixture(params=CASES)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    case: Case = request.param
    clusterdir = tmp_path / "home"
    (clusterdir / "terraform").mkdir(parents=True)
    module = Module.copy(case.module, clusterdir / "terraform")
    (module.path / case.program).write_text(RECORDER)
    made = World(clusterdir, module, case.make(clusterdir))
    made.image("h1")
    module.run("init", "-input=false")
    return made


def address(node: str) -> str:
    return f'module.node["{node}"]'


def test_one_machine_per_name_with_its_instance_id(world: World) -> None:
    world.wish("a", "b")
    world.apply()
    ids = world.module.instances()
    assert set(ids) == {address("a"), address("b")}
    assert sorted(world.calls()) == sorted(f"create {n} {ids[address(n)]}" for n in "ab")
    assert world.module.plan() == {}, "nothing to change"


def test_a_target_adds_and_removes_one_node(world: World) -> None:
    world.wish("a", "b")
    world.apply()
    ids = world.module.instances()
    world.calls()
    world.wish("b", "c")
    world.apply(f"-target={address('c')}")
    assert set(world.module.instances()) == {address("a"), address("b"), address("c")}
    world.calls()
    world.apply(f"-target={address('a')}")
    assert world.calls() == [f"destroy a {ids[address('a')]}"], "by instance id"
    assert set(world.module.instances()) == {address("b"), address("c")}


def test_a_new_image_matters_to_the_targeted_node_only(world: World) -> None:
    world.wish("a", "b")
    world.apply()
    before = world.module.instances()
    world.calls()
    world.image("h2")
    assert list(world.module.plan(f"-target={address('a')}").values()) == [["delete", "create"]]
    world.wish("b")
    assert list(world.module.plan(f"-target={address('a')}").values()) == [["delete"]]
    world.wish("a", "b", "c")
    assert list(world.module.plan(f"-target={address('c')}").values()) == [["create"]]
    world.apply(f"-target={address('a')}")
    after = world.module.instances()
    assert after[address("b")] == before[address("b")]
    assert world.calls() == [f"destroy a {before[address('a')]}", f"create a {after[address('a')]}"]


def test_an_image_that_is_not_baked_stops_no_other_node(world: World) -> None:
    world.wish("a", "b")
    values = json.loads((world.module.path / "nodes.auto.tfvars.json").read_text())
    values["nodeset"]["b"]["image"] = "debian12"
    world.module.write("nodes.auto.tfvars.json", **values)
    world.apply(f"-target={address('a')}")
    assert set(world.module.instances()) == {address("a")}
    assert "image of node b" in world.apply(f"-target={address('b')}", check=False)


def test_a_creation_that_fails_is_told_and_tried_again(world: World) -> None:
    world.wish("a", "b")
    (world.clusterdir / "fail-create-a").touch()
    assert "no room for a" in world.apply(check=False)
    first = world.module.instances()
    assert address("b") in first, "the others go on"
    (world.clusterdir / "fail-create-a").unlink()
    world.calls()
    world.apply()
    after = world.module.instances()
    assert after[address("a")] != first.get(address("a"))
    assert world.calls() == [f"create a {after[address('a')]}"], "no destroy: create clears what is left of the name"


def test_a_removal_that_fails_stays_in_the_state(world: World) -> None:
    world.wish("a")
    world.apply()
    world.wish()
    (world.clusterdir / "fail-destroy-a").touch()
    assert "no room for a" in world.apply(check=False)
    assert set(world.module.instances()) == {address("a")}


def test_methods(world: World) -> None:
    for name, method in inspect.getmembers(Provider, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(method) == inspect.signature(getattr(type(world.provider), name)), name
    assert [field.name for field in fields(Machine)] == ["name", "instance", "image", "state", "fault"]


def test_nothing_to_see_and_to_clear_at_first(world: World) -> None:
    assert world.provider.observe() == ()
    world.provider.clear("a")
    world.provider.clear("a", "0b9f3d1e-0000-4000-8000-000000000000")
    assert world.provider.observe() == ()
