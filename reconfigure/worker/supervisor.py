"""Start and stop the worker in the background: a transient systemd unit, or a session of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from kiwi.common import process
from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import lock
from reconfigure.clusterdir.paths import REPO, Home
from reconfigure.worker import serve

STARTED_WAIT = 20.0  # seconds


def unit(home: Home) -> str:
    return f"kiwi-{home.cluster}-serve.service"


def systemd() -> bool:
    """Whether systemd is PID 1 here."""
    return Path("/run/systemd/system").is_dir()


def command(home: Home) -> list[str]:
    return [sys.executable, "-m", "reconfigure", "--cluster", home.cluster, "serve", "--log"]


def settings(home: Home) -> dict[str, str]:
    """All that the worker has of the environment, as a unit or as a session; Ansible wants a UTF-8 locale."""
    path = os.environ.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {
        "HOME": os.environ.get("HOME", "/root"),
        "KIWI_ROOT": str(home.root),
        "LANG": "C.UTF-8",
        "PATH": path,
        "PYTHONPATH": str(REPO),
    }


def unit_argv(home: Home, log: Path) -> list[str]:
    """The systemd-run call; machines and other children are not the unit's to kill."""
    properties = ["Restart=always", "RestartSec=1", "KillMode=process", f"StandardError=append:{log}"]
    options = [f"--property={p}" for p in properties] + [f"--setenv={k}={v}" for k, v in settings(home).items()]
    return ["systemd-run", f"--unit={unit(home)}", "--collect", "--quiet", *options, "--", *command(home)]


def start(home: Home) -> bool:
    """Start the worker where none runs; return whether it was started, once it serves.

    One that runs other sources than there are now is replaced, between two of its rounds.
    """
    if serve.outdated(home):
        with lock.locked(home, lock.WAIT):
            stop(home)
    elif serve.worker(home) is not None:
        return False
    home.log.mkdir(mode=0o700, exist_ok=True)
    log = home.log / "serve.log"
    if systemd():
        process.run(["systemctl", "stop", unit(home)], check=False)  # one that was killed waits to be started again
        process.run(unit_argv(home, log))
    else:
        with log.open("a", encoding="utf-8") as file:
            process.start(command(home), stdout=file, stderr=file, cwd="/", env=settings(home), new_session=True)
    _wait(home, running=True, seconds=STARTED_WAIT)
    if serve.worker(home) is None:
        raise KiwiError("the worker did not start", hint=f"see {log}")
    return True


def stop(home: Home) -> bool:
    """Stop the worker; return whether one ran."""
    if systemd():
        process.run(["systemctl", "stop", unit(home)], check=False)
    found = serve.worker(home)
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = serve.worker(home)
        if not pid:
            break
        os.kill(pid, number)
        _wait(home, running=False, seconds=STARTED_WAIT)
    return found is not None


def _wait(home: Home, *, running: bool, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (serve.worker(home) is not None) != running and time.monotonic() < until:
        time.sleep(0.05)
