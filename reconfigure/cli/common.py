"""What all commands share: how one is declared, which cluster it means, how a result is printed."""

from __future__ import annotations

import json
import os

from kiwi.common import commandline
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import paths
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.providers import registry

Options = commandline.Options
Commands = commandline.Commands
add = commandline.add
SITE = "YAML file laid over group_vars/all.yml: a key that it has replaces the whole value"
DRY_RUN = "print the plan, change nothing"
FORCE = "also where somebody loses a job or a booking by it; says who"


def folder(options: Options) -> ClusterDir:
    """Return the folder of the cluster that the options name, else of the default one."""
    return paths.of(options.cluster or paths.default_cluster(os.environ))


def cluster(options: Options) -> Cluster:
    """Return that cluster. Raise UsageError where it was never set up."""
    return Cluster(folder(options).require(), registry.provider)


def print_json(data: object) -> None:
    """Print a result for programs."""
    print(json.dumps(data, indent=1))
