"""What people see on a terminal: tables in colours, a table that keeps up to date, what a round does now.

The only module that imports rich; it is loaded by those who have found a terminal (tables.on_terminal).
"""

from __future__ import annotations

import logging
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich import table as rich_table
from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from kiwi.common import hostlist
from reconfigure.cli.tables import Table, text
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.rounds import progress

# What a cell of a state says, and its colour; the first that matches counts.
STYLES = (
    (r"^(down|error|stopped|tainted)|\b(failed|refused)$|not_responding", "red"),
    (r"drain|powering_|power_down|power_up|completing", "yellow"),
    (r"powered_down|^not baked", "dim"),
    (r"^(allocated|mixed)", "cyan"),
    (r"^(idle|running|made|baked)", "green"),
)


def show(table: Table, after: Sequence[str]) -> None:
    """Print a table and the lines after it on standard output."""
    console = Console(highlight=False)
    for line in [*_lines(console, table), *map(Text, after)]:
        console.print(line, soft_wrap=True)


def _lines(console: Console, table: Table) -> Iterator[Text]:
    """Yield the lines of a table without spaces at their ends, since the terminal wraps those that are too long."""
    for segments in Segment.split_lines(console.render(_drawn(table, console.width))):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()
        yield line


def _drawn(table: Table, width: int) -> rich_table.Table:
    """Return a table without a frame for a terminal of `width` columns.

    Its spare columns are left out as far as it takes. Then cells are folded between words, and states such as
    idle+cloud before a plus; it may still be wider than that.
    """
    for title in table.spare:
        table = table.without(title) if _wide(table) > width else table
    drawn = rich_table.Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    narrow = _wide(table) > width
    columns = []
    for i, title in enumerate(table.titles):
        cells = [row[i] for row in table.rows]
        styles = [_style(cell) if title in table.states else "" for cell in cells]
        shown = [cell.replace("+", " +") if narrow and title in table.states else cell for cell in cells]
        parts = shown if title in table.whole else " ".join(shown).split()
        side: JustifyMethod = "right" if title in table.right else "left"
        drawn.add_column(title, min_width=max(map(len, [title, *parts])), justify=side)
        columns.append(map(Text, shown, styles))
    for row in zip(*columns, strict=True):
        drawn.add_row(*row)
    return drawn


def _wide(table: Table) -> int:
    return max(map(len, text(table).splitlines()), default=0)


def _style(state: str) -> str:
    return next((style for pattern, style in STYLES if re.search(pattern, state)), "")


def watch(read: Callable[[], tuple[Table, Sequence[str]]], title: str, pause: float) -> None:
    """Draw what `read` returns, anew every `pause` seconds or when a key is pressed, until q or an interrupt.

    What does not fit on the screen is cut at its lower end, so the table comes last. Errors of `read` end it.
    """

    console = Console(highlight=False)

    def frame() -> RenderableType:
        table, lines = read()
        head = Text(f"{title}, {time.strftime('%H:%M:%S')} (q ends)", "bold")
        return Group(head, *map(Text, lines), "", _drawn(table, console.width))

    try:
        first = frame()
        with _keys() as pressed, Live(first, console=console, screen=True, auto_refresh=False) as live:
            while not {"q", "Q", "\x04"}.intersection(pressed(pause)):
                live.update(frame(), refresh=True)
    except KeyboardInterrupt:
        return


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Yield a function that waits at most so many seconds for keys and returns them; they are not echoed."""
    if not sys.stdin.isatty():
        yield _sleep
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda seconds: _read(number) if select.select([number], [], [], seconds)[0] else ""
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


def _read(number: int) -> str:
    """Return the keys that were pressed; a terminal that is gone counts as q."""
    return os.read(number, 64).decode(errors="ignore") or "q"


def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return ""


@contextmanager
def doing(clusterdir: ClusterDir, idle: Callable[[], str] = str) -> Iterator[None]:
    """Show on standard error what is done to a cluster, as long as the block runs; log lines appear above it.

    `idle` returns what is shown while nothing is done.
    """
    spinner = Spinner("line")

    def line() -> RenderableType:
        spinner.update(text=Text(describe(clusterdir, idle())))
        return spinner

    console = Console(stderr=True, highlight=False)
    with Live(get_renderable=line, console=console, transient=True, redirect_stdout=False), _logs_above():
        yield


@contextmanager
def _logs_above() -> Iterator[None]:
    """Have log lines go through the standard error that Live has put in place, which keeps its own line the last."""
    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)


def describe(clusterdir: ClusterDir, idle: str = "") -> str:
    """Return step, nodes and elapsed seconds of what is done now; whose it is if it is another process's.

    What this process does comes first, its batch among it.
    """
    found = sorted(progress.all_of(clusterdir), key=lambda said: said["pid"] != os.getpid())
    if not found:
        return idle or "looking at the cluster"
    now = found[0]
    whose = "" if now["pid"] == os.getpid() else f"waiting for process {now['pid']}: "
    return f"{whose}{now['step']} of {hostlist.fold(now['nodes'])}, {time.time() - now['since']:.0f} s"
