"""Commands about how many nodes are always up: decided, noted, then done step by step while it is shown."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

from kiwi.common import durations, hostlist
from kiwi.common.commandline import BY_HAND, complete
from kiwi.common.errors import BUSY, FAILED, OK, UsageError
from reconfigure.cli import tables
from reconfigure.cli.common import DRY_RUN, SITE, Commands, Options, add, print_json
from reconfigure.cli.common import cluster as cluster_of
from reconfigure.lifecycle import resizing
from reconfigure.planning.sizes import Change
from reconfigure.rounds.resizing import Progress
from reconfigure.site import data as site_data
from reconfigure.site import moments, schedule

DAY = 86400  # seconds
UP_WAIT = 600  # seconds that nodes may take to come up


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare resize and keep."""
    text = "change how many nodes are always up: drain, wait for jobs and bookings, remove; or add"
    command = add(commands, "resize", resize, text, "resize cpu=4 lab=2", BY_HAND)
    text = "a partition and how many of its nodes are always up; without any all of the site data's min_nodes"
    command.add_argument("sizes", metavar="PARTITION=N", nargs="*", help=text)
    text = f"take min_nodes from a {SITE}; - reads JSON on standard input"
    complete(command.add_argument("--site", metavar="FILE", help=text), "_reconfigure_file")
    text = "how long to wait for jobs and bookings: seconds or [[D:]H:]M:S, 0 for not at all; default: resize_wait"
    command.add_argument("--wait", metavar="TIME", help=text)
    text = "have the nodes that are being taken away stay after all: their drains are taken back"
    command.add_argument("--cancel", action="store_true", help=text)
    command.add_argument("--dry-run", action="store_true", help=DRY_RUN)
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    text = "have nodes not powered down, whatever else says so; powers them up where they are off"
    command = add(commands, "keep", keep, text, "keep cpu-3 --until 18:00", BY_HAND)
    text = "names as Slurm writes them, such as cpu-[2-3],lab-1"
    complete(command.add_argument("nodes", metavar="NODES", help=text), "_reconfigure_nodes")
    until = command.add_mutually_exclusive_group()
    text = "HH:MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM in the time zone of the site; default: until --end"
    until.add_argument("--until", metavar="TIME", help=text)
    until.add_argument("--end", action="store_true", help="keep them no longer")


def keep(options: Options) -> int:
    """Keep nodes up, or no longer."""
    cluster = cluster_of(options)
    names = hostlist.expand(options.nodes)
    if unknown := [name for name in names if name not in cluster.nodeset or name == "login"]:
        good = hostlist.fold(cluster.nodeset.keys() - {"login"})
        raise UsageError(key="nodes", found=hostlist.fold(unknown), needs=f"some of {good}")
    if options.end:
        resizing.let_go(cluster, names)
        lines = [f"{hostlist.fold(names)}: kept no longer"]
        return _follow(options, (), (), 0, lines=lines)
    until = (
        moments.parse(options.until, time.time(), schedule.zone_of(cluster.site.data.get("time_zone", "")))
        if options.until
        else None
    )
    resizing.keep(cluster, names, until)
    when = f"until {durations.local(until)}" if until else "until `reconfigure keep --end`"
    return _follow(options, (), names, UP_WAIT, lines=[f"{hostlist.fold(names)}: kept up {when}"])


def resize(options: Options) -> int:
    """Have other numbers of nodes always up, and wait until it is so."""
    if options.cancel and (options.sizes or options.site or options.dry_run):
        raise UsageError("--cancel: found another argument beside it; needs to be alone, or with --wait or --json")
    cluster = cluster_of(options)
    seconds = durations.parse(options.wait) if options.wait is not None else None
    if options.cancel:
        stay = resizing.cancel(cluster)
        return _follow(options, (), (), seconds or DAY, extra={"stay": list(stay)}, lines=_stay(stay))
    given = site_data.load(options.site, sys.stdin) if options.site else None
    if given is not None and given.cluster_name != cluster.clusterdir.cluster:
        raise UsageError(
            key="cluster_name", found=given.cluster_name, needs=f"{cluster.clusterdir.cluster}, or --cluster"
        )
    site = cluster.site if given is None else resizing.applied(cluster.site, given)
    counts = _counts(options.sizes) or {p.name: p.min_nodes for p in (given or site).partitions}
    if options.dry_run:
        changes, busy = resizing.propose(cluster, counts, cluster.observe(), site)
        _print(options, changes, Progress(waits=busy), _lines(changes))
        return OK
    changes = resizing.begin(cluster, counts, site)
    limit = seconds if seconds is not None else int(site.data.get("resize_wait", DAY))
    return _follow(options, changes, resizing.up_of(changes), limit, lines=_lines(changes))


def _counts(words: Sequence[str]) -> dict[str, int]:
    """Return the numbers by partition. Raise UsageError for what is no PARTITION=N, or a partition named twice."""
    found: dict[str, int] = {}
    for word in words:
        name, mark, number = word.partition("=")
        if not (name and mark and number.isascii() and number.isdecimal() and len(number) < 6) or name in found:
            raise UsageError(key="PARTITION=N", found=word, needs="a partition and a number, each once, such as cpu=4")
        found[name] = int(number)
    return found


def _follow(
    options: Options,
    changes: Sequence[Change],
    up: Sequence[str],
    seconds: int,
    *,
    lines: Sequence[str],
    extra: Mapping[str, object] | None = None,
) -> int:
    """Go on until all is done or the time is over; return the exit code."""
    as_json = getattr(options, "json", False)
    if not as_json:
        print("\n".join(lines), flush=True)
    report = _Reporter()
    with tables.doing(cluster_of(options).clusterdir, report.idle):
        left = resizing.follow(lambda: cluster_of(options), up, seconds, report)
    if as_json:
        _print(options, changes, left, (), extra)
    for line in [*_waits("failed: ", left.failed), *_waits("still there: ", left.waits)]:
        print(f"reconfigure: {line}", file=sys.stderr)
    if left.waits:
        print("reconfigure: they take no new job or booking, and are removed when they are free", file=sys.stderr)
    return FAILED if left.failed else BUSY if not left.done else OK


class _Reporter:
    """Say on standard error what is waited for, whenever that changes."""

    def __init__(self) -> None:
        self._shown: list[str] = []

    def __call__(self, found: Progress) -> None:
        lines = _waits("waits for ", found.waits, after=True)
        for line in lines:
            if line not in self._shown:
                print(f"reconfigure: {line}", file=sys.stderr, flush=True)
        self._shown = lines

    def idle(self) -> str:
        """Return what is waited for, in one line."""
        return "; ".join(self._shown)


def _waits(what: str, reasons: Mapping[str, str], *, after: bool = False) -> list[str]:
    """Return a line for all nodes that have the same reason."""
    groups = {why: hostlist.fold(n for n in reasons if reasons[n] == why) for why in reasons.values()}
    return [f"{what}{names}: {why}" if after else f"{names}: {what}{why}" for why, names in groups.items()]


def _lines(changes: Sequence[Change]) -> list[str]:
    """Return what is to be done, a line for each partition that changes."""
    lines = []
    for change in changes:
        parts = [
            f"{word} {hostlist.fold(names)}" for word, names in (("up", change.up), ("away", change.down)) if names
        ]
        if parts or len(change.before) != len(change.after):
            numbers = f"{len(change.before)} -> {len(change.after)} always up"
            lines.append(f"{change.partition}: {'; '.join([numbers, *parts])}")
    return lines or ["nothing to change"]


def _stay(names: Sequence[str]) -> list[str]:
    return [f"{hostlist.fold(names)}: stays, and is always up" if names else "no node is being taken away"]


def _print(
    options: Options,
    changes: Sequence[Change],
    left: Progress,
    lines: Sequence[str],
    extra: Mapping[str, object] | None = None,
) -> None:
    """Print the result: JSON, or these lines and who has the nodes that go."""
    if options.json:
        changed = any(change.up or change.down for change in changes) or bool(extra and extra.get("stay"))
        found = {"changed": changed, "partitions": [change.data() for change in changes], **(extra or {})}
        print_json({**found, "waits": dict(left.waits), "failed": dict(left.failed)})
    elif lines:
        print("\n".join([*lines, *_waits("waits for ", left.waits, after=True)]))
