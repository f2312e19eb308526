"""Which nodes are being brought up outside the cluster's lock, and by which batch.

    CLUSTERDIR/run/batches/ID/       a batch's own folder, gone with it
      lock                           held (flock(2)) while the batch goes on; a kill frees it
      instances.json, doing.json     what its playbooks see of Terraform's state; what it does now
    CLUSTERDIR/run/nodes/NODE.lock   the node's own lock: another name (link(2)) of its batch's lock file
    CLUSTERDIR/run/nodes/NODE.drop   asks the batch to let this node go, which waits for its machine

Nodes are claimed under the cluster's lock (lock.py), so none is in two batches; a batch gives them back when it
likes. One descriptor holds all of its nodes, however many they are.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kiwi.common.errors import BusyError, KiwiError
from reconfigure.clusterdir.paths import ClusterDir

INSTANCES = "instances.json"  # in a batch's folder: Terraform's state when it began, {NAME: {id, address, tainted}}


class Abandoned(KiwiError):
    """The process of a batch is about to end, and the batch with it."""


@dataclass
class Claim:
    """The nodes that a batch holds.

    `abandoned` once its process is about to end: what its children say from then on counts for nothing.
    """

    clusterdir: ClusterDir
    id: str
    lock: int
    nodes: set[str] = field(default_factory=set)
    abandoned: bool = False

    @property
    def folder(self) -> Path:
        """The batch's own folder, mode 0700."""
        return self.clusterdir.batches / self.id

    def require(self) -> None:
        """Raise Abandoned if the batch is."""
        if self.abandoned:
            raise Abandoned(f"the batch {self.id} was ended")

    def dropped(self) -> set[str]:
        """Return the nodes that the batch shall let go."""
        return {name for name in self.nodes if _drop(self.clusterdir, name).exists()}

    def release(self, names: Iterable[str]) -> None:
        """Give nodes back."""
        for name in self.nodes & set(names):
            _node(self.clusterdir, name).unlink(missing_ok=True)
            _drop(self.clusterdir, name).unlink(missing_ok=True)
            self.nodes.discard(name)

    def close(self) -> None:
        """End the batch: give all of its nodes back, remove its folder."""
        self.release(set(self.nodes))
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)


def claim(clusterdir: ClusterDir, batch: str, names: Iterable[str]) -> Claim:
    """Begin a batch that holds these nodes. Only under the cluster's lock; raise BusyError if another holds one."""
    wanted = set(names)
    if taken := busy(clusterdir) & wanted:
        raise BusyError(f"another batch brings up {', '.join(sorted(taken))}", hint="wait until it has ended")
    folder = clusterdir.batches / batch
    for each in (clusterdir.batches, clusterdir.node_locks, folder):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Claim(clusterdir, batch, os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        fcntl.flock(found.lock, fcntl.LOCK_EX)
        for name in sorted(wanted):
            for left in (_node(clusterdir, name), _drop(clusterdir, name)):
                left.unlink(missing_ok=True)
            os.link(folder / "lock", _node(clusterdir, name))
            found.nodes.add(name)
    except BaseException:
        found.close()
        raise
    return found


def busy(clusterdir: ClusterDir) -> frozenset[str]:
    """Return the nodes that batches hold."""
    held, found = dict[int, bool](), set[str]()
    for entry in _entries(clusterdir.node_locks):
        if entry.name.endswith(".lock"):
            inode = entry.inode()
            if inode not in held:
                held[inode] = _held(Path(entry.path))
            if held[inode]:
                found.add(entry.name.removesuffix(".lock"))
    return frozenset(found)


def live(clusterdir: ClusterDir) -> tuple[str, ...]:
    """Return the ids of the batches that go on, oldest first."""
    return tuple(sorted(entry.name for entry in _entries(clusterdir.batches) if goes_on(clusterdir, entry.name)))


def goes_on(clusterdir: ClusterDir, batch: str) -> bool:
    """Return whether a batch goes on: its process lives, and has not ended it."""
    return batch not in ("", ".", "..") and "/" not in batch and _held(clusterdir.batches / batch / "lock")


def drop(clusterdir: ClusterDir, names: Iterable[str]) -> None:
    """Have batches let go of nodes whose machines they wait for; one that is being configured stays to the end."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            _drop(clusterdir, name).touch(mode=0o600)


def sweep(clusterdir: ClusterDir) -> None:
    """Remove what killed batches left. Only under the cluster's lock, after their children have ended."""
    for entry in _entries(clusterdir.batches):
        if not goes_on(clusterdir, entry.name):
            shutil.rmtree(entry.path, ignore_errors=True)
    held = busy(clusterdir)
    for entry in _entries(clusterdir.node_locks):
        if entry.name.rpartition(".")[0] not in held:
            Path(entry.path).unlink(missing_ok=True)


def _node(clusterdir: ClusterDir, name: str) -> Path:
    return clusterdir.node_locks / f"{name}.lock"


def _drop(clusterdir: ClusterDir, name: str) -> Path:
    return clusterdir.node_locks / f"{name}.drop"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _held(path: Path) -> bool:
    """Return whether somebody holds a lock file; one who only looks shares it for a moment."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(number)
    return False
