"""The command `kiwi`: see, book and give back nodes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kiwi import __version__
from kiwi.cli import bookings, machine, reports
from kiwi.common import commandline
from kiwi.common.commandline import BY_HAND, Options, Parser, add, complete
from kiwi.common.errors import FAILED, OK, KiwiError

FAMILIES = (bookings, reports, machine)
EXAMPLES = (
    "info                        who has which node, and until when",
    "alloc -w lab-1 -t 3:00:00   take lab-1 for three hours; then: ssh lab-1",
    "alloc -w lab-[1-4] -t 600   take four nodes for ten minutes, all or none",
    "alloc -n 2 -l gpu           take any two nodes that have the label gpu, both or none",
    "alloc -n 2 --wait 1:00:00   wait an hour at most until two nodes are free",
    "alloc -w lab-1 --at 18:00   take it this evening, for an hour",
    "extend --until +2:00:00     keep what you hold until two hours from now",
    "kill -w lab-1               give it back now",
    "why 42                      why does Slurm's job 42 not run?",
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each has its function in `run`."""
    text = "See, book and give back the nodes of a cluster."
    top = Parser("kiwi", description=text, examples=EXAMPLES)
    top.add_argument("--version", action="version", version=f"kiwi {__version__}", help="print the version")
    partition = top.add_argument("-p", "--partition", help=bookings.PARTITION)
    complete(partition, "_kiwi_partitions")
    complete(top.add_argument("-u", "--user", help=f"{bookings.USER}: for alloc, extend and kill"), "_kiwi_users")
    top.set_defaults(for_user=False)
    commands = commandline.commands_of(top)
    for family in FAMILIES:
        family.declare(commands)
    add(commands, "version", _version, "print the version", "version", BY_HAND)
    commandline.add_completion(commands, "kiwi", Path(__file__).parent)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one message on standard error."""
    return commandline.end("kiwi", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    top = parser()
    options = top.parse_args(argv)
    if options.user is not None and not options.for_user:
        top.error("argument -u/--user: only alloc, extend and kill act for another user")
    try:
        code: int = options.run(options)
    except KiwiError as exc:
        print(f"kiwi: {exc}", file=sys.stderr)
        return exc.exit_code
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
        if exc.filename is None:
            raise
        print(f"kiwi: {exc.filename}: {exc.strerror}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return code


def _version(_: Options) -> int:
    print(f"kiwi {__version__}")
    return OK
