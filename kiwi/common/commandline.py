"""How a command line is declared, and how it ends: what `kiwi` and `reconfigure` share.

A parser is the one declaration of a command. Its help is printed from it at run time; completion for
shells, man pages and docs/commands.md are made from it by bin/generate and committed, so that no
machine needs the tools that make them.
"""

from __future__ import annotations

import argparse
import errno
import os
import select
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Callable, NoReturn

from kiwi.common.errors import FAILED, OK

Options = argparse.Namespace
Run = Callable[[Options], int]
Commands = argparse._SubParsersAction  # the type has no public name
Section = tuple[str, Sequence[argparse.Action]]

# The groups of commands in `--help`.
EVERY_DAY = "every day"
BY_HAND = "by hand"
CALLED = "called by others"
SHELLS = ("bash", "zsh", "fish")
WHERE = """\
Where it goes, for everybody and for you alone; a new shell then has it:
  bash   /usr/share/bash-completion/completions/{prog}
         ~/.local/share/bash-completion/completions/{prog}
  zsh    /usr/share/zsh/vendor-completions/_{prog}
         _{prog} in a folder that ~/.zshrc adds to fpath before compinit
  fish   /usr/share/fish/vendor_completions.d/{prog}.fish
         ~/.config/fish/completions/{prog}.fish
"""
# What a write to standard output fails with where nobody reads it, or where the disk or a limit (ulimit -f) is full.
CLOSED = errno.EPIPE
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Parser(argparse.ArgumentParser):
    """A parser with examples, commands in groups and no abbreviations; its commands' parsers are of its kind.

    `examples` are lines without the program's name. An option that a command
    does not know is an error of that command, with its usage, not of the program.
    """

    def __init__(
        self,
        prog: str | None = None,
        *,
        group: str = "",
        examples: Sequence[str] = (),
        **settings: Any,  # noqa: ANN401 - argparse's own
    ) -> None:
        raw = argparse.RawDescriptionHelpFormatter
        super().__init__(prog, **{"allow_abbrev": False, "formatter_class": raw, **settings})
        self._optionals.title = "options"  # Python 3.9 has another word
        self.group = group
        self._arguments: list[str] = []
        self.examples = [f"{self.prog.split()[0]} {line}" for line in examples]

    def format_help(self) -> str:
        """Return what --help prints: commands by groups, examples last."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, actions in self.sections():
            formatter.start_section(title)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        if self.examples:
            formatter.add_text("\n  ".join(["example:" if len(self.examples) == 1 else "examples:", *self.examples]))
        return formatter.format_help()

    def sections(self) -> Iterator[Section]:
        """Yield titles with the arguments below each: commands by their groups, as they were declared."""
        for group in self._action_groups:
            commands = [action for action in group._group_actions if isinstance(action, argparse._SubParsersAction)]
            if not commands:
                yield group.title or "", group._group_actions
            for action in commands:
                groups = {entry: action.choices[entry.dest].group for entry in action._choices_actions}
                for title in dict.fromkeys([EVERY_DAY, BY_HAND, CALLED, *groups.values()]):
                    yield title or group.title or "", [entry for entry, where in groups.items() if where == title]

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Options | None = None
    ) -> tuple[Options, list[str]]:
        """Parse; end with this parser's usage where an argument is left over, as parse_args does for a program."""
        self._arguments = list(sys.argv[1:] if args is None else args)
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """End with the usage and a message: rather what is unknown than what is missing beside it."""
        unknown = [argument for argument in self._arguments if self._is_unknown(argument)]
        if unknown and message.startswith("the following arguments are required"):
            message = f"unrecognized arguments: {' '.join(unknown)}"
        super().error(message)

    def _is_unknown(self, argument: str) -> bool:
        """Return whether an argument looks like an option, and is none of this parser's."""
        name, known = argument.partition("=")[0], self._option_string_actions
        number = self._negative_number_matcher.match(argument)
        return argument[:1] == "-" and not number and name not in ("-", "--", *known) and argument[:2] not in known


def commands_of(parser: argparse.ArgumentParser, dest: str = "command") -> Commands[argparse.ArgumentParser]:
    """Return what `add` declares a program's commands in, or with another `dest` a command's own."""
    return parser.add_subparsers(dest=dest, required=True, metavar=dest.upper(), title=f"{dest}s")


def add(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    run: Run,
    text: str,
    example: str,
    group: str = "",
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """Declare a command with its help and an example (without the program's name); `run` returns its exit code."""
    command = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", group=group, examples=[example], epilog=epilog
    )
    command.set_defaults(run=run)
    return command


def complete(action: argparse.Action, function: str) -> None:
    """Have shells complete an argument by the function of that name in generate/shells/PROGRAM.SHELL.

    The attribute is what shtab reads when bin/generate runs; nothing reads it at run time.
    """
    vars(action)["complete"] = {"bash": function, "zsh": function, "fish": f"({function})"}


def add_completion(commands: Commands[argparse.ArgumentParser], prog: str, package: Path) -> None:
    """Declare the command that prints the completion for a shell, which lies in a folder of the package."""

    def show(options: Options) -> int:
        print((package / "completion" / f"{prog}.{options.shell}").read_text(encoding="utf-8"), end="")
        return OK

    text, example = "print the completion for a shell", "completion bash >~/.local/share/bash-completion/completions/"
    command = add(commands, "completion", show, text, f"{example}{prog}", BY_HAND, WHERE.format(prog=prog))
    command.add_argument("shell", choices=SHELLS, help="the shell that reads it")


def end(prog: str, command: Callable[[], int]) -> int:
    """Run a command until what it printed is written; return its exit code.

    That is FAILED without a word where the reader of standard output has seen
    enough, as in `kiwi info | head -1`, and with one where a disk is full. Any
    other broken pipe is a fault of the command, and is raised.
    """
    try:
        try:
            return command()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as exc:
        if exc.errno in FULL:
            print(f"{prog}: cannot write {exc.filename or 'the output'}: {exc.strerror}", file=sys.stderr)
        elif exc.errno != CLOSED or not _unread(1):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python writes out what is left once more when it ends
        return FAILED


def _unread(number: int) -> bool:
    """Return whether a descriptor is a pipe or socket whose reader is gone (poll(2), POLLERR and POLLHUP)."""
    poll = select.poll()
    poll.register(number, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
