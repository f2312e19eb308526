"""One change at a time: the lock of a cluster.

Under it a cluster is observed, and machines are made and removed. What takes long (a machine that boots, a playbook)
goes on outside of it, for nodes that a batch has claimed (batches.py). Whoever takes the lock first ends what
killed runs left (rivals.py).
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from kiwi.common import hostlist, waiting
from kiwi.common.errors import BusyError
from reconfigure.clusterdir import batches, rivals
from reconfigure.clusterdir.paths import ClusterDir

log = logging.getLogger(__name__)
WAIT = 120.0  # seconds that a person's command waits for another change
PAUSE = 0.1  # seconds between two looks


@contextmanager
def locked(clusterdir: ClusterDir, wait: float | None) -> Iterator[None]:
    """Hold the lock of a cluster for a block, rivals ended; wait at most `wait` seconds for it (None: for ever).

    Raises BusyError, naming the holder, where it stays taken.
    """
    with hold(clusterdir.path / "lock", wait):
        rivals.end_left(clusterdir)
        batches.sweep(clusterdir)
        try:
            yield
        except BaseException:  # our own children must not go on without the lock
            try:
                rivals.end_left(clusterdir)
            except BusyError as exc:  # what went wrong first is what is told
                log.error("%s", exc)
            raise


@contextmanager
def locked_when_free(clusterdir: ClusterDir, names: Collection[str] | None, wait: float) -> Iterator[None]:
    """Hold the lock when no batch brings up one of these nodes; wait at most `wait` seconds.

    `names` is None: when the batches have ended that go on now, whatever begins meanwhile. Raise BusyError where they
    do not end, or the lock is taken.
    """
    until, before = time.monotonic() + wait, set(batches.live(clusterdir))

    def taken() -> frozenset[str]:
        if names is None and before.isdisjoint(batches.live(clusterdir)):
            return frozenset()
        found = batches.busy(clusterdir)
        return found if names is None else found & set(names)

    while True:
        found = waiting.until(taken, until - time.monotonic(), done=lambda found: not found, pause=PAUSE)
        if found:
            raise BusyError(
                f"{hostlist.fold(found)}: being brought up", hint="wait for it (reconfigure status), and try again"
            )
        with locked(clusterdir, max(0.0, until - time.monotonic())):
            if not taken():
                yield
                return


@contextmanager
def hold(path: Path, wait: float | None) -> Iterator[None]:
    """Hold a lock file for a block, signed with who holds it. Raise BusyError after `wait` seconds."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = _take(path, wait)
    try:
        _sign(number, path)
        yield
    finally:
        os.close(number)


def _take(path: Path, wait: float | None) -> int:
    until = None if wait is None else time.monotonic() + wait
    logged = False
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if _try(number):
            if path.exists() and os.fstat(number).st_ino == path.stat().st_ino:
                return number
        elif until is not None and time.monotonic() >= until:
            holder = _holder(number)
            os.close(number)
            raise BusyError(f"{path} is held by {holder}", hint="wait for it, or end it, and try again")
        elif not logged:
            logged = True
            log.info("waiting for %s", _holder(number))
        os.close(number)
        time.sleep(PAUSE)


def _try(number: int) -> bool:
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(number: int, path: Path) -> None:
    """Write down who holds a lock. Raise OSError, with the file, where that cannot be written."""
    command = " ".join(["reconfigure", *sys.argv[1:]])
    text = json.dumps({"pid": os.getpid(), "command": command, "since": time.time()})
    try:
        os.ftruncate(number, 0)
        os.pwrite(number, text.encode(), 0)
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, str(path)) from exc


def _holder(number: int) -> str:
    try:
        data = json.loads(os.pread(number, 4096, 0))
        since = time.strftime("%H:%M:%S", time.localtime(data["since"]))
        return f"process {data['pid']} (`{data['command']}`, since {since})"
    except (ValueError, KeyError, TypeError):
        return "another process"
