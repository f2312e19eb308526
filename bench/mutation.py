"""Change the code of a module in one place at a time and see whether its tests notice.

    bench/mutation [PART...]        parts: plan, booking, allow, durations (default: all)

Prints each change that no test noticed and, for each part, the share that was noticed. The
tests run in this process' child on a copy of the checkout; nothing in it is changed.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.cluster import REPO, say
from bench.tables import table
from kiwi.common import process
from tests import lanes

PLANS = ("plan", "repair", "draft", "actions", "guard")
UNIT, PLANNING = "tests/unit/kiwi", "tests/unit/reconfigure/planning"
# What is changed, and the tests that must notice.
PARTS: dict[str, tuple[list[str], list[str]]] = {
    "plan": (
        [f"reconfigure/planning/{name}.py" for name in PLANS],
        [PLANNING],
    ),
    "booking": (
        [f"kiwi/booking/{name}.py" for name in ("rules", "refusals", "document", "seen")],
        [f"{UNIT}/booking/test_rules.py", f"{UNIT}/booking/test_machine.py"],
    ),
    "allow": (["kiwi/node/allow_file.py"], ["tests/contract/test_allow.py", "tests/contract/test_allow_properties.py"]),
    "durations": (
        ["kiwi/common/durations.py"],
        [f"{UNIT}/common/test_durations.py", f"{UNIT}/common/test_durations_properties.py"],
    ),
}
OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


def changed(node: ast.AST) -> Iterator[str]:
    """Change a node in place, in one way after the other; say how."""
    if type(node) in (ast.BoolOp, ast.BinOp) and type(node.op) in OTHER:  # type: ignore[attr-defined]
        old = node.op  # type: ignore[attr-defined]
        node.op = OTHER[type(old)]()  # type: ignore[attr-defined]
        yield f"{type(old).__name__} to {type(node.op).__name__}"  # type: ignore[attr-defined]
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER:
        was = type(node.ops[0])
        node.ops[0] = OTHER[was]()  # type: ignore[call-overload]
        yield f"{was.__name__} to {type(node.ops[0]).__name__}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
        yield "not left out"
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        before = ast.unparse(node)
        node.value = not node.value if isinstance(node.value, bool) else node.value + 1  # type: ignore[operator]
        yield f"{before} to {ast.unparse(node)}"
    elif isinstance(node, (ast.If, ast.IfExp)):
        test = node.test
        for value in (True, False):
            node.test = ast.Constant(value)
            yield f"if {ast.unparse(test)} to if {value}"
    elif isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, ast.Constant):
        node.value = ast.Constant(None)
        yield "return None"


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, what was changed, and the whole text, of every change of a module but in its annotations."""
    whole = ast.parse(source)
    skipped = {id(part) for node in ast.walk(whole) for part in _annotations(node)}
    places = [number for number, node in enumerate(ast.walk(whole)) if id(node) not in skipped]
    for place in places:
        for way in range(2):
            tree = copy.deepcopy(whole)
            node = list(ast.walk(tree))[place]
            said = [word for count, word in zip(range(way + 1), changed(node))]
            if len(said) == way + 1:
                yield getattr(node, "lineno", 0), said[-1], ast.unparse(ast.fix_missing_locations(tree))


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    for name in ("annotation", "returns"):
        part = getattr(node, name, None)
        if isinstance(part, ast.AST):
            yield from ast.walk(part)


def measure(part: str, tree: Path) -> tuple[int, int]:
    """How many changes of a part were noticed, and how many there were."""
    files, tests = PARTS[part]
    noticed = count = 0
    for file in files:
        source = (REPO / file).read_text(encoding="utf-8")
        for line, what, text in mutants(source):
            (tree / file).write_text(text, encoding="utf-8")
            found = _noticed(tree, tests)
            count, noticed = count + 1, noticed + found
            if not found:
                print(f"{file}:{line}: {what}", flush=True)
        (tree / file).write_text(source, encoding="utf-8")
    return noticed, count


def _noticed(tree: Path, tests: list[str]) -> bool:
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree), lanes.MARK: "unit"}
    try:
        return process.run(argv, cwd=tree, env=env, check=False, timeout=120).code != 0
    except process.CommandError:  # no end: noticed
        return True


def main() -> int:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser(prog="bench/mutation", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=", ".join(PARTS))
    asked = parser.parse_args().parts or list(PARTS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "checkout"
        shutil.copytree(REPO, tree, symlinks=True, ignore=shutil.ignore_patterns(".git", ".venv", ".collections"))
        for part in asked:
            if _noticed(tree, PARTS[part][1]):
                raise SystemExit(f"bench/mutation: the tests of {part} fail as it is")
            noticed, count = measure(part, tree)
            say(f"{part}: {noticed} of {count}")
            rows.append((part, str(count), f"{100 * noticed / count:.0f} %"))
    print(table(("part", "changes", "noticed"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
