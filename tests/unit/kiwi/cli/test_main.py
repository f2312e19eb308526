"""The command line of `kiwi`: help, options before and after a command, and how it ends where nobody reads it."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kiwi import __version__
from kiwi.agent.protocol import Request
from kiwi.cli import bookings
from kiwi.cli import main as cli
from kiwi.common import commandline, process
from kiwi.common.commandline import SHELLS
from kiwi.common.errors import FAILED, OK, USAGE, UsageError
from reconfigure.clusterdir.paths import REPO

COMMANDS = ["info", "alloc", "extend", "kill", "why", "metrics", "clean", "agent", "version", "completion"]
NODE = {"node": "lab-1", "partition": "lab", "state": "booked", "holder": "bob", "booking": "b1", "until": 0}
NODE |= {"remaining": 0, "ready": True, "message": ""}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every request to the agent, which answers with one node."""
    found: list[Request] = []

    def ask(request: Request) -> dict[str, Any]:
        found.append(request)
        return {"nodes": [NODE]}

    monkeypatch.setattr(bookings, "ask", ask)
    return found


def ended(arguments: Sequence[str]) -> object:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    return caught.value.code


def test_help_has_every_command_in_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["--help"]) == OK
    shown = capsys.readouterr().out.partition("examples:")[0]
    groups = re.split(r"^(?:every day|by hand|called by others):$", shown, flags=re.MULTILINE)[1:]
    assert [re.findall(r"^  ([a-z]+) ", group, flags=re.MULTILINE) for group in groups] == [
        ["info", "alloc", "extend", "kill", "why"],
        ["clean", "version", "completion"],
        ["metrics", "agent"],
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended([command, "--help"]) == OK
    assert f"\nexample:\n  kiwi {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_the_version(arguments: list[str]) -> None:
    done = process.run([sys.executable, "-c", START, *arguments], cwd=REPO)
    assert done.out == f"kiwi {__version__}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_printed_as_it_lies_there(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == OK
    assert capsys.readouterr().out == (REPO / "kiwi/cli/completion" / f"kiwi.{shell}").read_text(encoding="utf-8")


def test_help_says_where_completion_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(["completion", "--help"]) == OK
    shown = capsys.readouterr().out
    for place in ("bash-completion/completions/kiwi", "zsh/vendor-completions/_kiwi", "fish/vendor_completions.d"):
        assert f"/usr/share/{place}" in shown


@pytest.mark.parametrize(
    "line",
    ["-u bob -p lab alloc -w lab-1", "-u bob alloc -p lab -w lab-1", "alloc -u bob -w lab-1 -p lab",
     "-u eve -p all alloc -u bob -p lab -w lab-1"],
)  # fmt: skip
def test_user_and_partition_stand_before_or_after_the_command(line: str, asked: list[Request]) -> None:
    assert cli.main([*line.split(), "--dry-run"]) == OK
    assert asked == [Request("alloc", "lab", ("lab-1",), 3600, "bob", True)]


@pytest.mark.parametrize(
    ("line", "size", "labels"),
    [("-n 3", 3, ()), ("-l gpu", 1, ("gpu",)), ("-n 2 -l gpu -l big", 2, ("gpu", "big"))],
)
def test_nodes_by_number_and_label(line: str, size: int, labels: tuple[str, ...], asked: list[Request]) -> None:
    assert cli.main(["alloc", *line.split(), "--dry-run"]) == OK
    assert asked == [Request("alloc", seconds=3600, dry_run=True, size=size, labels=labels)]


@pytest.mark.parametrize("line", ["", "-w lab-1 -n 1", "-w lab-1 -l gpu", "-n 0", "-n -1"])
def test_nodes_are_named_or_counted(line: str, asked: list[Request], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["alloc", *line.split()]) == USAGE
    assert "-n" in capsys.readouterr().err
    assert asked == []


def test_extend(asked: list[Request], capsys: pytest.CaptureFixture[str]) -> None:
    before = time.time()
    assert cli.main(["extend", "--until", "+2:00:00"]) == OK
    (request,) = asked
    assert request == Request("extend", at=request.at)
    assert before + 7200 <= (request.at or 0) <= time.time() + 7200
    assert capsys.readouterr().out.startswith("lab-1: bob's until ")
    assert cli.main(["extend", "--until", "yesterday"]) == USAGE
    assert "until: found 'yesterday'" in capsys.readouterr().err


def test_without_them_it_is_the_caller_and_any_partition(asked: list[Request]) -> None:
    assert cli.main(["kill"]) == OK
    assert asked == [Request("kill", None, ())]


@pytest.mark.parametrize("command", [["info"], ["clean", "carol"], ["version"]])
def test_a_user_is_refused_where_nobody_acts_for_one(
    command: list[str], asked: list[Request], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["-u", "bob", *command]) == USAGE
    assert "only alloc, extend and kill act for another user" in capsys.readouterr().err
    assert asked == []


@pytest.mark.parametrize("option", ["--nosuch", "--work", "--dry"])
def test_an_unknown_option_is_named_with_the_usage_of_its_command(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(["alloc", "-w", "lab-1", option]) == USAGE
    shown = capsys.readouterr().err
    assert shown.startswith("usage: kiwi alloc [-h] [-w NODES] [-n N]")
    assert f"kiwi alloc: error: unrecognized arguments: {option}" in shown


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--vers", "kiwi: error: unrecognized arguments: --vers"),
        ("--nosuch=1 info", "kiwi: error: unrecognized arguments: --nosuch=1"),
        ("alloc --nosuch", "kiwi alloc: error: unrecognized arguments: --nosuch"),
        ("extend -w lab-1", "kiwi extend: error: the following arguments are required: --until"),
        ("-p lab", "kiwi: error: the following arguments are required: COMMAND"),
        ("-plab", "kiwi: error: the following arguments are required: COMMAND"),
    ],
)
def test_what_is_unknown_is_told_before_what_is_missing(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(line.split()) == USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["alloc", "kill"])
@pytest.mark.parametrize(
    ("sinfo", "said"),
    [
        ("echo cpu-1; echo cpu-2", "kiwi: cpu-1: Slurm hands it out, not kiwi\n  run a command there: srun -w cpu-1 "),
        ("true", "kiwi: no such node\n"),
        ("exit 1", "kiwi: no such node\n"),
    ],
)
def test_a_node_of_slurm_is_told_to_be_one(
    command: str,
    sinfo: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def ask(request: Request) -> dict[str, Any]:
        raise UsageError("no such node")

    (tmp_path / "sinfo").write_text(f"#!/bin/sh\n{sinfo}\n")
    (tmp_path / "sinfo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(bookings, "ask", ask)
    assert cli.main([command, "-w", "lab-9,cpu-1"]) == USAGE
    assert capsys.readouterr().err.startswith(said)


START = "import sys; from kiwi.cli.main import main; sys.exit(main())"
LONG = "from kiwi.cli import main as m, reports\nm._version = lambda _: print('x' * 200000) or 0\n"


@pytest.mark.parametrize("arguments", [["version"], ["--help"], ["--version"], ["completion", "zsh"]])
@pytest.mark.parametrize("more", ["", LONG], ids=["", "more than a buffer"])
def test_a_full_disk_is_told_and_a_reader_who_left_is_not(arguments: list[str], more: str) -> None:
    for stdout, expected in ((full(), "kiwi: cannot write the output: No space left on device\n"), (unread(), "")):
        child = process.start([sys.executable, "-c", more + START, *arguments], stdout=stdout, cwd=REPO)
        os.close(stdout)
        assert child.communicate(timeout=60)[1] == expected
        assert child.returncode == FAILED


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def unread() -> int:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_what_one_command_needs_is_not_loaded_for_another() -> None:
    """Each would cost every call of kiwi milliseconds (subprocess and logging: 8)."""
    show = "import sys, kiwi.cli.main; print(*sys.modules)"
    loaded = process.run([sys.executable, "-c", show], cwd=REPO).out.split()
    late = {
        "subprocess",
        "logging",
        "kiwi.agent.main",
        "kiwi.node.clean_command",
        "kiwi.metrics.collect",
        "ClusterShell",
    }
    assert sorted(late.intersection(loaded)) == []


def test_a_broken_pipe_that_is_not_the_output_is_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        commandline.end("kiwi", broken)


def test_a_full_disk_is_told_with_the_file(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/var/lib/kiwi/x.json")

    monkeypatch.setattr(os, "dup2", lambda old, new: None)
    assert commandline.end("kiwi", full) == FAILED
    assert capsys.readouterr().err == "kiwi: cannot write /var/lib/kiwi/x.json: No space left on device\n"


class Terminal(io.StringIO):
    """What a person types, or is shown."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Terminal]:
    """Put a person at the terminal, who types this; return what they are shown on standard error."""

    def sit(answer: str) -> Terminal:
        shown = Terminal()
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        monkeypatch.setattr(sys, "stderr", shown)
        return shown

    return sit


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_kill_without_a_node_asks_on_a_terminal(
    asked: list[Request], types: Callable[[str], Terminal], answer: str
) -> None:
    shown = types(answer)
    assert cli.main(["-u", "bob", "kill"]) == OK
    assert "Give back lab-1, held by bob?" in shown.getvalue()
    assert [request.op for request in asked] == ["info", "kill"]


@pytest.mark.parametrize("answer", ["", "\n", "n\n", "lab-1\n"])
def test_anything_but_yes_gives_nothing_back(
    asked: list[Request], types: Callable[[str], Terminal], answer: str
) -> None:
    shown = types(answer)
    assert cli.main(["kill", "-u", "bob", "-p", "lab"]) == FAILED
    assert "nothing was given back" in shown.getvalue()
    assert [(request.op, request.partition) for request in asked] == [("info", "lab")]


@pytest.mark.parametrize("arguments", [["kill", "--yes"], ["kill", "-y"], ["kill", "-w", "lab-1"]])
def test_who_says_which_or_yes_is_not_asked(
    asked: list[Request], types: Callable[[str], Terminal], arguments: list[str]
) -> None:
    shown = types("n\n")
    assert cli.main(arguments) == OK
    assert [request.op for request in asked] == ["kill"]
    assert shown.getvalue() == ""


def test_a_script_is_not_asked(asked: list[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert cli.main(["kill"]) == OK
    assert [request.op for request in asked] == ["kill"]


def test_one_who_holds_nothing_is_not_asked(asked: list[Request], types: Callable[[str], Terminal]) -> None:
    types("")
    assert cli.main(["kill", "-u", "alice"]) == OK
    assert [request.op for request in asked] == ["info", "kill"]


def test_a_booking_for_later_is_not_waited_for(asked: list[Request], capsys: pytest.CaptureFixture[str]) -> None:
    began = time.time()
    assert cli.main(["alloc", "-w", "lab-1", "-t", "60", "--at", "+1:00:00"]) == OK
    (request,) = asked
    assert request.at is not None
    assert 3600 <= request.at - began < 3660
    shown = capsys.readouterr().out
    assert re.match(r"lab-1: booked from \S+ \S+ \S+ until ", shown)
    assert "to cancel: kiwi kill -w lab-1" in shown


def test_a_wrong_time_to_begin_asks_nobody(asked: list[Request], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["alloc", "-w", "lab-1", "--at", "yesterday"]) == USAGE
    assert "at: found 'yesterday'; needs a time that is to come, such as 18:00" in capsys.readouterr().err
    assert asked == []


def test_what_was_cancelled_before_it_began_is_not_cleaned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bookings, "ask", lambda _: {"nodes": [{**NODE, "state": "free", "holder": None}]})
    assert cli.main(["kill", "-w", "lab-1"]) == OK
    assert capsys.readouterr().out == "lab-1: given back\n"


def test_a_file_that_may_not_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a user `kiwi metrics --to /etc/foo` was a traceback, and so was `kiwi agent`."""
    to = tmp_path / "nonexistent" / "kiwi.prom"
    assert cli.main(["metrics", "--to", str(to)]) == FAILED
    told = capsys.readouterr().err
    assert told.startswith(f"kiwi: {to.parent}")
    assert len(told.splitlines()) == 1
