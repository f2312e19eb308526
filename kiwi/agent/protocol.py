"""Speak with the agent through /run/kiwi/agent.sock: one line of JSON each way, then the end.

A request is an object with exactly these keys:

    {"version": 3, "op": "info" | "alloc" | "kill" | "extend" | "forget", "partition": "lab" | null,
     "nodes": ["lab-1"], "seconds": 3600, "user": "alice" | null, "dry_run": false, "at": 1795272400.0 | null,
     "size": 0, "labels": ["gpu"], "wish": "8c1f00e2a4b7" | null}

`seconds` and `dry_run` are read by alloc only; `at` (UTC seconds) is when it begins there (null: now), and the new end
in extend. alloc takes `nodes`, or `size` nodes that have all of `labels`. With `wish`, an id that the client makes up,
it waits where they are booked or being cleaned: the client asks again every second or two; forget ends that. `user` is
for administrators. A request is sent in the oldest version that can carry it: 1 has neither `at` nor what follows, 2
has `at`. So an agent that was not yet restarted after an update answers all that it can; a newer one than its own it
refuses in words. The answer is `{"result": {"nodes": [kiwi.engines.base.Node as an object, …]}}`, with
`"waits": "why"` beside the nodes, which are none, where a wish waits; or
`{"error": {"kind": "BusyError", "message": "…", "hint": "…"}}`.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, NamedTuple

from kiwi.common.errors import BusyError, KiwiError, UnreachableError, UsageError, shown

SOCKET = Path("/run/kiwi/agent.sock")
OLDEST, VERSION = 1, 3
# What came with each version, and what it means where it is not there.
ADDED: dict[int, dict[str, Any]] = {2: {"at": None}, 3: {"size": 0, "labels": [], "wish": None}}
OPERATIONS = {"info": 1, "alloc": 1, "kill": 1, "extend": 3, "forget": 3}  # with the version that brought each
WISH = re.compile(r"[0-9a-f]{12,32}", re.ASCII)
MOST = 4096  # nodes of one request
MAX_REQUEST = 262144  # bytes: 4096 names of 64 characters
PAUSE = 0.05  # seconds between two tries to connect
LATEST = 2.0**33  # UTC seconds; what is later is no time
ERRORS = {c.__name__: c for c in (KiwiError, UsageError, BusyError, UnreachableError)}


class Request(NamedTuple):
    """A checked request; its fields are those of the module's text. `user` None: the caller."""

    op: str
    partition: str | None = None
    nodes: tuple[str, ...] = ()
    seconds: int = 0
    user: str | None = None
    dry_run: bool = False
    at: float | None = None
    size: int = 0
    labels: tuple[str, ...] = ()
    wish: str | None = None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64 and value.isprintable()


class _Check(NamedTuple):
    """Whether one value is good, and what it needs to be."""

    good: Callable[[Any], bool]
    needs: str


CHECKS = {
    "op": _Check(lambda v: isinstance(v, str) and v in OPERATIONS, ", ".join(OPERATIONS)),
    "partition": _Check(lambda v: v is None or _is_text(v), "a name, or null"),
    "nodes": _Check(
        lambda v: isinstance(v, list) and len(v) <= MOST and all(map(_is_text, v)), f"at most {MOST} names"
    ),
    "seconds": _Check(lambda v: type(v) is int, "a whole number"),
    "user": _Check(lambda v: v is None or _is_text(v), "a name, or null"),
    "dry_run": _Check(lambda v: type(v) is bool, "true or false"),
    "at": _Check(lambda v: v is None or (type(v) in (int, float) and 0 <= v < LATEST), "UTC seconds, or null"),
    "size": _Check(lambda v: type(v) is int and 0 <= v <= MOST, f"a number from 0 to {MOST}"),
    "labels": _Check(lambda v: isinstance(v, list) and len(v) <= 64 and all(map(_is_text, v)), "at most 64 words"),
    "wish": _Check(
        lambda v: v is None or (isinstance(v, str) and bool(WISH.fullmatch(v))), "12 to 32 digits and a-f, or null"
    ),
}


def line(message: Mapping[str, Any]) -> bytes:
    """Return one message as it is sent: JSON, and the end of the line."""
    return json.dumps(message).encode() + b"\n"


def encode(request: Request) -> bytes:
    """Return the line that carries `request`."""
    values = {**request._asdict(), "labels": list(request.labels)}
    needed = [number for number, keys in ADDED.items() if any(values[key] != plain for key, plain in keys.items())]
    version = max(OPERATIONS[request.op], *needed, OLDEST)
    later = _later(version)
    return line({"version": version, **{key: value for key, value in values.items() if key not in later}})


def decode(data: bytes) -> Request:
    """Return the request in `data`. Raise UsageError if it is not exactly one, of a version that we know."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise UsageError("the request is not JSON") from exc
    version = raw.pop("version", None) if isinstance(raw, dict) else None
    if type(version) is not int or not OLDEST <= version <= VERSION:
        raise UsageError(
            f"the request is of version {shown(version)}; the agent of this machine knows {OLDEST} to {VERSION}",
            hint="client and agent are of different releases; an administrator runs: systemctl restart kiwi-agent",
        )
    later = _later(version)
    keys = [key for key in CHECKS if key not in later]
    if set(raw) != set(keys):
        raise UsageError(f"the request must have exactly the keys {', '.join(keys)}")
    raw = {**later, **raw}
    for key, check in CHECKS.items():
        if not check.good(raw[key]):
            raise UsageError(key=f"request.{key}", found=raw[key], needs=check.needs)
    return Request(**{**raw, "nodes": tuple(raw["nodes"]), "labels": tuple(raw["labels"])})


def _later(version: int) -> dict[str, Any]:
    """Return the keys that a version does not have, with what they mean there."""
    return {key: plain for number, keys in ADDED.items() if number > version for key, plain in keys.items()}


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


def _connect(channel: socket.socket, path: Path, deadline: float) -> None:
    """Connect; try again until `deadline` (seconds of the monotonic clock) where too many others wait to be taken."""
    while True:
        try:
            return channel.connect(str(path))
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE)


def ask(request: Request, path: Path = SOCKET, timeout: float = 10.0) -> dict[str, Any]:
    """Send `request` to the agent and return its result.

    Raise UnreachableError if no agent answers within `timeout` seconds, and the KiwiError that it answers with.
    """
    hint = "an administrator can look with: systemctl status kiwi-agent"
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(timeout)
            _connect(channel, path, time.monotonic() + timeout)
            channel.sendall(encode(request))
            answer = receive_line(channel, time.monotonic() + timeout)
    except OSError as exc:
        raise UnreachableError(f"the agent of this machine does not answer ({exc})", hint=hint) from exc
    return result(json.loads(answer))
