"""A parser as a tree of commands, for those who write about it."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentParser, _HelpAction, _SubParsersAction
from collections.abc import Iterator

from kiwi.common.commandline import Parser


def commands(parser: ArgumentParser) -> Iterator[Parser]:
    """Yield the parsers of all commands below a parser, each before its own, in the order of `--help`."""
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            for _, entries in parser.sections() if isinstance(parser, Parser) else ():
                for entry in entries:
                    if entry in action._choices_actions:
                        yield action.choices[entry.dest]
                        yield from commands(action.choices[entry.dest])


def arguments(parser: ArgumentParser) -> Iterator[Action]:
    """Yield the arguments of a parser that there is something to say about."""
    for action in parser._actions:
        if not isinstance(action, (_HelpAction, _SubParsersAction)) and action.help != SUPPRESS:
            yield action


def usage(parser: ArgumentParser) -> str:
    """Return the usage of a command, without the word before it."""
    return parser.format_usage().partition(": ")[2].strip()


def meaning(action: Action, parser: ArgumentParser) -> str:
    """Return the help of an argument, with its default filled in."""
    return parser._get_formatter()._expand_help(action)
