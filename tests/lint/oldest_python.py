"""Compile and import every module of kiwi under the oldest Python that can be had here, and look at what it imports.

Nodes may have Python 3.9 (EL 9) and bring psutil and ClusterShell, nothing else. Interpreters are
looked for on PATH and among pyenv's versions; where there is none older than the one that runs
this, vermin still judges syntax and library for 3.9. Prints what it used; exits with 1 for a fault.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ClusterShell
import psutil

from kiwi.common import process

REPO = Path(__file__).resolve().parents[2]
OLDEST = (3, 9)
ALLOWED = {*sys.stdlib_module_names, "kiwi", "psutil", "ClusterShell"}
IMPORT_ALL = """\
import importlib, sys
sys.path[:0] = sys.argv[1:3]
for name in sys.argv[3:]:
    importlib.import_module(name)
print(len(sys.argv) - 3, "modules of kiwi run on Python", sys.version.split()[0])
"""


def sources() -> list[Path]:
    return sorted((REPO / "kiwi").rglob("*.py"))


def module(path: Path) -> str:
    return ".".join(path.relative_to(REPO).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Top-level names that a file imports, by a statement or by importlib."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            found = node.args[0]
            yield found.value.partition(".")[0] if isinstance(found, ast.Constant) else ast.unparse(found)


def strangers() -> list[str]:
    return [
        f"{path.relative_to(REPO)} imports {name}"
        for path in sources()
        for name in imported(path)
        if name not in ALLOWED
    ]


def interpreters() -> Iterator[tuple[tuple[int, int], str]]:
    """Version and path of each Python at hand, the oldest that counts first."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [*map(Path, os.environ["PATH"].split(os.pathsep)), *pyenv.glob("versions/*/bin")]
    found = {}
    for path in (path for folder in folders if folder.is_dir() for path in folder.glob("python3.*")):
        if (match := re.fullmatch(r"python3\.(\d+)", path.name)) and (3, int(match[1])) >= OLDEST:
            found.setdefault((3, int(match[1])), []).append(str(path))
    yield from ((version, path) for version in sorted(found) for path in found[version])


def oldest() -> str:
    """The oldest interpreter that starts: a shim of pyenv is there also where its version is not."""
    ask = "import sys; print(*sys.version_info[:2])"
    for version, path in interpreters():
        done = process.run([path, "-I", "-c", ask], check=False, timeout=20)
        if done.out.split() == [str(part) for part in version]:
            return path
    return sys.executable


def main() -> int:
    faults = strangers()
    vermin = [
        str(Path(sys.executable).with_name("vermin")),
        "--no-tips",
        "--eval-annotations",
        "--violations",
        "-t=3.9-",
        *map(str, sources()),
    ]
    judged = process.run(vermin, check=False)
    faults += judged.out.splitlines() if judged.code else []
    with tempfile.TemporaryDirectory() as folder:
        for package in (psutil, ClusterShell):
            source = Path(str(package.__file__)).parent
            Path(folder, source.name).symlink_to(source)
        argv = [oldest(), "-I", "-B", "-W", "error", "-c", IMPORT_ALL, str(REPO), folder, *map(module, sources())]
        done = process.run(argv, check=False)
    faults += done.err.splitlines() if done.code else []
    print("\n".join(faults) or done.out.strip())
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
