"""A disk of its own for KIWI_ROOT that is filled to the last byte (see bench/kills --full-disk)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kiwi.common import process

SIZE = 2 << 30  # bytes of the disk that is filled
SPARE = 100 << 20  # bytes of it that are left until the moment of the kill


@contextmanager
def ballast(root: Path) -> Iterator[Callable[[], None]]:
    """The disk of KIWI_ROOT nearly full; yields what fills it to the last byte."""
    path = root / "full"
    with path.open("wb", buffering=0) as file:
        os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(root).free - SPARE))
        file.seek(0, os.SEEK_END)

        def fill() -> None:
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

        try:
            yield fill
        finally:
            path.unlink()


@contextmanager
def small_disk(root: Path) -> Iterator[Path]:
    """A disk of its own for KIWI_ROOT, with the image that was baked last."""
    with tempfile.TemporaryDirectory(prefix="kiwi-kills-") as folder:
        process.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "kiwi-kills", folder])
        try:
            if baked := sorted((root / "images").glob("*/image.json"), key=os.path.getmtime):
                (Path(folder) / "images").mkdir()
                process.run(["cp", "-a", str(baked[-1].parent), f"{folder}/images"], timeout=600)
            yield Path(folder)
        finally:
            process.run(["umount", folder])
