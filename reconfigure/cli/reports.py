"""Commands that only look: the state of a cluster, and the story of a node or a job."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict

from kiwi.common.errors import OK
from reconfigure.cli.common import Commands, Options, add, cluster, print_json
from reconfigure.clusterdir import logs
from reconfigure.reports import explain, status

CLEAR = "\033[H\033[2J"  # a terminal's screen, from its beginning
WATCH_PAUSE = 2.0  # seconds


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare status and why."""
    command = add(commands, "status", show_status, "show every node, the queue and the worker", "status --json")
    command.add_argument("--json", action="store_true", help="print it as JSON")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--watch", action="store_true", help="show it anew every two seconds, until interrupted")
    what.add_argument("--paths", action="store_true", help="list the logs and other things to read, with their sizes")
    command = add(commands, "why", why, "say what keeps a node or a job, and what to do", "why cpu-2")
    command.add_argument("target", metavar="NODE|JOB", help="a node such as cpu-2, or the number of a job")
    command.add_argument("--json", action="store_true", help="print it as JSON")


def show_status(options: Options) -> int:
    found = cluster(options)
    if options.paths:
        written = logs.written(found.clusterdir)
        print(json.dumps([asdict(place) for place in written], indent=1) if options.json else logs.text(written))
        return OK
    while True:
        seen = status.data(found)
        shown = json.dumps(seen, indent=1) if options.json else status.text(seen)
        print(f"{CLEAR}{shown}" if options.watch and sys.stdout.isatty() else shown, flush=True)
        if not options.watch:
            return OK
        time.sleep(WATCH_PAUSE)


def why(options: Options) -> int:
    found = explain.answer(cluster(options), options.target)
    if options.json:
        print_json(found)
    else:
        print(explain.text(found))
    return OK
