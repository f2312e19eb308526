"""Commands that change nothing: the state of a cluster, and why a node or a job is as it is."""

from __future__ import annotations

import argparse
import importlib
import json
import select
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from kiwi.common.commandline import EVERY_DAY, complete
from kiwi.common.errors import OK
from reconfigure.cli import tables
from reconfigure.cli.common import Commands, Options, add, cluster, print_json
from reconfigure.cli.tables import Table
from reconfigure.clusterdir import logs
from reconfigure.reports import explain, status

WATCH_PAUSE = 2.0  # seconds


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare status and why."""
    command = add(
        commands, "status", show_status, "show every node, the queue and the worker", "status --json", EVERY_DAY
    )
    command.add_argument("--json", action="store_true", help="print it as JSON")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--watch", action="store_true", help="keep it up to date until q or an interrupt")
    what.add_argument("--paths", action="store_true", help="list the logs and other things to read, with their sizes")
    command = add(commands, "why", why, "say what keeps a node or a job, and what to do", "why cpu-2", EVERY_DAY)
    target = command.add_argument("target", metavar="NODE|JOB", help="a node such as cpu-2, or the number of a job")
    complete(target, "_reconfigure_nodes")
    command.add_argument("--json", action="store_true", help="print it as JSON")


def show_status(options: Options) -> int:
    """Print the state of a cluster or its logs; with --watch until it is interrupted."""
    found = cluster(options)
    if options.paths:
        _show_paths(logs.written(found.clusterdir), as_json=options.json)
    elif options.watch and not options.json and tables.on_terminal(sys.stdout):
        terminal = importlib.import_module("reconfigure.cli.terminal")
        terminal.watch(lambda: _status(status.data(found)), found.clusterdir.cluster, WATCH_PAUSE)
    else:
        while True:
            seen = status.data(found)
            if options.json:
                print(json.dumps(seen, indent=1), flush=True)
            else:
                table, lines = _status(seen)
                tables.show(table, ["", *lines])
            if not options.watch or _reader_gone(sys.stdout, WATCH_PAUSE):
                break
    return OK


def _reader_gone(stream: TextIO | None, seconds: float) -> bool:
    """Wait so long; return True at once where nobody reads: closed, or a pipe whose other end is (poll(2), POLLERR)."""
    if stream is None:
        return True
    poll = select.poll()
    poll.register(stream, 0)
    return bool(poll.poll(seconds * 1000))


def _status(seen: Mapping[str, Any]) -> tuple[Table, list[str]]:
    states = ("terraform", "machine", "slurm", "event")
    table = Table(status.TITLES, status.cells(seen), whole=("node",), states=states, spare=status.SPARE)
    return table, status.summary(seen)


def _show_paths(written: Sequence[logs.Written], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(place) for place in written])
        return
    rows = [(logs.size(place.bytes), place.what, place.path) for place in written]
    tables.show(Table(("size", "what", "where"), rows, whole=("where",), right=("size",)))


def why(options: Options) -> int:
    """Print why a node or a job is as it is, and what to do."""
    found = explain.explain(cluster(options), options.target)
    if options.json:
        print_json(found)
    else:
        print(explain.text(found))
    return OK
