"""docs/commands.md: every command of both programs."""

from __future__ import annotations

from argparse import Action, ArgumentParser
from collections.abc import Iterator, Sequence

from generate import tree
from kiwi.common.commandline import Parser

HEAD = """\
# Commands

Made from the parsers by `bin/generate`; the same is in `kiwi COMMAND --help`, kiwi(1) and
`man -l reconfigure/cli/man/reconfigure.8`. Exit codes: 0 done, 1 it did not happen, 2 a wrong argument or wrong site
data (nothing was changed), 3 somebody else holds it, 4 something that must answer does not.
"""


def text(parsers: Sequence[ArgumentParser]) -> str:
    """Return the text of docs/commands.md."""
    lines = [HEAD]
    for parser in parsers:
        assert isinstance(parser, Parser)
        lines += _command(parser, 2)
        for title, commands in _groups(parser):
            lines += [f"### {title[0].upper()}{title[1:]}", ""]
            for command in commands:
                lines += [line for each in (command, *tree.commands(command)) for line in _command(each, 4)]
    return "\n".join(lines).rstrip() + "\n"


def _groups(parser: Parser) -> Iterator[tuple[str, list[Parser]]]:
    commands = [command for command in tree.commands(parser) if command.group]
    for title in dict.fromkeys(command.group for command in commands):
        yield title, [command for command in commands if command.group == title]


def _command(parser: Parser, level: int) -> Iterator[str]:
    yield from (f"{'#' * level} {parser.prog}", "", str(parser.description), "", "```")
    yield from (*tree.usage(parser).splitlines(), "```", "")
    actions = list(tree.arguments(parser))
    if actions:
        yield from ("| | |", "| --- | --- |")
        yield from (f"| {_names(action)} | {_cell(tree.meaning(action, parser))} |" for action in actions)
        yield ""
    if parser.epilog:
        yield from ("```", *parser.epilog.splitlines(), "```", "")
    yield from ("Example:" if len(parser.examples) == 1 else "Examples:", "", "```", *parser.examples, "```", "")


def _names(action: Action) -> str:
    if not action.option_strings:
        return f"`{_cell(str(action.metavar or '|'.join(action.choices or [action.dest])))}`"
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _cell(plain: str) -> str:
    return plain.replace("|", "\\|")
