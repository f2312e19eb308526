"""The command `reconfigure`: makes a cluster what its site data, Slurm and people want.

Results go to standard output, logs to standard error; exit codes are in
kiwi/common/errors.py.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kiwi.common.errors import FAILED, OK, KiwiError
from reconfigure.cli import images, nodes, reports, site, worker
from reconfigure.cli.common import Options, add

log = logging.getLogger("reconfigure")
FAMILIES = (site, images, nodes, reports, worker)
COMPLETION = Path(__file__).with_name("completion.bash")
EXAMPLES = """\
examples:
  reconfigure check --site my-lab.yml
  reconfigure status
  reconfigure why cpu-2
  reconfigure resume --dry-run cpu-[2-3]
  reconfigure sync
  reconfigure --cluster kiwi serve --detach
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each has its function in `run`."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("reconfigure", description=__doc__, epilog=EXAMPLES, formatter_class=raw)
    top.add_argument("--cluster", metavar="NAME", help="default: $KIWI_CLUSTER, else cluster_name of the site data")
    top.add_argument("--debug", action="store_true", help="log every command, show tracebacks")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for family in FAMILIES:
        family.declare(commands)
    example = "completion bash >/etc/bash_completion.d/reconfigure"
    shell = add(commands, "completion", completion, "print the completion for a shell", example)
    shell.add_argument("shell", choices=["bash"])
    return top


def command_names() -> list[str]:
    """Return the names of all commands, as the parser has them."""
    actions = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return [name for action in actions for name in action.choices]


def completion(_: Options) -> int:
    print(COMPLETION.read_text(encoding="utf-8").replace("@COMMANDS@", " ".join(command_names())), end="")
    return OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
    level = logging.DEBUG if options.debug else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S", force=True)
    options.cluster = options.cluster or os.environ.get("KIWI_CLUSTER")
    try:
        code: int = options.run(options)
        return code
    except KiwiError as exc:
        print(f"reconfigure: {exc}", file=sys.stderr)
        log.debug("traceback", exc_info=True)
        return exc.exit_code
    except BrokenPipeError:  # the reader has seen enough, as in `reconfigure status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        print("reconfigure: interrupted", file=sys.stderr)
        return FAILED
