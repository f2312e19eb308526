"""Files of a cluster's folder: written as a whole or not at all, read as JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from kiwi.common import files
from kiwi.common.errors import KiwiError, UsageError


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
