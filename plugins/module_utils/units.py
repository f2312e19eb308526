"""systemd units of a bundle: enabled, running, restarted when their files changed; and what they answer on."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable, NamedTuple

from .files import BundleError

Command = Callable[[Sequence[str]], tuple[int, str, str]]
UNIT_FOLDERS = ("/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/", "/run/systemd/system/")
RUNNING = ("active", "reloading", "refreshing")
ENDED = ("failed", "inactive")
LOOK = 0.5  # seconds between two looks at the unit that is waited for


class Unit(NamedTuple):
    """A unit as systemd sees it."""

    name: str
    load: str
    active: str
    file_state: str


class Wait(NamedTuple):
    """What must accept connections in the end: a TCP port of this machine, or a socket path; and whose it is."""

    port: int | None
    path: str | None
    unit: str
    timeout: float

    def __str__(self) -> str:
        return self.path or f"port {self.port}"


def runs(folder: str = "/run/systemd/system") -> bool:
    """Is systemd this machine's first process? (sd_booted(3); not so in the tree of an image)"""
    return os.path.isdir(folder)


def needs_reload(paths: Iterable[str]) -> bool:
    """Is one of the changed files a unit or a drop-in?"""
    return any(path.startswith(UNIT_FOLDERS) for path in paths)


def _checked(command: Command, argv: Sequence[str], what: str) -> str:
    code, out, err = command(argv)
    if code != 0:
        raise BundleError(f"{what}: {(err or out).strip()}")
    return out


def reload(command: Command) -> None:
    """Have systemd read its unit files again."""
    _checked(command, ["systemctl", "daemon-reload"], "systemd did not read its units again")


def show(command: Command, names: Sequence[str]) -> list[Unit]:
    """What systemd knows of the units, in the order asked."""
    argv = ["systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", *names]
    blocks = _checked(command, argv, "systemd does not answer").strip().split("\n\n") if names else []
    return [_unit(name, block) for name, block in zip(names, blocks)]


def _unit(name: str, block: str) -> Unit:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return Unit(name, values["LoadState"], values["ActiveState"], values["UnitFileState"])


def stop(command: Command, name: str) -> None:
    """Have the unit stopped now and not started at boot."""
    _checked(command, ["systemctl", "disable", "--now", name], f"{name} cannot be stopped")


def enable(command: Command, names: Sequence[str]) -> None:
    """Have the units started at boot.

    systemd does not read its units again: that costs 0.1 s of CPU, and only what `show` tells of running
    units needs it. It is not asked at all (SYSTEMD_OFFLINE), or else it would say of every unit from then on
    that its file has changed on disk (NeedDaemonReload). Init scripts of the same name are left alone: to keep
    them in step costs two more readings each.
    """
    argv = ["env", "SYSTEMCTL_SKIP_SYSV=1", "SYSTEMD_OFFLINE=1", "systemctl", "enable", "--no-reload", *names]
    _checked(command, argv, f"{' '.join(names)} cannot be enabled")


def bring_up(command: Command, verb: str, name: str) -> None:
    """Start or restart one unit; raises BundleError with the unit's last words."""
    code, _, err = command(["systemctl", verb, name])
    if code != 0:
        raise BundleError(f"{name} did not {verb}: {last_words(command, name) or err.strip()}")


def last_words(command: Command, name: str) -> str:
    """The last lines of the unit's journal."""
    return command(["journalctl", "--unit", name, "--lines=5", "--output=cat", "--no-pager"])[1].strip()


def wait_of(item: dict[str, Any]) -> Wait:
    """The Wait that module arguments describe."""
    return Wait(item["port"], item["path"], item["unit"], item["timeout"])


def answers(wait: Wait) -> bool:
    """Does somebody accept a connection there now?"""
    family, address = (socket.AF_UNIX, wait.path) if wait.path else (socket.AF_INET, ("127.0.0.1", wait.port))
    with socket.socket(family) as probe:
        probe.settimeout(1)
        return probe.connect_ex(address) == 0


def await_answer(command: Command, wait: Wait, clock: Callable[[], float] = time.monotonic) -> None:
    """Return when it answers; raises BundleError after its timeout (seconds), and once its unit has ended."""
    now = clock()
    deadline, look = now + wait.timeout, now + LOOK
    while not answers(wait):
        now = clock()
        if now > look:
            look = now + LOOK
            _check_unit(command, wait)
        if now > deadline:
            gone = " (it does not exist)" if wait.path and not os.path.exists(wait.path) else ""
            raise BundleError(f"{wait}{gone} does not answer after {wait.timeout:g} s")
        time.sleep(0.05)


def _check_unit(command: Command, wait: Wait) -> None:
    """Raises BundleError where the unit that is to answer has ended; one that systemd starts again has not."""
    (unit,) = show(command, [wait.unit])
    if unit.active in ENDED and not answers(wait):
        words = last_words(command, wait.unit)
        raise BundleError(f"{wait} does not answer: {wait.unit} has ended" + (f": {words}" if words else ""))
