"""Start processes: the one place that does.

`run` waits for a command and returns its output; `start` returns a running
child. Both take an argument list, never a shell line. Values in `secrets` are
masked in logs and errors.
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from kiwi.common.capture import Pipes, TooMuchError, capture, left
from kiwi.common.errors import KiwiError

log = logging.getLogger(__name__)

Child = subprocess.Popen
PIPE = subprocess.PIPE
# Whatever the locale, and whatever bytes a stranger has a program print.
TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}
DEVNULL = subprocess.DEVNULL
LIMIT = 64 << 20  # bytes that a command may print, if not told otherwise
HANGS = 5.0  # seconds that a killed child has to end; one that has not hangs in the kernel


class Result(NamedTuple):
    """What a finished command left: exit code, standard output and error."""

    code: int
    out: str
    err: str


class CommandError(KiwiError):
    """A command failed, timed out (code 124), printed too much (-9: it was killed) or was not found (127)."""

    def __init__(self, argv: Sequence[str], code: int, stderr: str, *, hint: str = "") -> None:
        tail = "\n".join(stderr.strip().splitlines()[-5:])
        super().__init__(f"`{shlex.join(argv)}` {ended(code)}" + (f": {tail}" if tail else ""), hint=hint)
        self.argv = list(argv)
        self.code = code
        self.stderr = stderr


def ended(code: int) -> str:
    """Return how a process ended, from its code (negative: the signal): "ended with 3", "was killed (signal 9)"."""
    return f"ended with {code}" if code >= 0 else f"was killed (signal {-code})"


def _mask(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float | None = 60,
    stdin: str = "",
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
    limit: int = LIMIT,
) -> Result:
    """Run `argv` to its end and return its Result.

    `timeout` is in seconds (None: no limit); `env` replaces the environment; `limit` is how many bytes
    it may print. Raise CommandError if `check` is set and the code is not 0, and, whatever `check`, on a
    timeout (code 124), where it prints more (it is killed), and if the program does not exist (code 127).
    """
    shown = [_mask(a, secrets) for a in argv]
    log.debug("run %s", shlex.join(shown))
    try:
        deadline = None if timeout is None else time.monotonic() + timeout
        code, out, err = _run(list(argv), stdin.encode(), deadline, limit, cwd, env)
    except TimeoutError as exc:
        raise CommandError(shown, 124, f"no end after {timeout} s") from exc
    except TooMuchError as exc:
        raise CommandError(shown, -signal.SIGKILL, f"it printed more than {limit} bytes") from exc
    except FileNotFoundError as exc:
        raise CommandError(shown, 127, f"{argv[0]}: not found") from exc
    result = Result(code, out.decode(**TEXT), _mask(err.decode(**TEXT), secrets))
    log.debug("%s ended with %s", argv[0], result.code)
    if check and result.code != 0:
        raise CommandError(shown, result.code, result.err or result.out)
    return result


def _run(
    argv: list[str],
    stdin: bytes,
    deadline: float | None,
    limit: int,
    cwd: str | Path | None,
    env: Mapping[str, str] | None,
) -> tuple[int, bytes, bytes]:
    """Run a command; kill it where anything goes wrong. Raise what `capture` raises, and TimeoutError."""
    child = subprocess.Popen(argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=cwd, env=env)
    assert child.stdin and child.stdout and child.stderr
    try:
        out, err = capture(Pipes(child.stdin, child.stdout, child.stderr), stdin, deadline, limit)
        return child.wait(left(deadline)), out, err
    except BaseException as exc:
        _kill(child)
        if isinstance(exc, subprocess.TimeoutExpired):
            raise TimeoutError from exc
        raise


def start(
    argv: Sequence[str],
    *,
    stdin: int | IO[str] = DEVNULL,
    stdout: int | IO[str] = PIPE,
    stderr: int | IO[str] = PIPE,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    new_session: bool = False,
) -> subprocess.Popen[str]:
    """Start `argv` and return the running child (text, line-buffered).

    Raise CommandError (code 127) if the program does not exist.
    """
    log.debug("start %s", shlex.join(argv))
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            **TEXT,
            bufsize=1,
            cwd=cwd,
            env=env,
            start_new_session=new_session,
        )
    except FileNotFoundError as exc:
        raise CommandError(argv, 127, f"{argv[0]}: not found") from exc


def stop(child: subprocess.Popen[str], *, grace: float = 5) -> int:
    """End a child: interrupt, terminate, kill, each after `grace` seconds; return its code.

    One that hangs in the kernel, and does not end even so, is left behind as killed.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        if child.poll() is not None:
            break
        if ignores(child.pid, number):
            continue
        child.send_signal(number)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            continue
    return _kill(child) if child.poll() is None else int(child.returncode)


def _kill(child: subprocess.Popen[Any]) -> int:
    """Kill a child and return its code; nobody waits any more for one that has not ended after HANGS seconds."""
    child.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(HANGS)
    log.error("process %d (%s) hangs in the kernel: it does not end even when it is killed", child.pid, child.args)
    child.returncode = -signal.SIGKILL
    return child.returncode


def ignores(pid: int, number: int) -> bool:
    """Return whether a process ignores a signal, as what a script began with & does an interrupt (SigIgn, proc(5))."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:")]
    return any(mask & 1 << number - 1 for mask in masks)
