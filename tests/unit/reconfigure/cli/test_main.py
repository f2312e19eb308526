"""The command line: exit codes, one message each, nothing written on a fault."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path

import pytest

from kiwi.common.commandline import SHELLS
from kiwi.common.errors import FAILED, OK, USAGE
from reconfigure.cli import main as cli
from reconfigure.cli import tables
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.providers.local import LocalProvider
from reconfigure.site import data as site_data
from reconfigure.site import written
from reconfigure.worker import supervisor


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KIWI_ROOT", str(tmp_path))
    monkeypatch.delenv("KIWI_CLUSTER", raising=False)
    monkeypatch.setattr(LocalProvider, "check", lambda provider: None)  # this host may have a cluster there
    monkeypatch.setattr(LocalProvider, "elsewhere", lambda provider: "")
    monkeypatch.setattr(LocalProvider, "teardown", lambda provider: None)  # its scripts change the host
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


def test_down_of_what_never_was(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["down", "--all"]) == OK
    assert "nothing to remove" in capsys.readouterr().out
    assert not (root / "clusters").exists()


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


@pytest.mark.parametrize(
    ("more", "printed"), [([], "kiwi\n"), (["--json"], '"kiwi"\n')], ids=["as it is", "for programs"]
)
def test_one_key_is_printed(more: list[str], printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--print", "cluster_name", *more]) == OK
    assert capsys.readouterr().out == printed


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


def test_an_empty_key_is_no_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--print", ""]) == USAGE
    assert "--print: found ''; needs one of cluster_name, " in capsys.readouterr().err


def test_a_check_is_of_the_cluster_that_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It spoke of the cluster kiwi, whichever was named."""
    monkeypatch.setenv("KIWI_CLUSTER", "trial")
    assert cli.main(["check"]) == USAGE
    assert "there is no cluster 'trial'" in capsys.readouterr().err
    clusterdir = ClusterDir(root, "trial")
    clusterdir.path.mkdir(parents=True)
    written.write(clusterdir, {**site_data.load(None).data, "cluster_name": "trial"})
    assert cli.main(["check"]) == OK
    assert "the site data is sound: cluster trial, " in capsys.readouterr().out
    assert cli.main(["check", "--site", site_file(root, "cluster_name: third\n")]) == OK
    assert "the site data is sound: cluster third, " in capsys.readouterr().out
