"""slurm.conf as the role renders it: what it says, and that a real slurmctld reads it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from reconfigure.site import releases, slurm_conf

ROLE = Path(__file__).resolve().parents[3] / "roles" / "slurm"
POWER = ROLE.parent / "power"
SITE = {
    "cluster_name": "kiwi",
    "suspend_exc": "cpu-1",
    "suspend_time": 120,
    "suspend_timeout": 30,
    "resume_timeout": 300,
    "slurm_conf": "",
    "user_groups": [],
    "accounting": False,
    "slurm_gate": True,
    "mpi": True,
    "flavors": {
        "small": {"cpus": 1, "memory_mb": 512},
        "big": {"cpus": 64, "memory_mb": 200000, "features": ["a", "b"]},
    },
    "partitions": [
        {"name": "cpu", "scheduler": "slurm", "min_nodes": 1, "max_nodes": 4, "flavor": "small"},
        {"name": "lab", "scheduler": "booking", "min_nodes": 2, "max_nodes": 2, "flavor": "small"},
        {"name": "gpu", "scheduler": "slurm", "min_nodes": 0, "max_nodes": 2, "flavor": "big", "features": ["a"]},
    ],
}


def site(release: str = "trixie") -> dict[str, Any]:
    """Values for the template: two Slurm partitions with a booking one between them."""
    constants = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    plain = {key: constants[key] for key in ("_slurm_state", "_slurm_scripts")}
    named = {"login": {"name": "login", "address": "198.18.0.10"}}
    addresses = {"cpu": "198.18.4.[1-4]", "lab": "198.18.8.[1-2]", "gpu": "198.18.12.[1-2]"}
    facts = releases.facts(release)
    return {**copy.deepcopy(SITE), **plain, "nodeset": named, "addresses": addresses, "release": facts}


def own_site() -> dict[str, Any]:
    """The same with what a site may say in Slurm's own words."""
    values = site()
    values["flavors"]["big"]["gres"] = ["gpu:tesla:2 File=/dev/nvidia[0-1]", "lscratch:100G"]
    values["partitions"][2]["slurm"] = "MaxTime=1-0 Default=YES"
    values["accounting"] = True
    values["slurm_conf"] = "# ours\nDebugFlags=Power\n"
    return values


def render(values: dict[str, Any], template: str = "slurm.conf.j2") -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    return environment.from_string((ROLE / "templates" / template).read_text()).render(values)


def lines(text: str, key: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"{key}=")]


def test_every_slurm_node_is_named_with_its_address_and_size() -> None:
    found = lines(render(site()), "NodeName")
    assert found == [
        "NodeName=cpu-[1-4] NodeAddr=198.18.4.[1-4] CPUs=1 RealMemory=512 State=CLOUD",
        "NodeName=gpu-[1-2] NodeAddr=198.18.12.[1-2] CPUs=64 RealMemory=200000 State=CLOUD Feature=a,b",
    ]


def test_the_first_slurm_partition_is_the_default() -> None:
    assert lines(render(site()), "PartitionName") == [
        "PartitionName=cpu Nodes=cpu-[1-4] MaxTime=7-00:00:00 State=UP Default=YES",
        "PartitionName=gpu Nodes=gpu-[1-2] MaxTime=7-00:00:00 State=UP",
    ]


def test_the_words_of_the_site_are_in_it() -> None:
    text = render(own_site())
    assert "\n# ours\nDebugFlags=Power\n" in text
    assert lines(text, "PartitionName") == [
        "PartitionName=cpu Nodes=cpu-[1-4] MaxTime=7-00:00:00 State=UP",
        "PartitionName=gpu Nodes=gpu-[1-2] State=UP MaxTime=1-0 Default=YES",
    ]


def test_members_of_groups_change_it() -> None:
    """slurmctld looks them up when it reads its configuration; without a change it would not."""
    groups = [{"name": "physics", "gid": 20000, "members": ["alice", "bob"]}, {"name": "optics", "gid": 20001}]
    text = render({**site(), "user_groups": groups})
    assert "\n# AllowGroups and the like: " in text
    assert "\n# physics: alice bob\n# optics: \n" in text
    assert "# AllowGroups" not in render(site())


def test_generic_resources_are_declared_three_times() -> None:
    text = render(own_site())
    assert lines(text, "GresTypes") == ["GresTypes=gpu,lscratch"]
    assert [" Gres=" in line for line in lines(text, "NodeName")] == [False, True]
    assert lines(text, "NodeName")[1].endswith(" Feature=a,b Gres=gpu:tesla:2,lscratch:100G")
    assert lines(render(own_site(), "gres.conf.j2"), "NodeName") == [
        "NodeName=gpu-[1-2] Name=gpu Type=tesla Count=2 File=/dev/nvidia[0-1]",
        "NodeName=gpu-[1-2] Name=lscratch Count=100G",
    ]
    assert "Gres" not in render(site())
    assert lines(render(site(), "gres.conf.j2"), "NodeName") == []


def test_jobs_are_remembered_in_one_place() -> None:
    off, on = render(site()), render({**site(), "accounting": True})
    assert (lines(off, "JobCompType"), lines(off, "AccountingStorageType")) == (["JobCompType=jobcomp/script"], [])
    assert lines(off, "JobCompLoc") == ["JobCompLoc=/usr/lib/kiwi/joblog"]
    assert (lines(on, "JobCompType"), lines(on, "AccountingStorageHost")) == ([], ["AccountingStorageHost=login"])


def test_no_key_that_is_written_is_free_to_the_site() -> None:
    for values in (site(), own_site()):
        keys = {line.split("=")[0].lower() for line in render(values).splitlines() if "=" in line and line[0] != "#"}
        assert keys - slurm_conf.taken(values["release"]["slurm"]["conf"]) <= {"debugflags"}


@pytest.mark.parametrize(
    ("nodes", "line"),
    [("cpu-[1-2],gpu-1", ["SuspendExcNodes=cpu-[1-2],gpu-1"]), ("", [])],
)
def test_what_is_always_up_is_never_powered_down(nodes: str, line: list[str]) -> None:
    text = render({**site(), "suspend_exc": nodes})
    assert lines(text, "SuspendExcNodes") == line
    assert text.count("SuspendExcNodes=") == 1, "slurmscripts/suspend_exc finds its line"


@pytest.mark.parametrize("key", [*SITE, "nodeset", "addresses", "release"])
def test_a_missing_value_is_an_error(key: str) -> None:
    values = site()
    del values[key]
    with pytest.raises(jinja2.UndefinedError):
        render(values)


def test_an_unknown_flavor_is_an_error() -> None:
    values = site()
    values["partitions"][0]["flavor"] = "huge"
    with pytest.raises(jinja2.UndefinedError):
        render(values)


def test_every_program_exists_and_only_slurm_writes_the_spool() -> None:
    values = yaml.safe_load((POWER / "vars/main.yml").read_text())
    spool = values["_power_spool"][-1]
    assert (spool["path"], spool["owner"], spool["mode"]) == ("/var/spool/kiwi/requests", "slurm", "0700")
    folder = site()["_slurm_scripts"] + "/"
    programs = [line.split(folder)[1] for line in render(site()).splitlines() if f"={folder}" in line]
    assert set(programs) == {
        "resume",
        "suspend",
        "resume_fail",
        "reboot",
        "await_nodes",
        "prolog",
        "epilog",
        "task_prolog",
    }
    for program in programs:
        assert (ROLE.parents[1] / "slurmscripts" / program).stat().st_mode & 0o111
