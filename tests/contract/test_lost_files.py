"""Files of a cluster's folder that are lost, empty, half written or of another shape: nothing is destroyed for want of
them, what only looks says which file and what mends it, and bin/up has them again.

Terraform is real, machines are not: those that run are given. Who has them cannot be asked, no login node answers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiwi.common.errors import BUSY, OK, USAGE
from reconfigure.cli import main as cli
from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.providers.base import Machine
from reconfigure.providers.local import LocalProvider

BROKEN = {"lost": None, "empty": "", "half written": '{"partitions": [', "no object": "[]", "another shape": '{"a": 1}'}
WRONG = {
    "site.json": '{"partitions": 5, "flavors": {}, "cluster_name": "kiwi", "subnet": "10.2.0.0/16"}',
    "nodeset.json": '{"version": 1, "nodes": {"login": 7}}',
}
how = pytest.mark.parametrize("how", BROKEN)
both = pytest.mark.parametrize("name", ["site.json", "nodeset.json"])


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    """The machines of the host; login and cpu-2 run."""
    found = [Machine(name, "i1", "h", "running", "") for name in ("cpu-2", "login")]
    monkeypatch.setattr(LocalProvider, "check", lambda provider: None)
    monkeypatch.setattr(LocalProvider, "elsewhere", lambda provider: "")
    monkeypatch.setattr(LocalProvider, "observe", lambda provider: tuple(found))
    monkeypatch.setattr(LocalProvider, "teardown", lambda provider: found.clear())
    monkeypatch.setattr(LocalProvider, "unreachable", lambda provider, address: "no way there")
    return found


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machines: list[Machine], capsys: pytest.CaptureFixture[str]
) -> ClusterDir:
    """The folder of a cluster that was set up."""
    monkeypatch.setenv("KIWI_ROOT", str(tmp_path))
    monkeypatch.delenv("KIWI_CLUSTER", raising=False)
    given, machines[:] = list(machines), []
    assert cli.main(["init"]) == OK
    machines[:] = given
    capsys.readouterr()
    return ClusterDir(tmp_path, "kiwi")


def spoil(path: Path, how: str) -> None:
    if (text := BROKEN[how]) is None:
        path.unlink()
    else:
        path.write_text(text)


def fewer(home: ClusterDir) -> str:
    """A site file that takes cpu-2 and all after it away."""
    data = json.loads((home.path / "kept.site.json").read_text())
    for part in data["partitions"]:
        part.update(max_nodes=1, min_nodes=0)
    path = home.root / "fewer.yml"
    path.write_text(json.dumps({"partitions": data["partitions"]}))
    return str(path)


@how
@both
def test_down_asks_nobody_and_removes_nothing(
    home: ClusterDir, machines: list[Machine], capsys: pytest.CaptureFixture[str], name: str, how: str
) -> None:
    """It removed a cluster under its jobs: a file that was not there skipped the question."""
    spoil(home.path / name, how)
    assert cli.main(["down"]) == BUSY
    told = capsys.readouterr().err
    assert f"{home.path / name}" in told
    assert "cpu-2,login run" in told
    assert "bin/up mends it" in told
    assert len(machines) == 2
    assert cli.main(["down", "--force"]) == OK
    assert machines == []


def test_down_of_a_cluster_that_never_came_up(home: ClusterDir, machines: list[Machine]) -> None:
    """A first bin/up that was killed has no machines, so nobody has one."""
    machines.clear()
    home.site.unlink()
    assert cli.main(["down", "--all"]) == OK
    assert not home.path.exists()


@how
def test_up_takes_the_site_data_from_its_copy_and_then_looks_at_the_edit(
    home: ClusterDir, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    """An edit that takes nodes away was applied at once, since nothing said what there was before."""
    site, before = fewer(home), home.site.read_text()
    spoil(home.site, how)
    assert cli.main(["accept", "--site", site]) == BUSY
    assert home.site.read_text() == before
    told = capsys.readouterr()
    assert json.loads(told.out)["partitions"] == json.loads(before)["partitions"]
    assert "an edit of the site data waits" in told.err


def test_up_changes_nothing_where_the_copy_is_lost_too_and_machines_run(
    home: ClusterDir, machines: list[Machine], capsys: pytest.CaptureFixture[str]
) -> None:
    site = fewer(home)
    home.site.write_text("{")
    home.kept_site.unlink()
    for command in ("accept", "init"):
        assert cli.main([command, "--site", site]) == BUSY
        told = capsys.readouterr()
        assert told.out == ""
        assert f"{home.site} and its copy kept.site.json are lost or broken; nothing was changed" in told.err
    assert cli.main(["accept", "--site", site, "--force"]) == OK
    machines.clear()
    assert cli.main(["accept", "--site", site]) == OK
    assert cli.main(["init"]) == OK
    assert home.site.read_text() == home.kept_site.read_text()


@how
def test_up_makes_the_nodes_anew_with_their_addresses(
    home: ClusterDir, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    before = home.nodeset.read_text()
    spoil(home.nodeset, how)
    assert cli.main(["accept"]) == OK
    assert home.nodeset.read_text() == before
    assert [event["reason"] for event in journal.read(home)[0] if event["event"] == "mended"] != []


@pytest.mark.parametrize(
    "name", ["sizes.json", "cooldown.json", "waiting.json", "drains.json", "terraform/local/nodes.auto.tfvars.json"]
)
def test_up_sets_notes_aside_that_nobody_can_read(home: ClusterDir, name: str) -> None:
    path = home.path / name
    path.write_text('{"a": 1}')
    assert cli.main(["accept"]) == OK
    assert not path.exists()
    assert [found.read_text() for found in path.parent.glob(f"{path.name}.broken-*")] == ['{"a": 1}']


@pytest.mark.parametrize("command", [["status"], ["sync", "--dry-run"], ["ssh-config"], ["resume", "cpu-1"]])
@both
def test_who_looks_is_told_which_file_it_is_and_what_mends_it(
    home: ClusterDir, capsys: pytest.CaptureFixture[str], name: str, command: list[str]
) -> None:
    """They were FileNotFoundError, KeyError and TypeError."""
    for text in (*BROKEN.values(), WRONG[name]):
        if text is None:
            (home.path / name).unlink(missing_ok=True)
        else:
            (home.path / name).write_text(text)
        assert cli.main(command) == USAGE
        told = capsys.readouterr().err
        assert told.startswith(f"reconfigure: {home.path / name}"), text
        assert told.endswith("\n  bin/up mends it\n"), text


def test_another_clusters_broken_file_stops_nobody(home: ClusterDir) -> None:
    other = ClusterDir(home.root, "other")
    other.path.mkdir()
    other.site.write_text("{")
    assert cli.main(["accept"]) == OK


def test_status_shows_the_rest_where_state_and_queue_are_broken(
    home: ClusterDir, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was Terraform's raw words, and a traceback of sqlite."""
    home.state.write_text("{")
    home.queue.write_text("x" * 8192)
    assert cli.main(["status", "--json"]) == OK
    shown = capsys.readouterr()
    nodes = {row["node"]: row for row in json.loads(shown.out)["nodes"]}
    assert (nodes["login"]["machine"], nodes["login"]["terraform"]) == ("running", "")
    assert f"{home.queue} cannot be read" in shown.err
    assert f"{home.state} is broken, and there is no copy of it" in shown.err
    assert home.queue.read_text() == "x" * 8192
