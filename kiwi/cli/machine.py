"""Commands of root on one machine: serve it, clean it of a user.

Their modules are loaded when they are called: no other command needs them.
"""

from __future__ import annotations

import argparse
import importlib

from kiwi.common.commandline import BY_HAND, CALLED, Commands, Options, add, complete


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare clean and agent."""
    text = "end all that a user runs on this machine (root)"
    command = add(commands, "clean", clean, text, "clean carol", BY_HAND)
    whom = command.add_argument("target", metavar="USER", help="name, or number of one who is gone")
    complete(whom, "_kiwi_users")
    grace = "seconds after TERM (default: %(default)s)"
    command.add_argument("--grace", type=float, default=5.0, metavar="S", help=grace)
    job = "only what this job of Slurm's left running"
    command.add_argument("--job", type=int, metavar="N", help=job)
    add(commands, "agent", agent, "serve this machine (root; started by systemd)", "agent", CALLED)


def clean(options: Options) -> int:
    """Clean this machine of a user."""
    code: int = importlib.import_module("kiwi.node.clean_command").clean(options.target, options.grace, options.job)
    return code


def agent(_: Options) -> int:
    """Become the agent."""
    code: int = importlib.import_module("kiwi.agent.main").run()
    return code
