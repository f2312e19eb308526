"""Book, give back, make longer and clean with many processes on one folder, while some of them are killed by -9.

Clients are engines as agents have them; nodes are controllers as agents have them (their users count as bypass users,
so that nothing is really ended on this host); one process writes the history, as the login node's agent does. Each
client writes down what it asks and what it is told. `run` returns all of it for bench.linear.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Callable, NamedTuple

from bench.linear import Told
from kiwi.booking.document import Document, of_node
from kiwi.booking.heartbeats import Heartbeats
from kiwi.booking.journal import read
from kiwi.booking.store import Store
from kiwi.common.children import Forked, fork
from kiwi.common.errors import KiwiError
from kiwi.common.settings import Config, Partition
from kiwi.engines.base import User
from kiwi.engines.booking import BookingEngine
from kiwi.node.controller import Boot, NodeController

Body = Callable[[socket.socket], None]

LONGEST = 3600
PAUSE = 0.01  # seconds between two looks of a node at the document


class Plan(NamedTuple):
    """How much: `operations` by `clients` processes on `nodes`, about `kills` of all processes a second; a seed."""

    operations: int
    clients: int = 16
    nodes: int = 16
    kills: float = 2.0
    seed: int = 1


class Result(NamedTuple):
    """What came of it: the journal, what clients were told, the last document, how often was killed, and times."""

    lines: list[dict[str, Any]]
    told: list[Told]
    last: dict[str, Any]
    killed: int
    now: float
    seconds: float


class _Counting(Store):
    """A store that keeps the generation that it wrote last, for the client to write down."""

    written: Document | None = None

    def update(self, change: Callable[[Document], Document]) -> Document:
        self.written = None
        self.written = super().update(change)
        return self.written


def run(root: Path, plan: Plan) -> Result:
    """Do it in the empty folder `root`."""
    root.mkdir(exist_ok=True)
    (root / "told").mkdir()
    names = tuple(f"lab-{n}" for n in range(1, plan.nodes + 1))
    partition = Partition("lab", names, root)
    Store(root, "login").create()
    chance, began = random.Random(plan.seed), time.monotonic()
    bodies: dict[str, Body] = {"login": partial(_keep_history, partition)}
    bodies.update({name: partial(_be_node, partition, name, plan.clients) for name in names})
    clients = {f"u{n:02d}": plan.operations // plan.clients for n in range(plan.clients)}
    bodies.update({user: partial(_be_client, partition, user, count, plan.seed) for user, count in clients.items()})
    running = {name: fork(body) for name, body in bodies.items()}
    killed = 0
    while any(name in running for name in clients):
        time.sleep(chance.expovariate(plan.kills) if plan.kills else 0.1)
        killed += _kill_one(chance, running, plan.kills > 0)
        _restart(running, bodies, clients)
    for child in running.values():
        _end(child)
    engine = BookingEngine(partition, Store(root, "login"), Heartbeats(Store(root, "login")), LONGEST)
    engine.note_changes()
    last = json.loads(engine.store.newest().read_bytes())
    told = [one for user in clients for one in _told(root / "told" / user, user)]
    return Result(read(root), told, last, killed, engine.heartbeats.now(), time.monotonic() - began)


def _kill_one(chance: random.Random, running: dict[str, Forked], wanted: bool) -> int:
    if wanted:
        with contextlib.suppress(ProcessLookupError):
            os.kill(running[chance.choice(sorted(running))].pid, signal.SIGKILL)
            return 1
    return 0


def _restart(running: dict[str, Forked], bodies: dict[str, Body], clients: dict[str, int]) -> None:
    """Start again what was killed; a client that has done its part is taken out."""
    for name, child in list(running.items()):
        code = child.ended()
        if code is None:
            continue
        child.channel.close()
        if code == 0 and name in clients:
            del running[name]
        elif code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{name} ended with {code}")
        else:
            running[name] = fork(bodies[name])


def _end(child: Forked) -> None:
    child.kill()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child.pid, 0)


def _keep_history(partition: Partition, _: socket.socket) -> None:
    store = Store(partition.state, "login")
    engine = BookingEngine(partition, store, Heartbeats(store), LONGEST)
    while True:
        engine.note_changes()
        time.sleep(0.05)


def _be_node(partition: Partition, name: str, clients: int, _: socket.socket) -> None:
    store = Store(partition.state, name)
    heartbeats = Heartbeats(store)
    engine = BookingEngine(partition, store, heartbeats, LONGEST)
    boot = Boot(f"boot-{os.getpid()}", time.monotonic)
    config = _config(partition, name, clients)
    path = partition.state / f"allow-{name}"
    controller = NodeController(config, boot, lambda event: engine.journal({**event, "node": name}), path)
    reported, beat_at = None, 0.0
    while True:
        if time.monotonic() >= beat_at:
            heartbeats.beat()
            beat_at = time.monotonic() + 1.0
        seen = heartbeats.read([name]).get(name)
        controller.observe(of_node(store.latest(), name), seen.report.cleaned if seen else {}, heartbeats.now())
        report = controller.step()
        if report != reported:
            heartbeats.write(report)
            reported = report
        time.sleep(PAUSE)


def _config(partition: Partition, name: str, clients: int) -> Config:
    return Config(
        node=name,
        role="booking",
        partitions=(partition,),
        admins=frozenset(),
        bypass=frozenset(f"u{n:02d}" for n in range(clients)),
        leaving=frozenset(),
        max_time=LONGEST,
        grace=0,
        clean_tmp=False,
        left_files_block=True,
        history_months=24,
    )


def _be_client(partition: Partition, user: str, operations: int, seed: int, _: socket.socket) -> None:
    store = _Counting(partition.state, user)
    engine = BookingEngine(partition, store, Heartbeats(store), LONGEST)
    path = partition.state / "told" / user
    done = len(_told(path, user))
    chance = random.Random(f"{seed} {user} {done}")
    with open(path, "a", encoding="ascii", buffering=1) as file:
        file.write("\n" * bool(done))  # the one before was killed, within a line maybe
        for _number in range(operations - done):
            file.write(json.dumps({"began": time.monotonic()}) + "\n")
            event, nodes = _operate(engine, User(user, 10000), chance)
            told = {"ended": time.monotonic(), "event": event, "nodes": nodes}
            generation = store.written.generation if event and store.written else None
            file.write(json.dumps({**told, "generation": generation}) + "\n")
            time.sleep(chance.uniform(0, 0.1))


def _operate(engine: BookingEngine, user: User, chance: random.Random) -> tuple[str, list[str]]:
    """Do one thing at random and return the event that the journal must have, and its nodes; nothing if refused."""
    rows = engine.nodes()
    free = [n.node for n in rows if n.state == "free"]
    mine = [n.node for n in rows if n.holder == user.name]
    if mine and chance.random() < 0.5:
        return _give_back(engine, user, chance.choice((mine[:1], mine, [])))
    choice = free if len(free) > 1 and chance.random() < 0.8 else list(engine.partition.nodes)
    names = chance.sample(choice, chance.choice((1, 1, 2)))
    seconds, now = chance.randint(1, 3), engine.heartbeats.now()
    what = chance.random()
    try:
        if what < 0.7:
            found = engine.allocate(names, user, seconds)
            return "booked", [n.node for n in found]
        if what < 0.85:
            engine.allocate(names, user, seconds, at=now + chance.uniform(0.2, 4))
            return "booked", names
        if what < 0.95:
            return _give_back(engine, user, names[:1])
        engine.extend([], user, now + chance.uniform(2, 5))
    except KiwiError:
        return "", []
    return "extended", []


def _give_back(engine: BookingEngine, user: User, names: Sequence[str]) -> tuple[str, list[str]]:
    try:
        engine.release(names, user)
    except KiwiError:
        return "", []
    return "released|cancelled", []


def _told(path: Path, user: str) -> list[Told]:
    """Return what a client wrote down: two lines for each operation, one where it was killed within it."""
    found: list[Told] = []
    with contextlib.suppress(FileNotFoundError):
        for text in path.read_text(encoding="ascii").splitlines():
            with contextlib.suppress(ValueError):  # it was killed within this line
                values = json.loads(text)
                if "began" in values:
                    found.append(Told(user, values["began"]))
                else:
                    found[-1] = found[-1]._replace(**{**values, "nodes": tuple(values["nodes"])})
    return found
