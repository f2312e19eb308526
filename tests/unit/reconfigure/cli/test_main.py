"""The command line: exit codes, one message each, nothing written on a fault."""

from __future__ import annotations

import errno
import json
import re
import sys
from pathlib import Path

import pytest

from kiwi.common.commandline import SHELLS
from kiwi.common.errors import BUSY, FAILED, OK, USAGE
from kiwi.common.process import CommandError
from reconfigure.cli import main as cli
from reconfigure.cli import tables
from reconfigure.clusterdir import lock
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.providers import local
from reconfigure.providers.local import LocalProvider
from reconfigure.slurm.controller import Controller
from reconfigure.terraform.client import Terraform
from reconfigure.terraform.events import Instance
from reconfigure.worker import supervisor


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KIWI_ROOT", str(tmp_path))
    monkeypatch.delenv("KIWI_CLUSTER", raising=False)
    monkeypatch.setattr(LocalProvider, "check", lambda provider: None)  # this host may have a cluster there
    return tmp_path


def site_file(root: Path, text: str) -> str:
    (root / "site.yml").write_text(text)
    return str(root / "site.yml")


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in cli.command_names():
        with pytest.raises(SystemExit) as caught:
            cli.main([command, "--help"])
        assert caught.value.code == 0
        assert f"reconfigure {command}" in capsys.readouterr().out


def test_check_prints_one_value_or_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--print", "cluster_name"]) == OK
    assert capsys.readouterr().out == "kiwi\n"
    assert cli.main(["check", "--quiet"]) == OK
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("command", [["check"], ["init"]])
def test_faults_are_told_at_once_and_nothing_is_written(
    root: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    path = site_file(root, "suspend_time: -3\ncolour: blue\n")
    assert cli.main([*command, "--site", path]) == USAGE
    told = capsys.readouterr().err
    assert "suspend_time: found -3" in told
    assert "colour: unknown key, found 'blue'; remove it, or use one of cluster_name, " in told
    assert [p.name for p in root.iterdir()] == ["site.yml"]


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["sync"], ["resume", "cpu-1"], ["serve"], ["serve", "--detach"], ["ssh-config"]],
    ids=lambda arguments: " ".join(arguments),
)
def test_a_cluster_that_does_not_exist_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--cluster", "nosuch", *arguments]) == USAGE
    assert "there is no cluster 'nosuch'" in capsys.readouterr().err


def test_another_cluster_than_the_site_data_names_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--cluster", "other", "init"]) == USAGE
    assert "cluster_name" in capsys.readouterr().err


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

    monkeypatch.undo()
    monkeypatch.setenv("KIWI_ROOT", str(root))
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


def test_down_of_what_never_was(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down", "--all"]) == OK
    assert "nothing to remove" in capsys.readouterr().out
    assert not (root / "clusters").exists()


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


def test_the_unit_has_what_the_worker_needs(root: Path) -> None:
    argv = supervisor.unit_argv(ClusterDir(root, "kiwi"), root / "serve.log")
    assert argv[:2] == ["systemd-run", "--unit=kiwi-kiwi-serve.service"]
    for needed in ("--property=Restart=always", "--property=KillMode=process", f"--setenv=KIWI_ROOT={root}"):
        assert needed in argv
    assert argv[-4:] == ["--cluster", "kiwi", "serve", "--log"]


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_names_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == OK
    script = capsys.readouterr().out
    assert [name for name in cli.command_names() if not re.search(rf"[ '(]{name}[ :')]", script)] == []


def test_help_has_every_command_in_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out
    groups = re.split(r"^(?:every day|by hand|called by others):$", shown, flags=re.MULTILINE)[1:]
    assert len(groups) == 3
    assert re.findall(r"^  ([a-z][\w-]*)", groups[0], flags=re.MULTILINE) == ["status", "why", "check", "ssh-config"]
    assert [name for name in cli.command_names() if f"\n  {name} " not in "".join(groups)] == []


def test_an_unknown_option_is_told_with_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["image", "bake", "debian13", "--jso"], ["sync", "--dry"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        shown = capsys.readouterr().err
        assert caught.value.code == USAGE
        assert shown.startswith(f"usage: reconfigure {' '.join(arguments[:-1]).removesuffix(' debian13')} [-h]")
        assert f"unrecognized arguments: {arguments[-1]}" in shown


def test_paths_are_listed_without_machines(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init"]) == OK
    capsys.readouterr()
    assert cli.main(["status", "--paths", "--json"]) == OK
    places = {place["path"] for place in json.loads(capsys.readouterr().out)}
    assert str(root / "clusters" / "kiwi" / "log" / "serve.log") in places


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_closed_output_is_no_terminal(monkeypatch: pytest.MonkeyPatch, closed: str) -> None:
    monkeypatch.setattr(sys, closed, None)
    assert not tables.on_terminal(getattr(sys, closed))


def test_who_may_not_read_the_folder_is_told_so(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(clusterdir: ClusterDir) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(clusterdir.nodeset))

    monkeypatch.setattr(ClusterDir, "require", refused)
    assert cli.main(["status"]) == FAILED
    assert "nodeset.json: Permission denied; only root" in capsys.readouterr().err
