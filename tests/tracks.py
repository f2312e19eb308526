"""The cluster lane as tracks: pytests side by side, as most of a test is waiting for machines.

Each track has clusters of its own (names and subnets: tests/cluster/conftest.py) and runs its files one after
another, in the order of their names. `pytest tests/cluster` is split, with whatever options; files or tests that are
named run in one pytest. For what all clusters of a host share there are the fixtures `host_shared` and `host_alone`.

A new file goes into the track that ended first in the last run; where it asks for `second`, into b, which has that
cluster already.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from kiwi.common import process

FOLDER = Path(__file__).resolve().parent / "cluster"
TRACK, BEFORE = "KIWI_TEST_TRACK", "KIWI_TEST_BEFORE"
SETTINGS = ("net/ipv4/ip_forward", "fs/inotify/max_user_instances")  # of the host, which clusters change
TRACKS: dict[str, tuple[str, ...]] = {
    "a": (
        "test_10_up.py",
        "test_15_provider_local.py",
        "test_20_elastic.py",
        "test_22_environment.py",
        "test_25_originals.py",
        "test_25_watch.py",
        "test_27_host.py",
        "test_30_booking.py",
        "test_36_jobs.py",
        "test_37_mpi.py",
        "test_42_host.py",
        "test_42_kept.py",
        "test_90_down.py",
    ),
    "b": (
        "test_45_overlap.py",
        "test_48_words.py",
        "test_50_two_clusters.py",
        "test_55_releases.py",
        "test_57_images.py",
        "test_60_accounting.py",
        "test_65_without_slurm.py",
        "test_80_second_down.py",
    ),
    "c": (
        "test_35_users.py",
        "test_40_crash.py",
        "test_44_batches.py",
        "test_46_guards.py",
        "test_47_failures.py",
        "test_48_edits.py",
        "test_49_resize.py",
    ),
}


def run(arguments: list[str], environment: dict[str, str]) -> int:
    """Run all tracks to their end, each line of theirs marked with its track; return the worst of their codes."""
    codes: dict[str, int] = {}
    environment = {**environment, BEFORE: json.dumps(settings())}
    threads = [threading.Thread(target=_run, args=(name, arguments, environment, codes)) for name in TRACKS]
    for thread in threads:
        thread.start()
    for thread in threads:
        _join(thread)
    return worst(list(codes.values()))


def _join(thread: threading.Thread) -> None:
    """Wait for a track, also when interrupted: the interrupt reached it, too, and it takes its clusters away."""
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt:
            continue


def _run(name: str, arguments: list[str], environment: dict[str, str], codes: dict[str, int]) -> None:
    """One track's pytest to its end, its lines to our standard output."""
    apart = [f"--ignore={FOLDER / file}" for file in missing(name)]
    argv = [sys.executable, "-m", "pytest", "-v", "-o", f"cache_dir=.pytest_cache/{name}", *arguments, *apart]
    reader, writer = os.pipe()
    child = process.start(argv, stdout=writer, stderr=writer, env={**environment, TRACK: name, "PYTHONUNBUFFERED": "1"})
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            sys.stdout.write(f"{name} | {line}")
            sys.stdout.flush()
    codes[name] = child.wait()


def settings() -> dict[str, str]:
    """The host's settings, before any track of this run began where there are some."""
    return {name: Path("/proc/sys", name).read_text() for name in SETTINGS}


def missing(name: str) -> list[str]:
    """Names of the files that other tracks run."""
    return [file for other, files in TRACKS.items() if other != name for file in files]


def worst(codes: list[int]) -> int:
    """The highest code; a track without a test, as with -k, counts only where no track had one."""
    return max((code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED), default=codes[0])
