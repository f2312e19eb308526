"""Commands about bookings: see who has which node, take nodes, give them back."""

from __future__ import annotations

import argparse
import importlib
import os
import pwd
import sys
import time
from collections.abc import Collection
from typing import Any

from kiwi.agent.protocol import Request, ask
from kiwi.cli import wait
from kiwi.common import durations, hostlist, tables
from kiwi.common.commandline import EVERY_DAY, Commands, Options, add, complete
from kiwi.common.errors import OK, KiwiError, UnreachableError, UsageError

OPENING = 20.0  # seconds that a node's agent has to open its gate
JSON = "print a list of objects"
NODES = "nodes, such as lab-1,lab-2 or lab-[1-4]"
ALL = f"{NODES} (default: all)"
LABEL = "only nodes with this label, may be given again; without -n: one node"
WAIT = "wait for nodes that are booked or being cleaned, so long at most; who came first is served first"
UNTIL = "18:00, 2026-12-01T18:00 or +2:00:00 (from now on), later than their present end"
PARTITION = "only this partition; `all` for info of all (the default)"
TIME = "[[D:]H:]M:S or seconds (default: %(default)s)"
AT = "from 18:00, 2026-12-01T18:00 or +2:00:00 (from now on) instead of at once"
USER = "for this user (administrators only)"


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare info, alloc, extend and kill."""
    command = add(commands, "info", info, "who has which node, and until when", "info", EVERY_DAY)
    command.add_argument("--json", action="store_true", help=JSON)
    _add_partition(command)
    command = add(commands, "alloc", alloc, "take nodes", "alloc -w lab-1 -t 3:00:00", EVERY_DAY)
    _add_nodes(command, NODES)
    command.add_argument("-n", "--nodes", type=int, metavar="N", help="any N nodes instead, all of one partition")
    command.add_argument("-l", "--label", action="append", default=[], metavar="LABEL", help=LABEL)
    command.add_argument("-t", "--time", default="3600", help=TIME)
    command.add_argument("--at", metavar="WHEN", help=AT)
    command.add_argument("--wait", nargs="?", const=wait.FOREVER, metavar="TIMEOUT", help=WAIT)
    command.add_argument("--json", action="store_true", help=JSON)
    command.add_argument("--dry-run", action="store_true", help="say whether it would succeed; change nothing")
    _add_partition(command)
    _add_user(command)
    command = add(commands, "extend", extend, "keep nodes for longer", "extend --until +2:00:00", EVERY_DAY)
    _add_nodes(command, ALL)
    command.add_argument("--until", required=True, metavar="WHEN", help=UNTIL)
    command.add_argument("--json", action="store_true", help=JSON)
    _add_partition(command)
    _add_user(command)
    command = add(
        commands, "kill", kill, "give nodes back now, or cancel what was booked for later", "kill -w lab-1", EVERY_DAY
    )
    _add_nodes(command, ALL)
    command.add_argument("-y", "--yes", action="store_true", help="give back all without being asked on a terminal")
    _add_partition(command)
    _add_user(command)


def _add_nodes(command: argparse.ArgumentParser, text: str) -> None:
    nodes = command.add_argument("-w", "--worker", action="append", default=[], metavar="NODES", help=text)
    complete(nodes, "_kiwi_nodes")


def _add_partition(command: argparse.ArgumentParser) -> None:
    """Take -p after the command as well as before it; without a default, which would hide what stands before."""
    action = command.add_argument("-p", "--partition", default=argparse.SUPPRESS, help=PARTITION)
    complete(action, "_kiwi_partitions")


def _add_user(command: argparse.ArgumentParser) -> None:
    """Take -u after the command as well as before it."""
    complete(command.add_argument("-u", "--user", default=argparse.SUPPRESS, help=USER), "_kiwi_users")
    command.set_defaults(for_user=True)


def info(options: Options) -> int:
    """Print all nodes."""
    nodes = ask(Request("info", options.partition))["nodes"]
    print(tables.as_json(nodes) if options.json else tables.as_table(nodes))
    return OK


def alloc(options: Options) -> int:
    """Book nodes and wait until the holder can enter."""
    names = hostlist.expand(options.worker)
    seconds = durations.parse(options.time)
    at = None if options.at is None else durations.moment(options.at, time.time())
    size = _size(options, names)
    labels = tuple(options.label)
    request = Request("alloc", options.partition, names, seconds, options.user, options.dry_run, at, size, labels)
    if options.wait is not None:
        nodes = wait.take(wait.wish(request), wait.limit(options.wait), _ask_for, _await_ready)
    else:
        nodes = _ask_for(request)["nodes"]
        if not options.dry_run and at is None:
            nodes = _await_ready(nodes)
    print(
        tables.as_json(nodes)
        if options.json
        else _tell_alloc(nodes, options.dry_run, None if at is None else (at, at + seconds))
    )
    return OK


def _size(options: Options, names: Collection[str]) -> int:
    """Return how many nodes are wanted where none is named, else 0. Raise UsageError unless it is clear which."""
    number = int(bool(options.label)) if options.nodes is None else options.nodes
    if options.nodes is not None and number < 1:
        raise UsageError(key="--nodes", found=number, needs="a number from 1, such as 2")
    if bool(names) == bool(number):
        hint = "kiwi alloc -w lab-1, kiwi alloc -n 2 or kiwi alloc -l LABEL"
        raise UsageError("name nodes, or say how many or with which label", hint=hint)
    return number


def extend(options: Options) -> int:
    """Have bookings end later. Without nodes: all that the user holds in the partition."""
    names = hostlist.expand(options.worker)
    until = durations.moment(options.until, time.time(), "until")
    nodes = _ask_for(Request("extend", options.partition, names, user=options.user, at=until))["nodes"]
    held = ", ".join(n["node"] for n in nodes)
    print(tables.as_json(nodes) if options.json else f"{held}: {nodes[0]['holder']}'s until {durations.local(until)}")
    return OK


def kill(options: Options) -> int:
    """End bookings; the clean-up goes on by itself.

    Without nodes, ask a person on a terminal first; where nobody can answer it goes on, as scripts count on. Raise
    KiwiError if the answer is not yes.
    """
    names = hostlist.expand(options.worker)
    if not names and not options.yes and sys.stdin.isatty() and sys.stderr.isatty():
        _confirm(options)
    nodes = _ask_for(Request("kill", options.partition, names, user=options.user))["nodes"]
    print(f"{', '.join(n['node'] for n in nodes)}: given back" + (", being cleaned" if _cleans(nodes) else ""))
    return OK


def _cleans(nodes: list[dict[str, Any]]) -> bool:
    """Return whether a node is cleaned: not where its booking had not begun."""
    return any(n["state"] != "free" for n in nodes)


def _ask_for(request: Request) -> dict[str, Any]:
    """Return what the agent answers. Raise what it refuses with, or that the nodes are Slurm's where they are."""
    try:
        return ask(request)
    except UsageError as exc:
        theirs = importlib.import_module("kiwi.slurm.explain").nodes_of_slurm(request.nodes)
        if not theirs:
            raise
        hint = f"run a command there: srun -w {theirs[0]} hostname; have a shell there: salloc -w {theirs[0]}"
        raise UsageError(f"{', '.join(theirs)}: Slurm hands it out, not kiwi", hint=hint) from exc


def _confirm(options: Options) -> None:
    """Name what would be given back and wait for a yes; where that is nothing, the agent says so by itself."""
    user = options.user or pwd.getpwuid(os.getuid()).pw_name
    held = [n["node"] for n in ask(Request("info", options.partition))["nodes"] if n["holder"] == user]
    if not held:
        return
    print(f"Give back {', '.join(held)}, held by {user}? All that runs there ends. [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise KiwiError("nothing was given back", hint="name the nodes, kiwi kill -w lab-1, or add --yes")


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


def _tell_alloc(nodes: list[dict[str, Any]], dry_run: bool, later: tuple[float, float] | None) -> str:
    names, first = ", ".join(n["node"] for n in nodes), nodes[0]
    if later:
        span = f"from {durations.local(later[0])} until {durations.local(later[1])}"
        known = "would be booked" if dry_run else "booked"
        return f"{names}: {known} {span}" + (
            "; nothing was changed" if dry_run else f"\nto cancel: kiwi kill -w {names.replace(', ', ',')}"
        )
    span = f"until {durations.local(first['until'])}" if first["until"] else "no longer"
    left = f" ({durations.short(first['remaining'])})" if first["remaining"] else ""
    if dry_run:
        return f"{names}: would be {first['holder']}'s {span}{left}; nothing was changed"
    return f"{names}: {first['holder']}'s {span}{left}\nenter with: ssh {first['node']}"
