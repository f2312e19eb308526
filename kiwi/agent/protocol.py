"""Speak with the agent through /run/kiwi/agent.sock: one line of JSON each way, then the end.

A request is an object with exactly these keys:

    {"version": 1, "op": "info" | "alloc" | "kill", "partition": "lab" | null,
     "nodes": ["lab-1"], "seconds": 3600, "user": "alice" | null, "dry_run": false}

`seconds` and `dry_run` are read by alloc only; `user` is for administrators. The answer
is `{"result": {"nodes": [kiwi.engines.base.Node as an object, …]}}` or
`{"error": {"kind": "BusyError", "message": "…", "hint": "…"}}`.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, NamedTuple

from kiwi.common.errors import BusyError, KiwiError, UnreachableError, UsageError

SOCKET = Path("/run/kiwi/agent.sock")
VERSION = 1
MAX_REQUEST = 262144  # bytes: 4096 names of 64 characters
ERRORS = {c.__name__: c for c in (KiwiError, UsageError, BusyError, UnreachableError)}


class Request(NamedTuple):
    """A checked request: `op` is info, alloc or kill, `seconds` how long to book; `user` None: the caller."""

    op: str
    partition: str | None = None
    nodes: tuple[str, ...] = ()
    seconds: int = 0
    user: str | None = None
    dry_run: bool = False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable()


class _Check(NamedTuple):
    """Whether one value is good, and what it needs to be."""

    good: Callable[[Any], bool]
    needs: str


CHECKS = {
    "op": _Check(lambda v: v in ("info", "alloc", "kill"), "info, alloc or kill"),
    "partition": _Check(lambda v: v is None or _is_text(v), "a name, or null"),
    "nodes": _Check(lambda v: isinstance(v, list) and len(v) <= 4096 and all(map(_is_text, v)), "at most 4096 names"),
    "seconds": _Check(lambda v: type(v) is int, "a whole number"),
    "user": _Check(lambda v: v is None or _is_text(v), "a name, or null"),
    "dry_run": _Check(lambda v: type(v) is bool, "true or false"),
}


def line(message: Mapping[str, Any]) -> bytes:
    """Return one message as it is sent: JSON, and the end of the line."""
    return json.dumps(message).encode() + b"\n"


def encode(request: Request) -> bytes:
    """Return the line that carries `request`."""
    return line({"version": VERSION, **request._asdict()})


def decode(data: bytes) -> Request:
    """Return the request in `data`. Raise UsageError if it is not exactly one, of this version."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise UsageError("the request is not JSON") from exc
    if not isinstance(raw, dict) or raw.pop("version", None) != VERSION:
        raise UsageError(f"the request is not of version {VERSION}", hint="client and agent are of different releases")
    if set(raw) != set(CHECKS):
        raise UsageError(f"the request must have exactly the keys {', '.join(CHECKS)}")
    for key, check in CHECKS.items():
        if not check.good(raw[key]):
            raise UsageError(key=f"request.{key}", found=raw[key], needs=check.needs)
    return Request(**{**raw, "nodes": tuple(raw["nodes"])})


def failure(error: KiwiError) -> dict[str, Any]:
    """Return the answer that carries `error`: its kind (a class of ERRORS, else KiwiError), message and hint."""
    kind = type(error).__name__ if type(error).__name__ in ERRORS else "KiwiError"
    return {"error": {"kind": kind, "message": error.args[0], "hint": error.hint}}


def result(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result in an answer. Raise the KiwiError that it carries instead, if it does."""
    if "error" in answer:
        error = answer["error"]
        raise ERRORS[error["kind"]](error["message"], hint=error["hint"])
    found: dict[str, Any] = answer["result"]
    return found


def receive_line(channel: socket.socket, deadline: float) -> bytes:
    """Return what comes up to the end of a line.

    Raise TimeoutError at `deadline` (seconds of the monotonic clock) and
    ConnectionError if the other side ends before.
    """
    parts: list[bytes] = []
    while not parts or not parts[-1].endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        channel.settimeout(left)
        part = channel.recv(1 << 16)
        if not part:
            raise ConnectionError("the other side ended")
        parts.append(part)
    return b"".join(parts)


def ask(request: Request, path: Path = SOCKET, timeout: float = 10.0) -> dict[str, Any]:
    """Send `request` to the agent and return its result.

    Raise UnreachableError if no agent answers within `timeout` seconds, and the KiwiError that it answers with.
    """
    hint = "an administrator can look with: systemctl status kiwi-agent"
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(timeout)
            channel.connect(str(path))
            channel.sendall(encode(request))
            answer = receive_line(channel, time.monotonic() + timeout)
    except OSError as exc:
        raise UnreachableError(f"the agent of this machine does not answer ({exc})", hint=hint) from exc
    return result(json.loads(answer))
