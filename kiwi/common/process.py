"""Start processes: the one place that does.

`run` waits for a command and returns its output; `start` returns a running
child. Both take an argument list, never a shell line. Values in `secrets` are
masked in logs and errors.
"""

from __future__ import annotations

import logging
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from kiwi.common.errors import KiwiError

log = logging.getLogger(__name__)

Child = subprocess.Popen
PIPE = subprocess.PIPE
# Whatever the locale, and whatever bytes a stranger has a program print.
TEXT: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}
DEVNULL = subprocess.DEVNULL


class Result(NamedTuple):
    """What a finished command left: exit code, standard output and error."""

    code: int
    out: str
    err: str


class CommandError(KiwiError):
    """A command failed, timed out (code 124) or was not found (code 127)."""

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
) -> Result:
    """Run `argv` to its end and return its Result.

    `timeout` is in seconds (None: no limit); `env` replaces the environment.
    Raise CommandError if `check` is set and the code is not 0, on a timeout
    (code 124), and if the program does not exist (code 127).
    """
    shown = [_mask(a, secrets) for a in argv]
    log.debug("run %s", shlex.join(shown))
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, **TEXT, timeout=timeout, cwd=cwd, env=env, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise CommandError(shown, 124, f"no end after {timeout} s") from exc
    except FileNotFoundError as exc:
        raise CommandError(shown, 127, f"{argv[0]}: not found") from exc
    result = Result(done.returncode, done.stdout, _mask(done.stderr, secrets))
    log.debug("%s ended with %s", argv[0], result.code)
    if check and result.code != 0:
        raise CommandError(shown, result.code, result.err or result.out)
    return result


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
    """End a child: interrupt, terminate, kill, each after `grace` seconds; return its code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            break
        if ignores(child.pid, number):
            continue
        child.send_signal(number)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            continue
    return child.wait()


def ignores(pid: int, number: int) -> bool:
    """Return whether a process ignores a signal, as what a script began with & does an interrupt (SigIgn, proc(5))."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:")]
    return any(mask & 1 << number - 1 for mask in masks)
