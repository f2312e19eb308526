"""Tables: plain columns for files and programs; on a terminal terminal.py draws them.

rich takes 60 ms to import, so terminal.py is loaded only if there is a terminal to draw on.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, TextIO

from reconfigure.clusterdir.paths import ClusterDir


class Table(NamedTuple):
    """Rows under titles. Columns are named by their titles: `whole` ones are never folded, `states` are coloured.

    `bare` says that plain text has no line of titles. `spare` are left out of a drawing that is too wide, the first
    of them first.
    """

    titles: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    whole: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    bare: bool = False
    spare: tuple[str, ...] = ()

    def without(self, title: str) -> Table:
        """Return the table without one of its columns."""
        at = self.titles.index(title)
        rows = [(*row[:at], *row[at + 1 :]) for row in self.rows]
        return self._replace(titles=(*self.titles[:at], *self.titles[at + 1 :]), rows=rows)


def on_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that can move its cursor; one that was closed (None) is none."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def show(table: Table, after: Sequence[str] = ()) -> None:
    """Print a table and the lines after it on standard output: drawn on a terminal, else as plain text."""
    if on_terminal(sys.stdout):
        importlib.import_module("reconfigure.cli.terminal").show(table, after)
    else:
        print("\n".join([text(table), *after]), flush=True)


def text(table: Table) -> str:
    """Return a table as columns two spaces apart, as wide as they need to be."""
    lines = [*table.rows] if table.bare else [table.titles, *table.rows]
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(table.titles))]
    marks = [">" if title in table.right else "<" for title in table.titles]
    form = "  ".join(f"{{:{mark}{width}}}" for mark, width in zip(marks, widths, strict=True))
    return "\n".join(form.format(*line).rstrip() for line in lines)


def doing(clusterdir: ClusterDir, idle: Callable[[], str] = str) -> AbstractContextManager[None]:
    """Return a context that shows on standard error what is done to a cluster; nothing unless it is a terminal.

    `idle` returns what is shown while nothing is done.
    """
    if not on_terminal(sys.stderr):
        return nullcontext()
    shown: AbstractContextManager[None] = importlib.import_module("reconfigure.cli.terminal").doing(clusterdir, idle)
    return shown
