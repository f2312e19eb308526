"""Users: added, changed and removed by site data; from node to node within their own jobs; nobody without a key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kiwi.common import process
from reconfigure.site import values
from tests.cluster.conftest import FIRST, REPO, SITES, Cluster, wait_for

PARTITIONS, SHIPPED = map(yaml.safe_load((REPO / "group_vars/all.yml").read_text()).get, ("partitions", "users"))
DAVE = {"name": "dave", "uid": 10004, "admin": True}
LINGERS = "setsid sleep 7777 >/dev/null 2>&1 </dev/null & sleep 0.2; pgrep -c -u $USER sleep"
ASK = "ssh -o BatchMode=yes"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two key pairs of dave's own."""
    made = {name: tmp_path_factory.mktemp("keys") / name for name in ("old", "new")}
    for path in made.values():
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)])
    return made


def site(folder: Path, *users: dict[str, Any], **over: Any) -> str:
    """The tests' site data with other users."""
    path = folder / "site.yml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(SITES[FIRST].read_text()), "users": list(users), **over}))
    return str(path)


def up_with(cluster: Cluster, folder: Path, *more: dict[str, Any], physicist: str) -> None:
    """More users than shipped, of whom one is in the group that the Slurm partition is for."""
    groups = [{"name": "physics", "gid": 20000, "members": [physicist]}]
    parts = [{**PARTITIONS[0], "slurm": "AllowGroups=physics"}, *PARTITIONS[1:]]
    data = site(folder, *SHIPPED, *more, user_groups=groups, partitions=parts)
    cluster.command("up", "--site", data, timeout=900)


def assert_physicist(cluster: Cluster, name: str, other: str) -> None:
    """One is in the group, on every machine and for Slurm, and the other is not."""
    for node in ("login", "cpu-1", "lab-1"):
        members = cluster.ssh(f"root@{node}", f"id -Gn {name}; id -Gn {other}").out.splitlines()
        assert members == [f"{name} physics", other], node
    submit = "runuser -l {} -c 'sbatch --parsable -J try -w cpu-1 -o /dev/null --wrap true'"
    theirs, others = (cluster.ssh("root@login", submit.format(user)).out.strip() for user in (name, other))
    reason = "squeue -a -h --states=all -o '%T %r' -j "
    wait_for("the job ran", lambda: "COMPLETED" in cluster.ssh("root@login", reason + theirs).out, 60)
    kept = cluster.ssh("root@login", f"{reason}{others}; scancel {others}").out
    assert kept.startswith("PENDING")
    assert "not in group permitted to use this partition" in kept


def public(key: Path) -> str:
    return Path(f"{key}.pub").read_text().strip()


def enter(cluster: Cluster, key: Path, node: str, command: str) -> process.Result:
    """As dave, with a key of dave's."""
    options = ["-F", str(cluster.clusterdir / "ssh_config"), "-i", str(key), "-o", "BatchMode=yes"]
    return process.run(["ssh", *options, f"dave@{node}", command], check=False, timeout=120)


def test_added_changed_removed(cluster: Cluster, keys: dict[str, Path], tmp_path: Path) -> None:
    up_with(cluster, tmp_path, {**DAVE, "keys": [public(keys["old"])]}, physicist="dave")
    assert_physicist(cluster, "dave", "alice")
    assert enter(cluster, keys["old"], "login", "sudo -n id -u").out.strip() == "0"
    assert enter(cluster, keys["old"], "login", "srun -w cpu-1 id -u").out.strip() == "10004"
    later = "sbatch -w cpu-2 --wrap 'id -u >later.txt; sleep 999'; sbatch -w cpu-2 --wrap 'sleep 999'"
    assert enter(cluster, keys["old"], "login", later).code == 0
    wait_for(
        "a job runs on a node made later", lambda: "RUNNING" in cluster.ssh("root@login", "squeue -ho %T").out, 120
    )

    up_with(cluster, tmp_path, {**DAVE, "admin": False, "keys": [public(keys["new"])]}, physicist="alice")
    assert_physicist(cluster, "alice", "dave")
    assert enter(cluster, keys["old"], "login", "true").code != 0
    assert enter(cluster, keys["new"], "login", "sudo -n id -u").code != 0
    assert enter(cluster, keys["new"], "login", f"kiwi alloc -w lab-2 -t 600; {LINGERS}").out.split()[-1] == "1"
    for node in ("lab-2", "cpu-2"):
        assert int(enter(cluster, keys["new"], node, LINGERS).out) >= 1, node

    cluster.up()
    gone_again(cluster, keys["new"])


def gone_again(cluster: Cluster, key: Path) -> None:
    """Nothing of dave's goes on anywhere, and the home is there."""
    for node in ("login", "cpu-2", "lab-2"):
        assert enter(cluster, key, node, "true").code != 0, node
        assert cluster.ssh(f"root@{node}", "getent passwd dave 10004", check=False).out == "", node
        ended = f"nothing of dave's runs on {node}"
        wait_for(ended, lambda node=node: not cluster.ssh(f"root@{node}", "pgrep -u 10004", check=False).out, 30)
    wait_for("dave has no job", lambda: cluster.ssh("root@login", "squeue -h").out == "", 60)
    wait_for("lab-2 is free", lambda: cluster.bookings()["lab-2"]["state"] == "free", 60)
    assert cluster.ssh("root@login", "stat -c %u /home/dave; cat /home/dave/later.txt").out.split() == ["10004"] * 2


def allocated(cluster: Cluster, user: str, nodes: str) -> Iterator[None]:
    """A job of the user's on these nodes, without a command."""
    cluster.ssh(f"{user}@login", f"salloc -w {nodes} --no-shell", timeout=180)
    yield
    cluster.ssh(f"{user}@login", f"scancel -u {user}")


@pytest.fixture
def job_of_alice(cluster: Cluster) -> Iterator[None]:
    yield from allocated(cluster, "alice", "cpu-1,cpu-2")


def test_a_slurm_node_is_for_those_with_a_job_there(cluster: Cluster) -> None:
    refused = cluster.ssh("alice@login", f"{ASK} cpu-1 true", check=False)
    assert refused.code != 0
    assert "salloc -p cpu -w cpu-1" in refused.err
    assert cluster.ssh("root@cpu-1", "true").code == 0


def test_from_node_to_node_within_a_job(cluster: Cluster, job_of_alice: None) -> None:
    assert cluster.ssh("alice@login", f"{ASK} cpu-1 {ASK} cpu-2 hostname").out.strip() == "cpu-2"
    for user, target in (("bob", "cpu-1"), ("bob", "cpu-2"), ("alice", "root@cpu-1")):
        assert cluster.ssh(f"{user}@login", f"{ASK} {target} true", check=False).code != 0, (user, target)
    assert cluster.ssh("alice@login", f"{ASK} cpu-1 {ASK} root@cpu-2 true", check=False).code != 0
    assert int(cluster.ssh("alice@cpu-2", LINGERS).out) == 1
    cluster.ssh("alice@login", "scancel -u alice")
    wait_for("alice has left cpu-2", lambda: not cluster.ssh("root@cpu-2", "pgrep -u alice", check=False).out, 60)
    assert cluster.ssh("alice@cpu-2", "true", check=False).code != 0


def test_no_machine_has_a_system_name_that_users_may_have(cluster: Cluster) -> None:
    for node in ("login", "cpu-1", "lab-1"):
        names = cluster.ssh(f"root@{node}", "cut -d: -f1 /etc/passwd /etc/group").out.split()
        ours = {name for name in names if not name.startswith(("_", "systemd-"))}
        assert ours <= set(values.SYSTEM_NAMES), node


def test_nobody_has_a_password(cluster: Cluster) -> None:
    look = "cat /etc/shadow /var/lib/extrausers/shadow | cut -d: -f2 | sort -u; grep -hc nullok /etc/pam.d/common-auth"
    for node in ("login", "cpu-1", "lab-1"):
        *fields, nullok = cluster.ssh(f"root@{node}", look, check=False).out.split()
        assert set(fields) <= {"*", "!", "!*", "!!"}
        assert nullok == "0"
    settings = cluster.ssh("root@login", "sshd -T").out.splitlines()
    assert {"passwordauthentication no", "permitemptypasswords no", "kbdinteractiveauthentication no"} <= set(settings)
    for command in ("su -c id", "sudo -n id", "su -c id bob", "sudo -n -u bob id"):
        assert cluster.ssh("alice@login", f"{command} </dev/null", check=False).code != 0, command


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"name": "bob", "uid": 10999}, "needs 10002, which bob has had"),
        ({"name": "eve", "uid": 10004}, "it is dave's"),
    ],
)
def test_ids_stay_with_their_users(cluster: Cluster, tmp_path: Path, user: dict[str, Any], said: str) -> None:
    before = (cluster.clusterdir / "site.json").read_bytes()
    others = [other for other in SHIPPED if other["name"] != user["name"]]
    refused = cluster.command("reconfigure", "init", "--site", site(tmp_path, *others, user), check=False)
    assert refused.code == 2
    assert said in refused.err
    assert "data/users.json" in refused.err
    assert (cluster.clusterdir / "site.json").read_bytes() == before
