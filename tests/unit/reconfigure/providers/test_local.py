"""LocalProvider: what it observes from folders and processes, and what it asks the scripts for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kiwi.common.process import CommandError
from reconfigure.providers.base import Machine
from reconfigure.providers.local import DATA, LocalProvider

SCRIPT = """\
echo "${0##*/} $*" "$(env | grep ^KIWI_ | sort | tr '\\n' ' ')" >>"$KIWI_HOME/log"
"""


@pytest.fixture
def provider(tmp_path: Path) -> LocalProvider:
    """A provider with scripts that only write down how they were called, and no process at all."""
    clusterdir = tmp_path / "clusters" / "tb"
    scripts = clusterdir / "terraform" / "local"
    scripts.mkdir(parents=True)
    for name in ("machine.sh", "network.sh"):
        (scripts / name).write_text(SCRIPT)
    (clusterdir / "machines").mkdir()
    return LocalProvider(clusterdir, "tb", "198.18.202.0/24", tmp_path, proc=tmp_path / "proc")


def calls(provider: LocalProvider) -> list[str]:
    return (provider.folder / "log").read_text().splitlines()


def machine(provider: LocalProvider, folder: str, **record: object) -> Path:
    """A machine's folder; with a record where one is given."""
    path = provider.folder / "machines" / folder
    path.mkdir()
    if record:
        (path / "instance.json").write_text(json.dumps({"version": 1, "image": "h1", **record}))
    return path


def process(provider: LocalProvider, pid: int, start: int, state: str = "S") -> None:
    """A process as /proc shows it; its name has what would mislead a careless parser."""
    folder = provider.proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} (un) share) {state} " + "0 " * 18 + f"{start} 0 0\n")


def test_observe_nothing(provider: LocalProvider) -> None:
    assert provider.observe() == ()
    (provider.folder / "machines").rmdir()
    assert provider.observe() == ()


def test_observe_running(provider: LocalProvider) -> None:
    machine(provider, "cpu-1.i1", pid=7, pid_start=100)
    process(provider, 7, 100)
    assert provider.observe() == (Machine("cpu-1", "i1", "h1", "running", ""),)


@pytest.mark.parametrize(
    ("start", "state"),
    [
        pytest.param(101, "S", id="pid-used-again"),
        pytest.param(100, "Z", id="zombie"),
        pytest.param(None, "", id="gone"),
    ],
)
def test_observe_stopped(provider: LocalProvider, start: int | None, state: str) -> None:
    folder = machine(provider, "cpu-1.i1", pid=7, pid_start=100)
    (folder / "console.log").write_text("a\n\x1b[0;1mPowering off.\x1b[0m\r\n\nContainer x has been shut down.\n")
    if start is not None:
        process(provider, 7, start, state)
    fault = "cpu-1 ended; its last words: Powering off. Container x has been shut down."
    assert provider.observe() == (Machine("cpu-1", "i1", "h1", "stopped", fault),)


def test_observe_stopped_without_a_word(provider: LocalProvider) -> None:
    machine(provider, "cpu-1.i1", pid=7, pid_start=100)
    assert provider.observe()[0].fault == "cpu-1 ended; it left no word"


def test_observe_reads_the_end_of_a_long_console(provider: LocalProvider) -> None:
    folder = machine(provider, "cpu-1.i1", pid=7, pid_start=100)
    (folder / "console.log").write_bytes(b"\xff" * 100_000 + b"\nlast\n")
    assert provider.observe()[0].fault.endswith(" last")


def test_observe_remains(provider: LocalProvider) -> None:
    machine(provider, "cpu-2.i2")
    machine(provider, ".cpu-1.i1", pid=7, pid_start=100)
    assert provider.observe() == (
        Machine("cpu-1", "i1", "", "error", "the removal of cpu-1 did not finish"),
        Machine("cpu-2", "i2", "", "error", "the creation of cpu-2 did not finish"),
    )


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"version":2,"image":"h","pid":1,"pid_start":1}', '{"version":1,"image":"h","pid":"x"}'],
)
def test_observe_tells_of_a_bad_record_and_goes_on(provider: LocalProvider, text: str) -> None:
    (machine(provider, "cpu-1.i1") / "instance.json").write_text(text)
    machine(provider, "cpu-2.i2", pid=7, pid_start=100)
    process(provider, 7, 100)
    bad, good = provider.observe()
    assert (bad.state, good.state) == ("error", "running")
    assert "machines/cpu-1.i1/instance.json is no record of a machine" in bad.fault


def test_observe_a_real_process(provider: LocalProvider) -> None:
    stat = Path("/proc/self/stat").read_text()
    machine(provider, "cpu-1.i1", pid=os.getpid(), pid_start=int(stat.rpartition(")")[2].split()[19]))
    real = LocalProvider(provider.folder, "tb", provider.subnet, provider.root)
    assert real.observe()[0].state == "running"


def test_clear_one_or_all_of_a_name(provider: LocalProvider) -> None:
    provider.clear("cpu-1")
    provider.clear("cpu-1", "i1")
    common = f"KIWI_CLUSTER=tb KIWI_HOME={provider.folder}"
    assert calls(provider) == [
        f"machine.sh clear {common} KIWI_INSTANCE= KIWI_NAME=cpu-1 ",
        f"machine.sh clear {common} KIWI_INSTANCE=i1 KIWI_NAME=cpu-1 ",
    ]


def test_teardown_clears_before_the_network_goes(provider: LocalProvider) -> None:
    provider.teardown()
    assert [call.split(" KIWI")[0] for call in calls(provider)] == ["machine.sh clear", "network.sh down"]
    assert "KIWI_NAME" not in calls(provider)[0]
    assert f"KIWI_HOST={provider.root}/host" in calls(provider)[1]


def test_teardown_of_what_never_was(tmp_path: Path) -> None:
    LocalProvider(tmp_path / "none", "tb", "198.18.202.0/24", tmp_path).teardown()


def test_a_script_that_fails_is_told_with_its_words(provider: LocalProvider) -> None:
    (provider.folder / "terraform/local/machine.sh").write_text("echo 'its processes do not end' >&2; exit 1\n")
    with pytest.raises(CommandError, match="its processes do not end"):
        provider.clear("cpu-1")


def test_prepare(provider: LocalProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: owners.update({path.name: (uid, gid)}))
    provider.prepare()
    provider.prepare()
    assert owners == {"home": (0, 0), "state": (0, 0), "slurmctld": (64030, 64030)}
    modes = {name: (provider.folder / "data" / name).stat().st_mode & 0o777 for name, _, _ in DATA}
    assert modes == {"home": 0o755, "state": 0o711, "slurmctld": 0o700}
    up, again = calls(provider)
    assert up == again
    assert up.startswith("network.sh up ")
    assert "KIWI_GATEWAY=198.18.202.1/24" in up
    assert "KIWI_SUBNET=198.18.202.0/24" in up
