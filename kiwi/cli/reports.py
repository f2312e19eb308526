"""Commands that only look: why a job or a node is as it is, and metrics.

Their modules are loaded when they are called: no other command needs them.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from kiwi.common.commandline import CALLED, EVERY_DAY, Commands, Options, add, complete
from kiwi.common.errors import OK


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare why and metrics."""
    command = add(commands, "why", why, "why a job waits, or a node cannot be had", "why 42", EVERY_DAY)
    text = "the number of a job of Slurm, or a node such as lab-1"
    complete(command.add_argument("target", metavar="JOB|NODE", help=text), "_kiwi_targets")
    command = add(commands, "metrics", metrics, "print metrics for Prometheus (login node)", "metrics", CALLED)
    text = "replace this file instead; the timer does so"
    complete(command.add_argument("--to", metavar="FILE", help=text), "_kiwi_file")


def why(options: Options) -> int:
    """Print what keeps a job or a node."""
    print(importlib.import_module("kiwi.slurm.explain").explain(options.target))
    return OK


def metrics(options: Options) -> int:
    """Print or write what Prometheus reads."""
    exposition = importlib.import_module("kiwi.metrics.exposition")
    text = exposition.render(importlib.import_module("kiwi.metrics.collect").families())
    if options.to:
        exposition.write(Path(options.to), text)
    else:
        print(text, end="")
    return OK
