"""Decide who may ask the agent for what, and turn a good request into a call of the storage child.

Everybody may see all nodes. A user may book and release for nobody else;
root and the `admins` of the configuration may, and only they may release what a
user holds who is gone.
"""

from __future__ import annotations

import pwd
from typing import Any, Callable

from kiwi.agent.protocol import Request
from kiwi.agent.socket_server import Peer
from kiwi.agent.storage_child import StorageChild
from kiwi.common.errors import UsageError
from kiwi.common.settings import NAME, Config, Partition
from kiwi.engines.base import User
from kiwi.node.processes import is_system

GONE = 2**32 - 2  # for a holder who is no longer a user: the highest uid, which no user has (chown(2): -1 means none)


class Authorizer:
    """Answer callers; pass an event to `emit` for each who is refused, as garbage or for lack of rights."""

    def __init__(self, config: Config, storage: StorageChild, emit: Callable[[dict[str, Any]], None]) -> None:
        self._config = config
        self._storage = storage
        self._emit = emit

    def handle(self, peer: Peer, request: Request) -> dict[str, Any]:
        """Return the answer to a good request, as the protocol has it.

        Raise UsageError if the caller may not ask that, or names what is not
        there, and whatever KiwiError the storage answers with.
        """
        if request.op == "info":
            return self._info(request)
        user = self._for_whom(peer, request)
        if request.op == "kill" and not request.nodes and request.partition is None:
            return self._kill_all(user)
        if request.op == "forget":
            return self._forget(user, request)
        partition = self._partition(request)
        call: dict[str, Any] = {"do": request.op, "partition": partition.name, "nodes": request.nodes, "user": user}
        return self._storage.call({**call, **_more(request)})

    def refused(self, peer: Peer, reason: str) -> None:
        """Emit the event `refused`: who was refused, as the kernel knows them, and for what reason."""
        self._emit({"event": "refused", "uid": peer.uid, "pid": peer.pid, "reason": reason})

    def _info(self, request: Request) -> dict[str, Any]:
        """Return the nodes of one partition, or of all if none is named."""
        if request.nodes or request.partition not in (None, "all"):
            parts = [self._partition(request)]
        else:
            parts = list(self._config.partitions)
        nodes: list[Any] = []
        for part in parts:
            nodes += self._storage.call({"do": "info", "partition": part.name, "nodes": request.nodes})["nodes"]
        return {"nodes": nodes}

    def _kill_all(self, user: User) -> dict[str, Any]:
        """End what a user holds, in whichever partitions that is. Raise UsageError if it is nothing."""
        nodes: list[Any] = []
        refused: UsageError | None = None
        for part in self._config.partitions:
            try:
                nodes += self._storage.call({"do": "kill", "partition": part.name, "nodes": [], "user": user})["nodes"]
            except UsageError as exc:
                refused = exc
        if not nodes:
            raise refused or UsageError(f"{user.name} holds no node", hint="no partition is for booking")
        return {"nodes": nodes}

    def _forget(self, user: User, request: Request) -> dict[str, Any]:
        """End a wish of a user, in whichever partition it is."""
        for part in self._config.partitions:
            self._storage.call({"do": "forget", "partition": part.name, "user": user, "wish": request.wish or ""})
        return {"nodes": []}

    def _for_whom(self, peer: Peer, request: Request) -> User:
        """Return the user whose bookings change. Raise UsageError if the caller may not act for them."""
        caller = _user_of(peer.uid)
        if request.user is None or request.user == caller.name:
            user = caller
        elif peer.uid == 0 or caller.name in self._config.admins:
            user = _holder_named(request.user) if request.op == "kill" else _user_named(request.user)
        else:
            self.refused(peer, f"{request.op} for {request.user!r} by {caller.name}")
            raise UsageError(f"{caller.name} may not act for {request.user}", hint="only administrators can use -u")
        if is_system(user.uid) or not NAME.fullmatch(user.name):
            raise UsageError(f"{user.name} cannot hold nodes", hint="act for a user: -u USER")
        return user

    def _partition(self, request: Request) -> Partition:
        """Return the named partition, else the one that has the nodes, else the only one.

        Raise UsageError if that is not exactly one.
        """
        parts = self._config.partitions
        if request.partition is not None:
            parts = tuple(p for p in parts if p.name == request.partition)
        elif len(parts) > 1 and request.labels:
            parts = tuple(p for p in parts if set(request.labels) <= set(p.labels))
        elif len(parts) > 1:
            parts = tuple(p for p in parts if set(request.nodes) & set(p.nodes))
        if len(parts) == 1:
            return parts[0]
        names = ", ".join(p.name for p in self._config.partitions) or "none"
        if request.partition is not None:
            raise UsageError(f"there is no partition {request.partition}", hint=f"partitions that are booked: {names}")
        asked = ", ".join(request.nodes or request.labels)
        wanted = f"no one partition has {asked}" if asked else "no partition was named"
        raise UsageError(wanted, hint=f"add -p PARTITION; partitions that are booked: {names}")


def _more(request: Request) -> dict[str, Any]:
    """Return what a request says besides partition, nodes and user, as the call of the storage child has it.

    Raise UsageError if a wish is to begin later, or to be tried.
    """
    if request.op == "extend":
        return {"until": request.at or 0.0}
    if request.op != "alloc":
        return {}
    asked = {"seconds": request.seconds, "size": request.size, "labels": request.labels}
    if request.wish is None:
        return {**asked, "at": request.at, "dry_run": request.dry_run}
    if request.at is not None or request.dry_run:
        raise UsageError("who waits takes nodes as soon as they are free, not at a given time, and does not only try")
    return {**asked, "do": "wait", "wish": request.wish}


def _user_of(uid: int) -> User:
    try:
        return User(pwd.getpwuid(uid).pw_name, uid)
    except KeyError as exc:
        raise UsageError(f"uid {uid} has no account on this machine") from exc


def _user_named(name: str) -> User:
    try:
        return User(name, pwd.getpwnam(name).pw_uid)
    except KeyError as exc:
        raise UsageError(f"there is no user {name}") from exc


def _holder_named(name: str) -> User:
    """Return who may hold a booking: also a user who is gone, whose bookings an administrator ends."""
    try:
        return _user_named(name)
    except UsageError:
        return User(name, GONE)
