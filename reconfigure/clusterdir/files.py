"""Files of a cluster's folder: written as a whole or not at all, read as JSON."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kiwi.common import files
from kiwi.common.errors import KiwiError, UsageError

MENDS = "bin/up mends it"


def require_room(path: Path, needed: int) -> None:
    """Raise KiwiError if the disk of a folder has less than `needed` bytes left."""
    free = shutil.disk_usage(path).free
    if free < needed:
        left = f"{free >> 20} MB left below {path}, {needed >> 20} MB needed"
        raise KiwiError(f"the disk of the control host is full: {left}")


def write(path: Path, text: str, mode: int = 0o600) -> bool:
    """Replace a file as a whole (kiwi.common.files); return whether it changed."""
    if path.exists() and path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o777 == mode:
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace(path, text, mode)
    return True


def write_json(path: Path, data: object) -> bool:
    """Write JSON as `write` does, keys sorted; return whether it changed."""
    return write(path, json.dumps(data, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file. Raise UsageError, naming the file, if it is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise UsageError(f"{path} is not JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds no JSON object")
    return found


@contextmanager
def expected(path: Path) -> Iterator[None]:
    """Have a block read a file that bin/up can make anew.

    Raise UsageError, with the file and what mends it, where it is lost, broken or holds something else.
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise UsageError(f"{path} is lost", hint=MENDS) from exc
    except UsageError as exc:
        raise UsageError(str(exc), hint=MENDS) from exc
    except OSError as exc:
        raise UsageError(f"{path} cannot be read: {exc.strerror}", hint=MENDS) from exc
    except (LookupError, TypeError, AttributeError, ValueError) as exc:
        raise UsageError(f"{path} does not hold what it should ({type(exc).__name__}: {exc})", hint=MENDS) from exc


def set_aside(path: Path) -> Path:
    """Rename a file that is broken, so that it can be looked at; return where it is now."""
    aside = path.with_name(f"{path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
    path.replace(aside)
    return aside
