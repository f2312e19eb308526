"""What is committed is what the parsers make, carried by the wheel, and named completely."""

from __future__ import annotations

import re
from pathlib import PurePath

import pytest
import tomllib

from generate import completion, manual, outputs, tree
from generate.outputs import PROGRAMS, REPO, Program
from kiwi.common.commandline import Parser, complete

MACROS = {"TH", "SH", "SS", "TP", "B", "PP", "RS", "RE", "nf", "fi"}
programs = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


def man(program: Program) -> str:
    return (REPO / program.package / "man" / f"{program.name}.{program.page.section}").read_text(encoding="utf-8")


def test_all_is_as_the_parsers_are() -> None:
    assert [str(path.relative_to(REPO)) for path in outputs.stale()] == [], "run bin/generate and commit what it writes"


def test_nothing_else_lies_beside_it() -> None:
    """A file whose name changed would stay in wheels and images."""
    folders = [REPO / program.package / folder for program in PROGRAMS for folder in ("completion", "man")]
    made = set(outputs.contents())
    assert [path for folder in folders for path in folder.iterdir() if path not in made] == []


def test_it_does_not_hang_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert outputs.stale() == []


def test_the_wheel_has_it() -> None:
    with open(REPO / "pyproject.toml", "rb") as file:
        carried = tomllib.load(file)["tool"]["setuptools"]["package-data"]
    for path in outputs.contents():
        inside = path.relative_to(REPO)
        if inside.parts[0] != "docs":
            package = ".".join(inside.parts[:2])
            assert any(PurePath(*inside.parts[2:]).match(pattern) for pattern in carried[package]), inside


@programs
def test_the_man_page_has_every_command_with_its_example(program: Program) -> None:
    page = man(program).replace("\\-", "-")
    assert page.startswith(f'.TH {program.name.upper()} "{program.page.section}"')
    for command in tree.commands(program.parser()):
        part = page.partition(f".SS \\fB{command.prog}\\fR\n")[2].partition("\n.S")[0]
        assert f"\nExample:\n.PP\n.RS 4\n.nf\n{command.examples[0]}\n.fi" in part, command.prog
        for action in tree.arguments(command):
            assert all(f"\\fB{name}\\fR" in part for name in action.option_strings), (command.prog, action.dest)
    for heading in ("SYNOPSIS", "OPTIONS", "COMMANDS", "EXAMPLES", "FILES", "EXIT STATUS", "SEE ALSO"):
        assert f"\n.SH {heading}\n" in page


@programs
def test_no_line_of_the_man_page_is_read_as_a_macro_that_it_is_not(program: Program) -> None:
    lines = man(program).splitlines()
    assert {line[1:].split()[0] for line in lines if line.startswith(".")} <= MACROS
    assert [line for line in lines if line.startswith("'")] == []


@programs
def test_the_reference_has_every_command_with_usage_and_example(program: Program) -> None:
    text = (REPO / "docs" / "commands.md").read_text(encoding="utf-8")
    for command in tree.commands(program.parser()):
        part = re.split(rf"^#+ {command.prog}$", text, flags=re.MULTILINE)[1].partition("\n#")[0]
        assert f"```\n{command.prog} [-h]" in part
        assert f"```\n{command.examples[0]}\n```" in part


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_function_that_nobody_wrote_is_an_error(shell: str) -> None:
    parser = Parser("kiwi")
    complete(parser.add_argument("--node"), "_kiwi_nosuch")
    with pytest.raises(LookupError, match=rf"kiwi\.{shell} has no function _kiwi_nosuch"):
        completion.script(parser, shell)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    assert sorted(manual.CODES) == [0, 1, 2, 3, 4]
