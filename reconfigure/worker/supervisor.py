"""Start and stop the worker in the background: a transient systemd unit, or a session of its own."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from kiwi.common import process, waiting
from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import lock, worker_pid
from reconfigure.clusterdir.environment import ours
from reconfigure.clusterdir.paths import REPO, ClusterDir

STARTED_WAIT = 20.0  # seconds
PAUSE = 0.05  # seconds between two looks for the worker
KEPT = ("HOME", "LANG", "LC_ALL", "PATH", "TZ")  # of whoever starts the worker


def unit_name(clusterdir: ClusterDir) -> str:
    """Return the name of the worker's systemd unit."""
    return f"kiwi-{clusterdir.cluster}-serve.service"


def systemd() -> bool:
    """Return whether systemd is PID 1 here."""
    return Path("/run/systemd/system").is_dir()


def command(clusterdir: ClusterDir) -> list[str]:
    """Return the worker's command line."""
    return [sys.executable, "-m", "reconfigure", "--cluster", clusterdir.cluster, "serve", "--log"]


def settings(clusterdir: ClusterDir) -> dict[str, str]:
    """Return all that the worker has of the environment, as a unit or as a session.

    Any user may read the environment of a unit, so no password of a proxy or a cloud is among it.
    """
    kept = {name: value for name, value in ours(os.environ).items() if name in KEPT}
    return {"HOME": "/root", **kept, "KIWI_ROOT": str(clusterdir.root), "PYTHONPATH": str(REPO)}


def unit_argv(clusterdir: ClusterDir, log: Path) -> list[str]:
    """Return the systemd-run call; machines and other children are not the unit's to kill."""
    properties = ["Restart=always", "RestartSec=1", "KillMode=process", f"StandardError=append:{log}"]
    options = [f"--property={p}" for p in properties] + [f"--setenv={k}={v}" for k, v in settings(clusterdir).items()]
    return [
        "systemd-run",
        f"--unit={unit_name(clusterdir)}",
        "--collect",
        "--quiet",
        *options,
        "--",
        *command(clusterdir),
    ]


def start(clusterdir: ClusterDir) -> bool:
    """Start the worker where none runs; return whether it was started, once it serves.

    One that is not what it would be now (worker_pid.kind) is replaced, between two of its rounds, and when the nodes
    are up that it is bringing up.
    """
    if worker_pid.outdated(clusterdir):
        with lock.locked_when_free(clusterdir, None, lock.WAIT):
            stop(clusterdir)
    elif worker_pid.worker(clusterdir) is not None:
        return False
    clusterdir.log.mkdir(mode=0o700, exist_ok=True)
    log = clusterdir.log / "serve.log"
    child: process.Child[str] | None = None  # systemd starts a worker that ended again
    if systemd():
        process.run(
            ["systemctl", "stop", unit_name(clusterdir)], check=False
        )  # one that was killed waits to be started again
        process.run(unit_argv(clusterdir, log))
    else:
        with log.open("a", encoding="utf-8") as file:
            child = process.start(
                command(clusterdir), stdout=file, stderr=file, cwd="/", env=settings(clusterdir), new_session=True
            )

    def settled() -> bool:
        return worker_pid.worker(clusterdir) is not None or (child is not None and child.poll() is not None)

    if not waiting.until(settled, STARTED_WAIT, pause=PAUSE) or worker_pid.worker(clusterdir) is None:
        raise KiwiError("the worker did not start", hint=f"see {log}")
    return True


def stop(clusterdir: ClusterDir, *, unit: bool = True) -> bool:
    """Stop the worker; return whether one ran. Without `unit` the unit of that name is another root's, and stays."""
    if unit and systemd():
        process.run(["systemctl", "stop", unit_name(clusterdir)], check=False)
    found = worker_pid.worker(clusterdir)
    for number in (signal.SIGTERM, signal.SIGKILL):
        pid = worker_pid.worker(clusterdir)
        if not pid:
            break
        os.kill(pid, number)
        waiting.until(lambda: worker_pid.worker(clusterdir) is None, STARTED_WAIT, pause=PAUSE)
    return found is not None
