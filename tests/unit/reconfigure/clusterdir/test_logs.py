"""Logs: in one place, listed, bounded."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir import journal, logs
from reconfigure.clusterdir.paths import ClusterDir


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    found = ClusterDir(tmp_path, "kiwi")
    found.log.mkdir(parents=True)
    return found


def test_every_place_is_listed_with_its_size(clusterdir: ClusterDir) -> None:
    journal.write(clusterdir, "worker started")
    (clusterdir.log / "up.log").write_bytes(b"x" * 3000)
    (clusterdir.log / "up.log.1").write_bytes(b"x" * 3000)
    console = clusterdir.path / "machines" / "cpu-2.17" / "console.log"
    console.parent.mkdir(parents=True)
    console.write_text("hello")
    found = {Path(place.path).name: place for place in logs.written(clusterdir) if place.bytes is not None}
    assert found["journal.jsonl"].bytes == clusterdir.journal.stat().st_size
    assert found["up.log"].bytes == 6000
    assert found["serve.log"].bytes == 0
    assert (found["console.log"].what, found["console.log"].bytes) == ("console of cpu-2", 5)
    commands = [place.path for place in logs.written(clusterdir) if place.bytes is None]
    assert "bin/login --cluster kiwi root@login journalctl -u slurmctld" in commands


@pytest.mark.parametrize(
    ("count", "words"), [(None, "-"), (0, "0 B"), (1023, "1023 B"), (6000, "5 KiB"), (5 << 20, "5 MiB")]
)
def test_sizes_are_shown_in_one_unit(count: int | None, words: str) -> None:
    assert logs.size(count) == words


WRITES = """
import logging, os, sys
from pathlib import Path
from reconfigure.clusterdir import logs
logs.LIMIT = 2000
logs.to_file(Path(sys.argv[1]))
for number in range(200):
    logging.getLogger("x").warning("line %d", number)
print("printed", flush=True)
os.system("echo of a child >&2")
"""


def test_the_workers_log_turns_over_and_has_what_children_say(clusterdir: ClusterDir) -> None:
    path = clusterdir.log / "serve.log"
    done = process.run([sys.executable, "-c", WRITES, str(path)])
    assert (done.out, done.err) == ("", "")
    assert sorted(p.name for p in clusterdir.log.iterdir()) == [
        "serve.log",
        "serve.log.1",
        "serve.log.2",
        "serve.log.3",
    ]
    assert all(p.stat().st_size < 2200 for p in clusterdir.log.iterdir())
    assert path.read_text().endswith("printed\nof a child\n")
    assert "WARNING line 199" in path.read_text()


def test_a_console_keeps_its_end(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 100)
    path = clusterdir.log / "console.log"
    with path.open("ab", buffering=0) as machine:
        machine.write(b"a" * 90)
        logs.trim(path)
        assert path.stat().st_size == 90
        machine.write(b"b" * 30)
        logs.trim(path)
        machine.write(b"c")
    assert path.read_bytes() == b"c"
    assert path.with_name("console.log.1").read_bytes() == b"b" * 25
