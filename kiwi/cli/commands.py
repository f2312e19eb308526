"""What each command of `kiwi` does: ask the agent, wait, print."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from kiwi.agent.protocol import Request, ask
from kiwi.common import durations, hostlist, tables
from kiwi.common.errors import OK, UnreachableError
from kiwi.metrics import collect as measure
from kiwi.metrics import exposition
from kiwi.slurm import explain

OPENING = 20.0  # seconds that a node's agent has to open its gate
COMPLETION = Path(__file__).with_name("completion.bash")


def info(args: argparse.Namespace) -> int:
    """Print all nodes."""
    nodes = ask(Request("info", args.partition))["nodes"]
    print(tables.as_json(nodes) if args.json else tables.as_table(nodes))
    return OK


def alloc(args: argparse.Namespace) -> int:
    """Book nodes and wait until the holder can enter."""
    names = hostlist.expand(args.worker)
    request = Request("alloc", args.partition, names, durations.parse(args.time), args.user, args.dry_run)
    nodes = ask(request)["nodes"]
    if not args.dry_run:
        nodes = _await_ready(nodes)
    print(tables.as_json(nodes) if args.json else _tell_alloc(nodes, args.dry_run))
    return OK


def kill(args: argparse.Namespace) -> int:
    """End bookings; the clean-up goes on by itself."""
    names = hostlist.expand(args.worker)
    nodes = ask(Request("kill", args.partition, names, user=args.user))["nodes"]
    print(f"{', '.join(n['node'] for n in nodes)}: given back, being cleaned")
    return OK


def metrics(args: argparse.Namespace) -> int:
    """Print or write what Prometheus reads."""
    text = exposition.render(measure.families())
    if args.to:
        exposition.write(Path(args.to), text)
    else:
        sys.stdout.write(text)
    return OK


def why(args: argparse.Namespace) -> int:
    """Print what keeps a job or a node."""
    print(explain.tell(args.target))
    return OK


def completion(_: argparse.Namespace) -> int:
    """Print the completion script."""
    sys.stdout.write(COMPLETION.read_text(encoding="utf-8"))
    return OK


def _await_ready(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the nodes once each one's agent confirmed that its gate is open for this booking.

    Raises UnreachableError where one does not in time; the booking stands.
    """
    names, booking = tuple(n["node"] for n in nodes), nodes[0]["booking"]
    request = Request("info", nodes[0]["partition"], names)
    end, pause = time.monotonic() + OPENING, 0.05
    while time.monotonic() < end:
        nodes = ask(request)["nodes"]
        late = [n["node"] for n in nodes if n["booking"] == booking and n["holder"] and not n["ready"]]
        if not late:
            return nodes
        time.sleep(pause)
        pause = min(0.5, pause * 1.5)
    raise UnreachableError(
        f"booked, but {', '.join(late)} did not open the gate within {OPENING:.0f} s",
        hint="the booking stands; try ssh later, or give it back with: kiwi kill -w " + ",".join(late),
    )


def _tell_alloc(nodes: list[dict[str, Any]], dry_run: bool) -> str:
    names, first = ", ".join(n["node"] for n in nodes), nodes[0]
    span = f"until {durations.local(first['until'])}" if first["until"] else "no longer"
    left = f" ({durations.short(first['remaining'])})" if first["remaining"] else ""
    if dry_run:
        return f"{names}: would be {first['holder']}'s {span}{left}; nothing was changed"
    return f"{names}: {first['holder']}'s {span}{left}\nenter with: ssh {first['node']}"
