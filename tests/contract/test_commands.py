"""Commands on a cluster without machines, whose nodes real Terraform works out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiwi.common.errors import BUSY, FAILED, OK, USAGE, KiwiError
from kiwi.common.process import CommandError
from reconfigure.cli import main as cli
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import lock
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.planning.observed import Observed
from reconfigure.providers import local
from reconfigure.slurm.controller import Controller
from reconfigure.terraform.client import Terraform
from reconfigure.terraform.events import Instance


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KIWI_ROOT", str(tmp_path))
    monkeypatch.delenv("KIWI_CLUSTER", raising=False)
    return tmp_path


def site_file(root: Path, text: str) -> str:
    (root / "site.yml").write_text(text)
    return str(root / "site.yml")


def test_init_twice_then_nodes_by_hand(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init"]) == OK
    assert json.loads(capsys.readouterr().out)["changed"] is True
    assert cli.main(["init"]) == OK
    assert json.loads(capsys.readouterr().out)["changed"] is False
    for wrong, said in (("cpu-9", "cpu-9"), ("cpu-[1", "cpu-[1"), ("", "nodes")):
        assert cli.main(["resume", wrong]) == USAGE
        assert said in capsys.readouterr().err
    assert cli.main(["sync", "--dry-run"]) == OK
    assert capsys.readouterr().out == "create: cpu-1,lab-[1-2],login (it is always up, and has no machine that runs)\n"
    private = [p for p in (root / "clusters" / "kiwi").rglob("*") if p.is_file() and ".terraform" not in p.parts]
    assert [p for p in private if "terraform" not in p.parts and p.stat().st_mode & 0o077] == []


def test_two_clusters_must_not_overlap(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init"]) == OK
    assert cli.main(["init", "--site", site_file(root, "cluster_name: other\n")]) == USAGE
    assert "subnet: found '198.18.0.0/16'" in capsys.readouterr().err
    assert not (root / "clusters" / "other").exists()


def test_a_subnet_that_the_host_reaches_is_refused_before_anything_is_written(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object, **__: object) -> None:
        raise CommandError(["bash", "network.sh", "check"], 1, "subnet 198.18.0.0/16 overlaps what this host reaches")

    monkeypatch.setattr(local.process, "run", taken)
    assert cli.main(["init"]) == USAGE
    assert "subnet 198.18.0.0/16 overlaps what this host reaches" in capsys.readouterr().err
    assert not (root / "clusters").exists()


def test_a_slurm_that_cannot_read_the_saved_state_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init"]) == OK
    assert cli.main(["down"]) == OK
    partition = (
        "{name: cpu, scheduler: slurm, min_nodes: 0, max_nodes: 1, image: debian12, flavor: small, features: []}"
    )
    older = site_file(root, f"login: {{image: debian12, flavor: small}}\npartitions: [{partition}]\n")
    assert cli.main(["init", "--site", older]) == USAGE
    assert "login.image: found 'debian12'; needs an image with Slurm 24.11" in capsys.readouterr().err
    assert not (root / "clusters" / "kiwi" / "site.json").exists()
    assert cli.main(["down", "--all"]) == OK
    assert cli.main(["init", "--site", older]) == OK


def whole(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a folder: mode and content. The lock says who held it last."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes()) for path in found}


REFUSED = {
    "another address for a machine that is there": "partitions: [{name: gpu, %s}, {name: cpu, %s}]",
    "a subnet of another cluster": "subnet: 10.77.0.0/16",
    "other ids for a user": "users: [{name: alice, uid: 20001, keys: [], admin: true}]",
    "no flavor of that name": "login: {image: debian13, flavor: nosuch}",
    "no such key": "colour: blue",
    "no YAML": "users: [",
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """A refused `init` left the cluster without its nodeset: no command worked any more."""
    partition = "scheduler: slurm, min_nodes: 1, max_nodes: 2, image: debian13, flavor: small, features: []"
    assert cli.main(["init"]) == OK
    (root / "clusters" / "other").mkdir()
    (root / "clusters" / "other" / "site.json").write_text('{"subnet": "10.77.0.0/16"}')
    monkeypatch.setattr(Terraform, "instances", lambda self: {"cpu-1": Instance("id", "address")})
    before = whole(root / "clusters")
    file = site_file(root, REFUSED[why].replace("%s", partition) + "\n")
    assert cli.main(["init", "--site", file]) == USAGE
    assert whole(root / "clusters") == before
    assert cli.main(["init"]) == OK


def test_a_held_lock_is_told_by_name(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["init"]) == OK
    monkeypatch.setattr(lock, "WAIT", 0)
    with lock.hold(ClusterDir(root, "kiwi").path / "lock", wait=0):
        assert cli.main(["sync"]) == BUSY
    assert "process " in capsys.readouterr().err


def test_sync_mends_the_host_before_it_asks_anybody(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without bridge or rules nobody on the cluster could be asked; a dry run changes nothing on the host either."""
    assert cli.main(["init"]) == OK
    calls: list[str] = []

    def prepare(self: local.LocalProvider) -> tuple[str, ...]:
        calls.append("prepare")
        return ("bridge kw-kiwi", "rules")

    def observe(self: Cluster) -> Observed:
        calls.append("observe")
        raise KiwiError("enough of it")

    monkeypatch.setattr(local.LocalProvider, "prepare", prepare)
    monkeypatch.setattr(Cluster, "observe", observe)
    assert cli.main(["sync", "--dry-run"]) == FAILED
    assert calls == ["observe"]
    assert cli.main(["sync"]) == FAILED
    assert calls == ["observe", "prepare", "observe"]
    assert "made or mended on this host: bridge kw-kiwi, rules\n" in capsys.readouterr().err


def test_down_asks_nobody_where_no_machine_runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the cluster's bridge its addresses are somebody else's."""
    assert cli.main(["init"]) == OK
    asked: list[object] = []
    monkeypatch.setattr(Controller, "call", lambda self, command: asked.append(command))
    assert cli.main(["down"]) == OK
    assert asked == []


def test_down_keeps_data_and_keys(root: Path) -> None:
    assert cli.main(["init"]) == OK
    clusterdir = root / "clusters" / "kiwi"
    (clusterdir / "terraform" / "local" / "machine.sh").unlink()  # half-made: nothing was ever made on this host
    assert cli.main(["down"]) == OK
    assert {p.name for p in clusterdir.iterdir()} == {"data", "ca", "keys"}
    authority = (clusterdir / "ca" / "host_ca.pub").read_text()
    assert cli.main(["init"]) == OK
    assert (clusterdir / "ca" / "host_ca.pub").read_text() == authority
    (clusterdir / "terraform" / "local" / "machine.sh").unlink()
    assert cli.main(["down", "--all"]) == OK
    assert not clusterdir.exists()


def test_paths_are_listed_without_machines(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init"]) == OK
    capsys.readouterr()
    assert cli.main(["status", "--paths", "--json"]) == OK
    places = {place["path"] for place in json.loads(capsys.readouterr().out)}
    assert str(root / "clusters" / "kiwi" / "log" / "serve.log") in places
