"""What a killed bin/up leaves of Ansible: it ends with its parent, and the next one ends what stays."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kiwi.common import process, waiting
from reconfigure.clusterdir import orphans
from reconfigure.clusterdir.paths import ClusterDir

# A parent that forks as Ansible does: into a session of its own, blocked in a pipe whose other end it holds itself.
FORKS = """
import os, sys
from reconfigure.clusterdir import orphans
if sys.argv[1] == "bound":
    orphans.end_with_parent()
read, write = os.pipe()
if (child := os.fork()) == 0:
    os.setsid()
    while True:
        os.write(write, b"x" * 65536)
print(child, flush=True)
os.wait()
"""


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    return ClusterDir(tmp_path, "t")


@pytest.mark.parametrize("how", ["bound", "free"])
def test_forks_end_with_a_parent_that_is_killed(how: str) -> None:
    """Two of them stayed for a quarter of an hour, and outlived seven more bin/up."""
    parent = process.start([sys.executable, "-c", FORKS, how])
    assert parent.stdout is not None and parent.stderr is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    gone = waiting.until(lambda: not _runs(child), 5.0 if how == "bound" else 0.2, pause=0.02)
    if _runs(child):
        child.kill()
    parent.stdout.close()
    parent.stderr.close()
    assert gone is (how == "bound")


def _runs(found: psutil.Process) -> bool:
    return found.is_running() and found.status() != psutil.STATUS_ZOMBIE


@pytest.fixture
def ansible(tmp_path: Path) -> Iterator[list[process.Child[str]]]:
    """Processes that look as Ansible's do, to be filled by `begin`."""
    (tmp_path / "ansible-playbook").write_text("import signal, sys, time\nprint(1, flush=True)\ntime.sleep(60)\n")
    started: list[process.Child[str]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def begin(started: list[process.Child[str]], tmp_path: Path, mark: str, program: str = "ansible-playbook") -> int:
    source = tmp_path / program
    source.write_text((tmp_path / "ansible-playbook").read_text())
    env = {**os.environ, "KIWI_UP": mark}
    child = process.start([sys.executable, str(source), "main.yml"], env=env, new_session=True)
    started.append(child)
    assert child.stdout is not None
    child.stdout.readline()
    return child.pid


def test_only_ansible_of_a_dead_bin_up_of_this_cluster_is_ended(
    clusterdir: ClusterDir, ansible: list[process.Child[str]], tmp_path: Path
) -> None:
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    mine, other = str(clusterdir.path), str(clusterdir.path.with_name("other"))
    orphan = begin(ansible, tmp_path, f"{os.getpid()} 1 {mine}")  # its number is another process's by now
    begin(ansible, tmp_path, f"{os.getpid()} {start} {mine}")
    begin(ansible, tmp_path, f"{os.getpid()} 1 {other}")
    begin(ansible, tmp_path, f"{os.getpid()} 1 {mine}", "reconfigure")
    assert orphans.left(clusterdir) == [orphan]
    orphans.end(clusterdir)
    assert ansible[0].wait() == -signal.SIGTERM
    assert [child.poll() for child in ansible[1:]] == [None, None, None]
    assert orphans.left(clusterdir) == []


def test_one_that_ignores_a_termination_is_killed(
    clusterdir: ClusterDir, ansible: list[process.Child[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (tmp_path / "ansible-playbook").read_text()
    (tmp_path / "ansible-playbook").write_text(
        text.replace("print(", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(")
    )
    monkeypatch.setattr(orphans, "ROUNDS", ((signal.SIGTERM, 0.1), (signal.SIGKILL, 10.0)))
    begin(ansible, tmp_path, f"{os.getpid()} 1 {clusterdir.path}")
    began = time.monotonic()
    orphans.end(clusterdir)
    assert ansible[0].wait() == -signal.SIGKILL
    assert time.monotonic() - began < 10
