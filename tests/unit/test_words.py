"""One word per concept: names that are gone from the code, each with the one to use instead.

A name counts where it is defined: a module, a class, a function, a parameter, a variable or an
attribute, with or without leading underscores; sentences are free. Add a row when you rename.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
BANNED = {
    "kiwi": {
        "Desk": "Authorizer",
        "desk": "authorizer",
        "forks": "children",
        "Keeper": "NodeController",
        "keeper": "controller",
        "nodenames": "hostlist",
        "remains": "leftovers",
        "Reports": "Heartbeats",
        "said": "refusal, or what it is: answer, message, line",
        "say": "emit (an event of the journal), log (a log), print (for people)",
        "Service": "StorageCalls",
        "service": "storage_calls",
        "State": "Store",
        "tell": "emit (an event of the journal), log (a log), explain (for people)",
        "told": "refusals, or what it is: answer, message, line",
        "Why": "Explanation",
        "Worker": "StorageChild",
        "worker": "storage",
    },
    "reconfigure": {
        "around": "context",
        "asleep": "power is Power.POWERED_DOWN",
        "Home": "ClusterDir",
        "home": "clusterdir",
        "look": "observe (a cluster), snapshot (the module)",
        "Meter": "MetricsThread",
        "places": "paths",
        "records": "node, request or hostlist",
        "remains": "leftovers",
        "Story": "History",
        "story": "history, last_change",
        "stuck": "down and power is Power.POWERED_DOWN",
        "tell": "set_state (Slurm), log, print, explain",
        "told": "what it is: reason, message, noted",
    },
}
# What another change takes away; no new ones here.
LEFT: set[tuple[str, str]] = set()


def defined(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of everything that a module defines, itself included."""
    yield 1, path.parent.name if path.stem == "__init__" else path.stem
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


@pytest.mark.parametrize("package", BANNED)
def test_no_name_that_is_gone_comes_back(package: str) -> None:
    found = []
    for path in sorted((REPO / package).rglob("*.py")):
        place = path.relative_to(REPO).as_posix()
        for line, name in defined(path):
            word = name.strip("_")
            if word in BANNED[package] and (place, word) not in LEFT:
                found.append(f"{place}:{line}: {name} -> {BANNED[package][word]}")
    assert not found, "\n".join(["use the other word:", *found])


def test_what_is_left_is_still_there() -> None:
    for place, word in LEFT:
        assert word in [name for _, name in defined(REPO / place)], f"take {place} out of LEFT"
