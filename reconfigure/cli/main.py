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

from kiwi import __version__
from kiwi.common import commandline
from kiwi.common.commandline import Parser, complete
from kiwi.common.errors import FAILED, KiwiError
from reconfigure.cli import images, nodes, reports, site, sizes, worker
from reconfigure.clusterdir import environment

log = logging.getLogger("reconfigure")
FAMILIES = (reports, site, nodes, sizes, images, worker)
EXAMPLES = (
    "check --site my-lab.yml           is the site data sound?",
    "status                            every node, the queue and the worker",
    "why cpu-2                         what happened to cpu-2, and what to do",
    "resume --dry-run cpu-[2-3]        what would be done to make these nodes",
    "sync                              make Terraform, machines and Slurm agree",
    "--cluster kiwi serve --detach     run the worker of that cluster",
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each has its function in `run`."""
    text = "Make a cluster what its site data, Slurm and people want."
    top = Parser("reconfigure", description=text, examples=EXAMPLES)
    top.add_argument("--version", action="version", version=f"reconfigure {__version__}", help="print the version")
    text = "default: $KIWI_CLUSTER, else cluster_name of the site data"
    complete(top.add_argument("--cluster", metavar="NAME", help=text), "_reconfigure_clusters")
    top.add_argument("--debug", action="store_true", help="log every command, show tracebacks")
    commands = commandline.commands_of(top)
    for family in FAMILIES:
        family.declare(commands)
    commandline.add_completion(commands, "reconfigure", Path(__file__).parent)
    return top


def command_names() -> list[str]:
    """Return the names of all commands, as the parser has them."""
    actions = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return [name for action in actions for name in action.choices]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. Without `arguments` it is the program that starts: with ours alone."""
    if arguments is None:
        environment.take_over()
    return commandline.end("reconfigure", lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
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
    except PermissionError as exc:
        print(f"reconfigure: {exc.filename}: {exc.strerror}; only root may use a cluster's folder", file=sys.stderr)
        log.debug("traceback", exc_info=True)
        return FAILED
    except KeyboardInterrupt:
        print("reconfigure: interrupted", file=sys.stderr)
        return FAILED
