"""Whom to kill, and how: processes of a change, found while it goes on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.whole import Cluster
from reconfigure.clusterdir import journal, rivals, worker_pid
from reconfigure.clusterdir.paths import ClusterDir

LOOK = 0.005  # seconds between two looks for a victim
PATIENCE = 20.0  # seconds until a victim of the kind must have come
AFTER = {"terraform": 0.4, "ansible": 2.0, "worker": 6.0, "up, one": 10.0, "up, whole": 10.0}
PROGRAMS = {"terraform": ("terraform", "machine.sh"), "ansible": ("ansible-playbook",)}


@dataclass(frozen=True)
class Hit:
    """What was killed, when (unix time), and what was going on by the processes that were there."""

    killed: tuple[str, ...]
    at: float
    moment: str


def strike(
    cluster: Cluster,
    kind: str,
    up: int | None,
    chance: random.Random,
    delay: float | None = None,
    before: Callable[[], None] = lambda: None,
) -> Hit:
    """Kill -9 a victim of this kind, a random time after the first one is there.

    `up` is the process of bin/up, where one runs. Where the victim is gone by
    then, the next one of its kind; where none comes, nothing is killed. `before` is
    called at the moment, before the kill.
    """
    clusterdir = ClusterDir(cluster.clusterdir.parents[1], cluster.name)
    until = time.monotonic() + PATIENCE
    pause = chance.uniform(0, AFTER[kind]) if delay is None else delay
    while kind in PROGRAMS and not victims(clusterdir, kind, up) and time.monotonic() < until:
        time.sleep(LOOK)
    time.sleep(pause)
    before()
    while time.monotonic() < until:
        there = [pid for pid in victims(clusterdir, kind, up) if name(pid)]
        chosen = there if kind == "up, whole" or not there else [chance.choice(sorted(there))]
        moment, at = now(clusterdir, up), time.time()
        if killed := tuple(told for pid in chosen if (told := kill(pid))):
            return Hit(killed, at, moment)
        time.sleep(LOOK)
    return Hit((), time.time(), now(clusterdir, up))


def victims(clusterdir: ClusterDir, kind: str, up: int | None) -> list[int]:
    """Processes of a kind that are there now."""
    if kind == "worker":
        pid = worker_pid.worker(clusterdir)
        return [pid] if pid else []
    if kind.startswith("up"):
        return tree(up)
    return [pid for pid in {*rivals.marked(clusterdir), *tree(up)} if any(word in name(pid) for word in PROGRAMS[kind])]


def tree(pid: int | None) -> list[int]:
    """A process and all below it; none where it is gone."""
    try:
        top = psutil.Process(pid) if pid else None
        return [top.pid, *(child.pid for child in top.children(recursive=True))] if top else []
    except psutil.NoSuchProcess:
        return []


def name(pid: int) -> str:
    """Program and first arguments of a process, without folders."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return " ".join(word.rpartition("/")[2] for word in words[:4]).strip()


def kill(pid: int) -> str:
    """Kill -9; return the process's name, "" where it was gone."""
    told = name(pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return ""
    return told


def now(clusterdir: ClusterDir, up: int | None) -> str:
    """What goes on, from the processes that do it."""
    names = [name(pid) for pid in {*rivals.marked(clusterdir), *tree(up)}]
    for what, words in MOMENTS.items():
        if any(all(word in told for word in words) for told in names):
            return what
    return "bin/up between steps" if names else "the worker alone"


MOMENTS = {
    "machine being made": ("machine.sh", "create"),
    "machine being removed": ("machine.sh", "destroy"),
    "machine being cleared": ("machine.sh", "clear"),
    "terraform apply": ("terraform", "apply"),
    "terraform plan": ("terraform", "plan"),
    "terraform show": ("terraform", "show"),
    "playbook": ("ansible-playbook", "--extra-vars"),
    "reconfigure sync": ("reconfigure", "sync"),
    "bin/up's playbook": ("ansible-playbook",),
    "bin/prepare or check": ("bash",),
}


def step(clusterdir: Path, at: float) -> str:
    """The journal's step that was running at a time, "" where none that was written covers it."""
    for event in journal.read(ClusterDir(clusterdir.parents[1], clusterdir.name))[0]:
        if event["event"] != "done" and event["time"] - event.get("seconds", 0) <= at <= event["time"]:
            return str(event["event"]) if "seconds" in event else ""
    return ""
