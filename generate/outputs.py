"""The files that are made from the parsers, and whether they are what would be made now."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Callable, NamedTuple
from unittest import mock

import kiwi.cli.main
import reconfigure.cli.main
from generate import completion, manual, reference
from kiwi.common.commandline import SHELLS

REPO = Path(__file__).resolve().parents[1]


class Program(NamedTuple):
    """A program: the maker of its parser, the package that carries its files, its man page."""

    name: str
    parser: Callable[[], ArgumentParser]
    package: str
    page: manual.Page


PROGRAMS = (
    Program("kiwi", kiwi.cli.main.parser, "kiwi/cli", manual.KIWI),
    Program("reconfigure", reconfigure.cli.main.parser, "reconfigure/cli", manual.RECONFIGURE),
)


def contents() -> dict[Path, str]:
    """Return the text of each file. Each has a parser of its own: the tools write into what they read."""
    found: dict[Path, str] = {}
    with mock.patch.dict(os.environ, {"COLUMNS": "100"}):  # argparse wraps to the terminal
        for program in PROGRAMS:
            folder = REPO / program.package
            for shell in SHELLS:
                path = folder / "completion" / f"{program.name}.{shell}"
                found[path] = completion.script(program.parser(), shell)
            path = folder / "man" / f"{program.name}.{program.page.section}"
            found[path] = manual.text(program.parser(), program.page)
        found[REPO / "docs" / "commands.md"] = reference.text([program.parser() for program in PROGRAMS])
    return found


def stale() -> list[Path]:
    """Return the files that are not there, or not as they would be made now."""
    return [path for path, text in contents().items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def write() -> None:
    """Write each file, and the folder that it lies in."""
    for path, text in contents().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
