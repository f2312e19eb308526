"""Tables: plain for programs, drawn for people; nothing on a terminal is lost or left behind."""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import termios
from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.cli import reports, tables, terminal
from reconfigure.cli.tables import Table
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.rounds import progress

NODES = Table(
    ("node", "size", "slurm"),
    [("cpu-1", "5", "idle+cloud"), ("a-long-name-of-a-node-11", "1234", "down+cloud+powered_down")],
    whole=("node",),
    states=("slurm",),
    right=("size",),
)
PLAIN = """\
node                      size  slurm
cpu-1                        5  idle+cloud
a-long-name-of-a-node-11  1234  down+cloud+powered_down"""
COLOUR = re.compile(r"\x1b\[(3|4|9)\d")


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 30 columns, where rich believes to be on one."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "30"), ("TERM", "xterm-256color")):
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("narrow")
def test_what_is_piped_is_plain_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    tables.show(NODES, ["", "queue: 0"])
    assert capsys.readouterr().out == f"{PLAIN}\n\nqueue: 0\n"


def test_bare_tables_have_no_titles() -> None:
    assert tables.text(NODES._replace(bare=True)) == PLAIN.partition("\n")[2]
    assert tables.text(NODES._replace(bare=True, rows=[])) == ""


@pytest.mark.usefixtures("narrow")
def test_a_terminal_shows_titles_colours_and_whole_names(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(NODES._replace(bare=True), ["[a] last line that is longer than this terminal"])
    shown = capsys.readouterr().out
    assert "\x1b[32midle" in shown
    assert "\x1b[31mdown" in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    assert plain[0].split() == ["node", "size", "slurm"]
    assert any(line.startswith("a-long-name-of-a-node-11  1234  down") for line in plain)
    assert "+powered_down" in plain[-2]
    assert plain[-1] == "[a] last line that is longer than this terminal"
    assert not any(line.endswith(" ") for line in plain)
    terminal.show(NODES._replace(rows=[]), [])
    assert "node" in capsys.readouterr().out


@pytest.mark.usefixtures("narrow")
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    terminal.show(NODES, [])
    assert not COLOUR.search(capsys.readouterr().out)


@pytest.mark.usefixtures("narrow")
def test_spare_columns_go_where_it_is_too_wide_and_only_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = NODES._replace(rows=[("cpu-1", "5", "idle+cloud")], spare=("size", "slurm"))
    for columns, titles in (("30", ["node", "size", "slurm"]), ("18", ["node", "slurm"]), ("9", ["node"])):
        monkeypatch.setenv("COLUMNS", columns)
        terminal.show(small, [])
        plain = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
        assert plain[0].split() == titles, columns
        assert len(plain) == 2, "nothing is folded"


def test_a_watch_through_a_pipe_ends_when_nobody_reads_it() -> None:
    theirs, ours = os.pipe()
    with os.fdopen(ours, "w") as stream:
        assert not reports._reader_gone(stream, 0.0)
        os.close(theirs)
        assert reports._reader_gone(stream, 60.0)
    assert reports._reader_gone(None, 60.0)


class Screen(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("term", "found"), [("xterm", True), ("dumb", False)])
def test_a_dumb_terminal_is_none(monkeypatch: pytest.MonkeyPatch, term: str, found: bool) -> None:
    monkeypatch.setenv("TERM", term)
    assert tables.on_terminal(Screen()) is found
    assert not tables.on_terminal(io.StringIO())


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("key", [b"q", b"xq", b"\x04", b""], ids=["q", "another key before it", "Ctrl-D", "Ctrl-C"])
def test_watch_ends_at_q_and_leaves_the_terminal_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: bytes
) -> None:
    keyboard, shell = os.openpty()
    before, frames = termios.tcgetattr(shell), 0

    def read() -> tuple[Table, list[str]]:
        nonlocal frames
        frames += 1
        if frames == 3:
            if not key:
                raise KeyboardInterrupt
            os.write(keyboard, key)
        return NODES, [f"frame {frames}"]

    with os.fdopen(shell) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        terminal.watch(read, "kiwi", 0.01)
        assert termios.tcgetattr(shell) == before
    os.close(keyboard)
    shown = capsys.readouterr().out
    assert "frame 2" in shown
    assert shown.rindex("\x1b[?1049l") > shown.rindex("\x1b[?1049h")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    found = ClusterDir(tmp_path, "kiwi")
    found.path.mkdir(parents=True)
    return found


def test_what_is_done_is_said_with_its_nodes_and_whose_it_is(
    clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert terminal.describe(clusterdir) == "looking at the cluster"
    with progress.doing(clusterdir, "playbook", ["cpu-2", "cpu-1"], "r1"):
        assert terminal.describe(clusterdir) == "playbook of cpu-[1-2], 0 s"
        own = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: 1)
        assert terminal.describe(clusterdir) == f"waiting for process {own}: playbook of cpu-[1-2], 0 s"


def test_nothing_is_shown_of_a_round_where_standard_error_is_no_terminal(
    clusterdir: ClusterDir, capsys: pytest.CaptureFixture[str]
) -> None:
    with tables.doing(clusterdir):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("narrow")
def test_log_lines_stay_whole_above_what_a_round_does(
    clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    stream = handler.stream
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with terminal.doing(clusterdir):
        logging.getLogger().error("cpu-2: failed")
        print("a result")
    assert handler.stream is stream
    out, err = capsys.readouterr()
    assert out == "a result\n"
    assert "cpu-2: failed\n" in err


def test_commands_start_without_the_libraries_that_only_print() -> None:
    code = "import sys, reconfigure.cli.main; print({'rich', 'prometheus_client'} & sys.modules.keys())"
    assert process.run([sys.executable, "-c", code]).out == "set()\n"
