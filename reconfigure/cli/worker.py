"""The command that runs, starts and stops the worker."""

from __future__ import annotations

import argparse

from kiwi.common.commandline import CALLED
from kiwi.common.errors import OK
from reconfigure.cli.common import Commands, Options, add, folder
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import logs
from reconfigure.providers import registry
from reconfigure.worker import supervisor
from reconfigure.worker.serve import Worker


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare serve."""
    command = add(commands, "serve", serve, "run the worker that does what Slurm asks for", "serve --detach", CALLED)
    command.add_argument("--log", action="store_true", help="log to the cluster's log/serve.log, as --detach does")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--detach", action="store_true", help="start it in the background where none runs")
    how.add_argument("--stop", action="store_true", help="stop the one in the background")


def serve(options: Options) -> int:
    """Run, start or stop the worker."""
    clusterdir = folder(options)
    if options.stop:
        stopped = supervisor.stop(clusterdir)
        print(f"the worker of {clusterdir.cluster} {'was stopped' if stopped else 'did not run'}")
        return OK
    clusterdir.require()
    if options.detach:
        started = supervisor.start(clusterdir)
        print(f"the worker of {clusterdir.cluster} {'was started' if started else 'runs already'}")
        return OK
    if options.log:
        logs.to_file(clusterdir.log / "serve.log")
    Worker(clusterdir, lambda: Cluster(clusterdir, registry.provider)).run()
    return OK
