"""Site data: one list of all faults, each with its key, the value found and a good one."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonschema import Draft7Validator
from pydantic import Field

from kiwi.common.errors import USAGE
from kiwi.common.process import run
from reconfigure.clusterdir import files, paths
from reconfigure.site import data as site_data
from reconfigure.site import models, schema, validation, values

GOOD = site_data.read_yaml(paths.REPO / "group_vars" / "all.yml")
PARTITION = GOOD["partitions"][0]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFWkTpj5rkVd8p3nAjOGmGXxOI4ZtIrTsu3lRSrGJ5Ns a@b"


def replaced(**over: object) -> tuple[str, ...]:
    """Faults of the shipped site data with keys replaced (a value of None removes the key)."""
    return faults({key: value for key, value in {**GOOD, **over}.items() if value is not None})


def faults(data: dict[Any, object]) -> tuple[str, ...]:
    try:
        site_data.check(data)
    except site_data.SiteError as exc:
        return exc.faults
    return ()


def partition(**over: object) -> list[object]:
    return [{**PARTITION, **over}]


def test_no_name_of_debian_itself_is_free() -> None:
    """A user `staff` made a group of that name, and Debian's, of number 50, was found first."""
    files = [Path("/usr/share/base-passwd", f"{kind}.master").read_text() for kind in ("passwd", "group")]
    names = {line.split(":")[0] for text in files for line in text.splitlines()}
    assert len(names) > 40
    assert {name for name in names if not name.startswith("_")} <= set(values.SYSTEM_NAMES)


def test_a_group_may_be_the_primary_one_of_users() -> None:
    people = [{"name": "eve", "uid": 2000, "gid": 3000}, {"name": "tom", "uid": 2001}]
    groups = [{"name": "physics", "gid": 3000, "members": ["tom"]}]
    assert site_data.check({**GOOD, "users": people, "user_groups": groups}).groups[0].gid == 3000


def test_a_partition_has_defaults_that_all_read() -> None:
    plain = {key: value for key, value in PARTITION.items() if key not in ("min_nodes", "features")}
    found = site_data.check({**GOOD, "partitions": [plain]})
    assert found.data["partitions"] == [{**plain, "min_nodes": 0, "features": []}]
    assert found.persistent() == {"login"}


def test_the_shipped_data_is_sound() -> None:
    found = site_data.check(GOOD)
    assert found.persistent() == {"login", "cpu-1", "lab-1", "lab-2"}
    assert found.users[0].gid == found.users[0].uid == 10001


@pytest.mark.parametrize(
    ("over", "key", "found"),
    [
        ({"cluster_name": "Kiwi"}, "cluster_name", "'Kiwi'"),
        ({"cluster_name": "averylongname"}, "cluster_name", "'averylongname'"),
        ({"cluster_name": "a/../b"}, "cluster_name", "'a/../b'"),
        ({"cluster_name": None}, "cluster_name", "missing"),
        ({"provider": "openstack"}, "provider", "'openstack'"),
        ({"subnet": "8.8.0.0/16"}, "subnet", "'8.8.0.0/16'"),
        ({"subnet": "10.0.0.1/16"}, "subnet", "'10.0.0.1/16'"),
        ({"subnet": "10.0.0.0/22"}, "subnet", "'10.0.0.0/22'"),
        ({"subnet": "10.0.0.0/19", "partitions": partition(max_nodes=10000)}, "subnet", "/18"),
        ({"partitions": partition(max_nodes=16001)}, "partitions[0].max_nodes", "16000"),
        ({"images": {"debian13": {"release": "sid"}}}, "images.debian13.release", "'sid'"),
        ({"images": {"debian13": {"release": "trixie", "packages": ["a b"]}}}, "images.debian13.packages", "['a b']"),
        ({"images": {"debian13": {"release": "trixie", "packages": "htop"}}}, "images.debian13.packages", "'htop'"),
        ({"images": {"debian13": {"release": "trixie", "roles": ["/nosuch"]}}}, "images.debian13.roles", "/nosuch"),
        ({"images": {"debian13": {"release": "trixie", "roles": [7]}}}, "images.debian13.roles", "[7]"),
        ({"flavors": {"small": {"cpus": True, "memory_mb": 512}}}, "flavors.small.cpus", "True"),
        ({"flavors": {"small": {"cpus": 1, "memory_mb": 64, "gres": ["gpu"]}}}, "flavors.small.gres", "['gpu']"),
        (
            {"flavors": {"small": {"cpus": 1, "memory_mb": 64, "gres": ["gpu:a:2"]}}},
            "flavors.small.gres",
            "['gpu:a:2']",
        ),
        ({"flavors": {"small": {"cpus": 1, "memory_mb": 64, "gres": ["gpu:0"]}}}, "flavors.small.gres", "['gpu:0']"),
        ({"flavors": {"small": {"cpus": 1, "memory_mb": 64, "features": "a"}}}, "flavors.small.features", "'a'"),
        ({"slurm_conf": "\n# x\nNodeName=a\n"}, "slurm_conf, line 3", "'NodeName=a'"),
        ({"slurm_conf": "DebugFlags=Power clustername = x"}, "slurm_conf, line 1", "clustername"),
        ({"slurm_conf": "ReconfigFlags=KeepPartInfo"}, "slurm_conf, line 1", "ReconfigFlags"),
        ({"slurm_conf": "Include /etc/more"}, "slurm_conf, line 1", "'Include /etc/more'"),
        ({"slurm_conf": ["DebugFlags=Power"]}, "slurm_conf", "['DebugFlags=Power']"),
        ({"partitions": partition(slurm="Nodes=a")}, "partitions[0].slurm", "'Nodes=a'"),
        ({"partitions": partition(slurm="MaxTime=1-0\nNodeName=x")}, "partitions[0].slurm", "NodeName"),
        ({"partitions": partition(slurm={"MaxTime": 60})}, "partitions[0].slurm", "{'MaxTime': 60}"),
        ({"login": {"image": "no", "flavor": "small"}}, "login.image", "'no'"),
        ({"partitions": []}, "partitions", "[]"),
        ({"partitions": partition(name="cpu-x")}, "partitions[0].name", "'cpu-x'"),
        ({"partitions": partition(name="login")}, "partitions[0].name", "'login'"),
        ({"partitions": partition(max_nodes="four")}, "partitions[0].max_nodes", "'four'"),
        ({"partitions": partition(min_nodes=5)}, "partitions[0].min_nodes", "5"),
        ({"partitions": partition(warm=5)}, "partitions[0].warm", "5"),
        ({"partitions": partition(warm=1, scheduler="booking")}, "partitions[0].warm", "1"),
        ({"partitions": partition(schedule=[{"at": "8:00", "min_nodes": 1}])}, "partitions[0].schedule[0].at", "8:00"),
        (
            {"partitions": partition(schedule=[{"at": "08:00", "min_nodes": 5}])},
            "partitions[0].schedule[0].min_nodes",
            "5",
        ),
        ({"time_zone": "Berlin"}, "time_zone", "Berlin"),
        ({"partitions": partition(flavor="big")}, "partitions[0].flavor", "'big'"),
        ({"partitions": partition(scheduler="pbs")}, "partitions[0].scheduler", "'pbs'"),
        ({"partitions": partition(features=["a", "a"])}, "partitions[0].features", "['a', 'a']"),
        ({"partitions": [PARTITION, PARTITION]}, "partitions[1].name", "'cpu'"),
        ({"suspend_time": 0}, "suspend_time", "0"),
        ({"suspend_time": -5}, "suspend_time", "-5"),
        ({"resume_timeout": float("nan")}, "resume_timeout", "nan"),
        ({"suspend_timeout": 1e9}, "suspend_timeout", "1000000000.0"),
        ({"users": [{"name": "root", "uid": 2000}]}, "users[0].name", "'root'"),
        ({"users": [{"name": "a", "uid": 999}]}, "users[0].uid", "999"),
        ({"users": [{"name": "a", "uid": 60001}]}, "users[0].uid", "60001"),
        ({"users": [{"name": "a", "uid": 2000}, {"name": "b", "uid": 2000}]}, "users[1].uid", "2000"),
        ({"users": [{"name": "a", "uid": 2000, "gid": 0}]}, "users[0].gid", "0"),
        ({"users": [{"name": "a", "uid": 2000, "keys": [KEY[:40]]}]}, "users[0].keys", "['ssh-ed25519"),
        ({"users": [{"name": "a", "uid": 2000, "keys": [KEY + "\n" + KEY]}]}, "users[0].keys", "['ssh-ed25519"),
        ({"accounting": "yes"}, "accounting", "'yes'"),
        ({"accounting": True, "partitions": partition(scheduler="booking")}, "accounting", "True"),
        ({"accounts": [{"name": "root"}]}, "accounts[0].name", "'root'"),
        ({"accounts": [{"name": "a", "parent": "b"}, {"name": "b"}]}, "accounts[0].parent", "'b'"),
        ({"accounts": [{"name": "a"}, {"name": "a"}]}, "accounts[1].name", "'a'"),
        ({"users": [{"name": "a", "uid": 2000, "accounts": ["x"]}]}, "users[0].accounts", "'x'"),
        ({"bypass_users": "alice"}, "bypass_users", "'alice'"),
        ({"users": [{"name": "staff", "uid": 2000}]}, "users[0].name", "'staff'"),
        ({"users": [{"name": "operator", "uid": 2000}]}, "users[0].name", "group of Debian itself"),
        ({"users": [{"name": "_apt", "uid": 2000}]}, "users[0].name", "'_apt'"),
        ({"users": [{"name": "systemd-oom", "uid": 2000}]}, "users[0].name", "'systemd-oom'"),
        ({"users": [{"name": "a", "uid": 60000}]}, "users[0].uid", "60000"),
        ({"user_groups": [{"name": "staff", "gid": 2000}]}, "user_groups[0].name", "'staff'"),
        ({"user_groups": [{"name": "a", "gid": 50}]}, "user_groups[0].gid", "50"),
        ({"user_groups": [{"name": "a", "gid": 2000}, {"name": "b", "gid": 2000}]}, "user_groups[1].gid", "2000"),
        ({"user_groups": [{"name": "a", "gid": 2000}, {"name": "a", "gid": 2001}]}, "user_groups[1].name", "'a'"),
        ({"user_groups": [{"name": "alice", "gid": 2000}]}, "user_groups[0].name", "users[0] has it"),
        ({"user_groups": [{"name": "a", "gid": 10001}]}, "user_groups[0].gid", "users[0] has it"),
        ({"user_groups": [{"name": "a", "gid": 2000, "members": ["eve"]}]}, "user_groups[0].members", "'eve'"),
        ({"user_groups": {"a": 2000}}, "user_groups", "{'a': 2000}"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_one_fault_names_key_and_value(over: dict[str, object], key: str, found: str) -> None:
    (fault,) = replaced(**over)
    assert fault.startswith(f"{key}: ")
    assert found in fault
    assert "needs " in fault


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        ({"login": {**GOOD["login"], "size": 3}}, "login.size: unknown key, found 3; remove it, or use one of image, "),
        ({"partitions": partition(size=3)}, "partitions[0].size: unknown key, found 3; remove it, or use one of name,"),
        ({"colour": "blue"}, "colour: unknown key, found 'blue'; remove it, or use one of cluster_name, provider, "),
        ({True: "blue"}, "True: unknown key, found 'blue'; remove it, or use one of cluster_name, "),
    ],
)
def test_an_unknown_key_is_told_with_the_known_ones(over: dict[Any, object], fault: str) -> None:
    (found,) = faults({**GOOD, **over})
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        ({"mpi": 1}, "mpi: found 1; needs true or false"),
        ({"users": [{"uid": 2000}]}, "users[0].name: missing; needs a user name of lower-case letters, digits, _ and"),
        ({"users": [7]}, "users[0]: found 7; needs a mapping with the keys name, uid, gid, keys, admin, accounts"),
        ({"bypass_users": ["root", "kiwi"]}, "bypass_users: found ['root', 'kiwi']; needs a list of user names, none"),
        ({"flavors": {**GOOD["flavors"], "A": GOOD["flavors"]["small"]}}, "flavors: key: found 'A'; needs a name of "),
        ({"images": {**GOOD["images"], True: {"release": "trixie"}}}, "images: key: found True; needs a name of lower"),
        ({"cluster_name": "kiwi\n"}, "cluster_name: found 'kiwi\\n'; needs 1 to 10 lower-case letters and digits"),
    ],
    ids=str,
)
def test_a_fault_is_told_where_a_person_looks_for_it(over: dict[str, Any], fault: str) -> None:
    (found,) = faults({**GOOD, **over})
    assert found.startswith(fault)


def test_no_sentence_shows_pydantic() -> None:
    """Whatever the value and wherever it is, one sentence of ours tells it, and nothing is raised but SiteError."""
    for key in GOOD:
        for value in (None, 1.5, "", [None], {"a": None}, {None: {}}, [[]], [{"a": {}}], "\ud800"):
            for found in faults({**GOOD, key: value}):
                assert re.fullmatch(
                    r"[^:]+(: key)?: (found .*; |missing; |unknown key, found .*; )(needs|remove) .*", found
                )


def test_only_a_check_imports_pydantic() -> None:
    """Commands and Ansible's inventory start without it: it takes as long as they do."""
    code = "import sys, reconfigure.cli.main, reconfigure.cluster.inventory as _; sys.exit('pydantic' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).code == 0


def test_site_json_of_an_earlier_release_is_taken() -> None:
    found = site_data.freeze(files.read_json(Path(__file__).with_name("site-0.1.0.json")))
    assert [part.features for part in found.partitions] == [("big", "fast"), ("fast",)]
    assert [(user.name, user.gid, user.admin) for user in found.users] == [("alice", 1000, True), ("bob", 10002, False)]
    assert found.images == {"debian12": "bookworm", "debian13": "trixie"}
    assert found.data == files.read_json(Path(__file__).with_name("site-0.1.0.json"))


def test_a_second_provider_is_a_model_of_its_own() -> None:
    class Cloud(models.SiteData):
        provider: Literal["cloud"] = Field(title="Who makes the machines.", description="cloud")
        region: str = Field(title="Where they are.", description="a region such as here")

    providers = {**models.PROVIDERS, "cloud": Cloud}
    cloud = {**GOOD, "provider": "cloud"}
    assert validation.check(GOOD, providers)[0].lines == []
    assert validation.check({**cloud, "region": "here"}, providers)[0].lines == []
    assert validation.check(cloud, providers)[0].lines == ["region: missing; needs a region such as here"]
    (fault,) = validation.check({**GOOD, "region": "here"}, providers)[0].lines
    assert fault.startswith("region: unknown key")
    found = Draft7Validator(schema.schema(providers))
    for sound in ({"mpi": True}, {"provider": "local"}, {"provider": "cloud", "region": "here"}):
        found.validate(sound)
    assert not found.is_valid({"region": "here"})


def test_all_faults_come_at_once() -> None:
    assert len(replaced(suspend_time=-1, subnet="x", users=7)) == 3


def test_a_sound_key_is_taken() -> None:
    assert replaced(users=[{"name": "a", "uid": 2000, "keys": [KEY], "admin": True}]) == ()


def test_what_is_slurms_own_is_taken() -> None:
    flavors = {
        "small": {**GOOD["flavors"]["small"], "features": ["fast", "a"], "gres": ["gpu:tesla:2 File=/dev/a[0-1]"]}
    }
    partitions = partition(slurm="MaxTime=1-0 Default=YES", features=["a", "b"])
    found = site_data.check(
        {**GOOD, "flavors": flavors, "partitions": partitions, "slurm_conf": "# x\nDebugFlags=Power\n"}
    )
    assert found.partitions[0].features == ("a", "b", "fast")


def test_what_one_release_needs_is_free_on_the_other() -> None:
    images = {"debian13": {"release": "bookworm"}}
    assert replaced(images=images, slurm_conf="ReconfigFlags=KeepPartInfo") == ()
    assert "PrivateData" in replaced(images=images, slurm_conf="PrivateData=jobs")[0]


def test_standard_input_is_laid_over_the_shipped_data() -> None:
    found = site_data.load("-", io.StringIO(json.dumps({"cluster_name": "other"})))
    assert found.cluster_name == "other"
    assert found.partitions[0].name == "cpu"


@pytest.mark.parametrize("tasks", ["main.yml", "install.yml"])
def test_roles_are_found_from_the_site_file(tmp_path: Path, tasks: str) -> None:
    (tmp_path / "roles/motd/tasks").mkdir(parents=True)
    (tmp_path / "roles/motd/tasks" / tasks).touch()
    (tmp_path / "site.yml").write_text("images: {debian13: {release: trixie, roles: [roles/motd]}}")
    found = site_data.load(str(tmp_path / "site.yml"))
    assert found.data["images"]["debian13"]["roles"] == [str(tmp_path / "roles/motd")]
    again = site_data.load("-", io.StringIO(json.dumps(found.data)))
    assert again == found, "absolute paths stay"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3"),
        ("suspend_time: 1\nsuspend_time: 2\n", "line 2"),
        ("- 1\n", "keys and values"),
        ("", "keys and values"),
    ],
)
def test_yaml_faults_name_file_and_line(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "site.yml"
    path.write_text(text)
    with pytest.raises(site_data.SiteError) as caught:
        site_data.load(str(path))
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert caught.value.exit_code == USAGE


@pytest.mark.parametrize(
    "text",
    [
        "suspend_time: 2024-13-45",
        "2024-13-45: x",
        "a: !!int x",
        "a: !!float x",
        "a: !!bool x",
        "a: !!timestamp x",
        "a: " + "[" * 5000,
    ],
)
def test_what_yaml_cannot_make_of_a_text_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.yml"
    file.write_text(text)
    with pytest.raises(site_data.SiteError, match="not YAML") as caught:
        site_data.load(str(file))
    assert len(caught.value.faults) == 1
