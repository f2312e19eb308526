"""Two ways to change a cluster's machines: eiffel-ohpc's, imitated, and Kiwi's own code.

Both run real Terraform; machines are made of nothing. Of Kiwi only Slurm, SSH and the playbook are fakes.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from kiwi.common import process, waiting
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import batches, files
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.clusterdir.queue import Queue
from reconfigure.model.request import Request
from reconfigure.planning import plan, repair
from reconfigure.providers.base import Machine
from reconfigure.rounds import playbook, wait_ssh
from reconfigure.rounds import round as rounds
from reconfigure.site import data as site_data
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.ssh import authority
from reconfigure.worker import serve
from tests.contract.terraform.module import Module

HERE = Path(__file__).parent
HOSTS = "terraform_data.hosts"
NODES = ("cpu-1", "cpu-2", "cpu-3", "cpu-4", "cpu-5")


def nothing() -> None: ...


class Way(Protocol):
    """What Slurm's hooks start, and what can be seen afterwards."""

    def resume(self, *names: str) -> None: ...
    def suspend(self, name: str, meanwhile: Callable[[], None] = nothing) -> None: ...
    def resume_each_at_once(self, *names: str) -> None: ...
    def bake(self) -> None: ...
    def spoil(self, name: str) -> None: ...
    def kill(self, name: str) -> None: ...
    def machines(self) -> Mapping[str, str]: ...
    def told(self) -> str: ...
    def would_mend(self, name: str) -> bool: ...


@dataclass
class Original:
    """Reads the nodes that there are, then calls Terraform for the named ones and the hosts file, unasked.

    Suspending destroys first and applies the hosts file alone afterwards, with the list read before.
    """

    module: Module
    image: str = "one"
    bad: str = ""
    answers: list[process.Result] = field(default_factory=list)

    def _terraform(self, verb: str, nodes: Iterable[str], targets: Iterable[str]) -> None:
        wanted = [f"-target={target}" for target in (*(f'terraform_data.node["{n}"]' for n in targets), HOSTS)]
        options = ["-auto-approve", "-input=false", "-lock-timeout=3s", *self._variables(nodes), *wanted]
        self.answers.append(self.module.run(verb, *options, check=False))

    def _variables(self, nodes: Iterable[str]) -> list[str]:
        values = {"nodes": json.dumps(sorted(nodes)), "image": self.image, "bad": self.bad}
        return [f"-var={key}={value}" for key, value in values.items()]

    def resume(self, *names: str) -> None:
        self._terraform("apply", {*self.machines(), *names}, names)

    def suspend(self, name: str, meanwhile: Callable[[], None] = nothing) -> None:
        left = set(self.machines()) - {name}
        meanwhile()
        self._terraform("destroy", left, [name])
        self._terraform("apply", left, [])

    def resume_each_at_once(self, *names: str) -> None:
        hooks = [threading.Thread(target=self.resume, args=(name,)) for name in names]
        for hook in hooks:
            hook.start()
        for hook in hooks:
            hook.join()

    def bake(self) -> None:
        self.image = "two"

    def spoil(self, name: str) -> None:
        self.bad = name

    def kill(self, name: str) -> None:
        """Terraform keeps a machine in its state until somebody looks; the original has nobody who does."""

    def machines(self) -> Mapping[str, str]:
        shown = json.loads(self.module.run("show", "-json").out)
        resources = shown.get("values", {}).get("root_module", {}).get("resources", [])
        return {r["index"]: r["values"]["id"] for r in resources if r["name"] == "node" and not r.get("tainted")}

    def told(self) -> str:
        """What reaches Slurm: hooks run in the background there, so that nothing does, whatever they answered."""
        assert any(answer.code != 0 for answer in self.answers)
        return ""

    def would_mend(self, name: str) -> bool:
        return bool(self.module.plan(*self._variables(self.machines())))


class Provider:
    """Machines are those of the state that nobody killed."""

    def __init__(self) -> None:
        self.killed: set[str] = set()
        self.terraform: Any = None

    def elsewhere(self) -> str:
        return ""

    def prepare(self) -> tuple[str, ...]:
        return ()

    def teardown(self) -> None: ...

    def clear(self, name: str, instance: str | None = None) -> None: ...

    def observe(self) -> tuple[Machine, ...]:
        found = self.terraform.instances().items()
        return tuple(Machine(n, i.id, "", "running", "") for n, i in found if n not in self.killed)


@dataclass
class Kiwi:
    """Requests in the queue, and the worker's rounds."""

    cluster: Cluster
    provider: Provider
    queue: Queue
    sent: list[tuple[str, str]] = field(default_factory=list)
    number: int = 0

    def _ask(self, kind: str, *names: str) -> None:
        self.number += 1
        self.queue.put(Request(f"{self.number}-1", kind, ",".join(names), 1.0, None))

    def _round(self) -> None:
        worker = serve.Worker(self.cluster.clusterdir, lambda: self.cluster)
        worker.round(self.queue)
        assert waiting.until(lambda: not batches.live(self.cluster.clusterdir), 60)
        worker._collect(self.queue)

    def resume(self, *names: str) -> None:
        self._ask("resume", *names)
        self._round()

    def suspend(self, name: str, meanwhile: Callable[[], None] = nothing) -> None:
        self._ask("suspend", name)
        meanwhile()
        self._round()

    def resume_each_at_once(self, *names: str) -> None:
        for name in names:
            self._ask("resume", name)
        self._round()

    def bake(self) -> None:
        _images(self.cluster.clusterdir, "two")

    def spoil(self, name: str) -> None:
        (self.cluster.clusterdir.local / "bad").write_text(name)

    def kill(self, name: str) -> None:
        self.provider.killed.add(name)

    def machines(self) -> Mapping[str, str]:
        return {name: i.id for name, i in self.cluster.terraform.instances().items() if name != "login"}

    def told(self) -> str:
        return "; ".join(reason for _, reason in self.sent)

    def would_mend(self, name: str) -> bool:
        todo = repair.sync(self.cluster.nodeset, self.cluster.observe(), ["login", name])
        return name in todo.made


def original(folder: Path) -> Original:
    """The imitation, with its folder made ready."""
    shutil.copy(HERE / "main.tf", folder)
    module = Module(folder)
    module.run("init", "-input=false")
    return Original(module)


def kiwi(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Kiwi:
    """The driver with its real Terraform module, on a home that is made by hand."""
    clusterdir, provider = ClusterDir(folder, "kiwi"), Provider()
    data = {**site_data.load(None).data, "subnet": "198.18.0.0/16"}
    authority.make_missing(clusterdir, site_data.load(None))
    for made in (clusterdir.run, clusterdir.log, clusterdir.local.parent):
        made.mkdir(parents=True, exist_ok=True)
    Module.copy("local", clusterdir.local.parent)
    shutil.copy(HERE / "machine.sh", clusterdir.local)
    files.write_json(clusterdir.site, data)
    _nodeset(clusterdir)
    _images(clusterdir, "one")
    cluster = Cluster(clusterdir, lambda _clusterdir, _subnet: provider)
    provider.terraform = cluster.terraform
    cluster.terraform.init()
    found = Kiwi(cluster, provider, Queue(clusterdir.path / "queue.sqlite"))
    _fakes(found, monkeypatch)
    observed = cluster.observe()
    rounds.Round(cluster, plan.plan(cluster.nodeset, observed, {"login": "resume"}), observed).carry_out().complete()
    return found


def _nodeset(clusterdir: ClusterDir) -> None:
    shape = {"partition": "", "image": "i", "flavor": "small", "features": []}
    nodes = {
        name: {**shape, "name": name, "role": "login" if name == "login" else "slurm", "address": f"198.18.4.{number}"}
        for number, name in enumerate(("login", *NODES), 1)
    }
    files.write_json(clusterdir.nodeset, {"version": 1, "nodes": nodes})


def _images(clusterdir: ClusterDir, digest: str) -> None:
    cluster = {"name": "kiwi", "home": str(clusterdir.path), "subnet": "198.18.0.0/16"}
    images = {"i": {"path": "/nowhere", "hash": digest}}
    files.write_json(clusterdir.variables, {"cluster": cluster, "images": images})


def _fakes(found: Kiwi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm wants every node that it does not want away; SSH answers; playbooks reach their hosts."""
    waited = {name: SlurmNode(name, "IDLE", frozenset({"POWERING_DOWN"})) for name in NODES}
    found.cluster.controller = SimpleNamespace(  # type: ignore[assignment]
        nodes=lambda: waited,
        running=lambda: frozenset(),
        set_state=lambda names, state, reason="", as_user="": found.sent.append((state, reason)),
        start_now=lambda jobs: None,
    )
    monkeypatch.setattr(wait_ssh, "greeting", lambda addresses, timeout=1.0: set(addresses))
    monkeypatch.setattr(
        playbook, "run", lambda clusterdir, name, data, limit: playbook.Run(reached=set(limit.split(",")))
    )
