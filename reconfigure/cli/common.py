"""What all commands share: how one is declared, which cluster it means, how a result is printed."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable

from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import paths
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.providers import registry

Options = argparse.Namespace
Run = Callable[[Options], int]
Commands = argparse._SubParsersAction  # the type has no public name
SITE = "YAML file laid over group_vars/all.yml: a key that it has replaces the whole value"
DRY_RUN = "print the plan, change nothing"


def add(
    commands: Commands[argparse.ArgumentParser], name: str, run: Run, text: str, example: str
) -> argparse.ArgumentParser:
    """Declare a command with its help and an example; `run` returns its exit code."""
    raw = argparse.RawDescriptionHelpFormatter
    epilog = f"example:\n  reconfigure {example}"
    command = commands.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=raw)
    command.set_defaults(run=run)
    return command


def folder(options: Options) -> ClusterDir:
    """Return the folder of the cluster that the options name, else of the default one."""
    return paths.of(options.cluster or paths.default_cluster(os.environ))


def cluster(options: Options) -> Cluster:
    """Return that cluster. Raise UsageError where it was never set up."""
    return Cluster(folder(options).require(), registry.provider)


def print_json(data: object) -> None:
    """Print a result for programs."""
    print(json.dumps(data, indent=1))
