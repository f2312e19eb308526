"""Machines on this host: systemd-nspawn, as terraform/local makes them.

CLUSTERDIR/terraform/local/{machine,network}.sh   do what is done; copied there with the module
CLUSTERDIR/machines/NAME.INSTANCE/                one machine; instance.json is written last
CLUSTERDIR/machines/.NAME.INSTANCE/               a removal that did not finish
ROOT/host/                                  settings of the host, counted over clusters
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiwi.common import process
from kiwi.common.errors import KiwiError, UsageError
from kiwi.common.process import CommandError
from reconfigure.clusterdir import paths
from reconfigure.model.node import Node
from reconfigure.providers.base import Machine

SLURM_UID = 64030  # Debian's slurm, fixed by the distribution
DATA = (("home", 0o755, 0), ("state", 0o711, 0), ("slurmctld", 0o700, SLURM_UID))
LOG_TAIL = 4096  # bytes of console.log that are read
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n -~\u00a0-\uffff]")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class LocalProvider:
    """The Provider of one cluster on this host.

    `folder` is the cluster's, `root` is KIWI_ROOT, `proc` is where the
    kernel shows processes.
    """

    folder: Path
    cluster: str
    subnet: str
    root: Path
    proc: Path = Path("/proc")

    def check(self) -> None:
        """Raise UsageError if another KIWI_ROOT's cluster has the name, or this host reaches the subnet already."""
        try:
            self._checkout("check")
        except CommandError as exc:
            raise UsageError(exc.stderr.strip(), hint="nothing was changed") from exc

    def elsewhere(self) -> str:
        """Return the folder of another KIWI_ROOT's cluster that has this name on this host; "" if there is none."""
        return self._checkout("owner").strip()

    def _checkout(self, command: str) -> str:
        """Have the script of this checkout look at the host, also where the cluster has none yet."""
        source = paths.REPO / "terraform" / "local" / "network.sh"
        values = {"KIWI_CLUSTER": self.cluster, "KIWI_SUBNET": self.subnet, "KIWI_HOST": str(self.root / "host")}
        return process.run(["bash", str(source), command], env={"PATH": PATH, **values}).out

    def prepare(self) -> tuple[str, ...]:
        """Make or mend the data folders (owner and mode too), bridge, rules and the host's settings.

        Machines that run are put on the bridge again. Return what of the network was made.
        """
        for name, mode, owner in DATA:
            folder = self.folder / "data" / name
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, owner, owner)
            folder.chmod(mode)
        return tuple(self._script("network.sh", "up", self._network()).splitlines())

    def observe(self) -> tuple[Machine, ...]:
        """All machines and leftovers of machines of the cluster, by name."""
        folders = sorted((self.folder / "machines").glob("*.*"), key=lambda folder: folder.name.lstrip("."))
        return tuple(self._machine(folder) for folder in folders)

    def unreachable(self, address: str) -> str:
        """Return what is wrong with the bridge of the cluster, or the route to an address; "" if nothing is."""
        bridge = self._script("network.sh", "bridge", {}).strip()
        if not Path("/sys/class/net", bridge).exists():
            return f"there is no bridge {bridge} on this host; bin/up makes it anew"
        route = process.run(["ip", "route", "get", address], check=False, env={"PATH": PATH}).out.split()
        if "dev" not in route or route[route.index("dev") + 1] != bridge:
            return f"this host has no route to {address} over its bridge {bridge}; bin/up mends it"
        return ""

    def resource(self, node: Node, machine: Machine) -> dict[str, Any]:
        """Return a running machine as terraform/local/node has one. Raise KiwiError where its image is gone."""
        network = ipaddress.IPv4Network(self.subnet)
        images = sorted((self.root / "images").glob(f"*-{machine.image[:12]}"))
        if not machine.image or not images:
            raise KiwiError(f"{machine.name}: the image {machine.image or '?'} that it was made from is not there")
        triggers = {"address": f"{node.address}/{network.prefixlen}", "image": machine.image}
        values = {
            "home": str(self.folder),
            "cluster": self.cluster,
            "name": node.name,
            "role": node.role,
            "address": triggers["address"],
            "gateway": str(network[1]),
            "image": str(images[0]),
            "hash": machine.image,
        }
        kept = _dynamic(values)
        attributes = {"id": machine.instance, "input": kept, "output": kept, "triggers_replace": _dynamic(triggers)}
        provider = 'provider["terraform.io/builtin/terraform"]'
        return {"type": "terraform_data", "provider": provider, "attributes": attributes}

    def clear(self, name: str, instance: str | None = None) -> None:
        """End and remove one instance of a node, or all of that name."""
        self._script("machine.sh", "clear", {"KIWI_NAME": name, "KIWI_INSTANCE": instance or ""})

    def teardown(self) -> None:
        """Remove all machines, the bridge, rules and settings; keep data.

        Where the scripts were never copied, nothing was ever made.
        """
        if self._path("machine.sh").exists():
            self._script("machine.sh", "clear", {})
            self._script("network.sh", "down", self._network())

    def _machine(self, folder: Path) -> Machine:
        name, _, instance = folder.name.lstrip(".").partition(".")
        if folder.name.startswith("."):
            return Machine(name, instance, "", "error", f"the removal of {name} did not finish")
        try:
            image, pid, start = _record(folder / "instance.json")
        except FileNotFoundError:
            return Machine(name, instance, "", "error", f"the creation of {name} did not finish")
        except (ValueError, KeyError, TypeError) as exc:
            return Machine(name, instance, "", "error", f"{folder}/instance.json is no record of a machine: {exc!r}")
        if _start(self.proc, pid) == start:
            return Machine(name, instance, image, "running", "")
        return Machine(name, instance, image, "stopped", f"{name} ended; {_last_words(folder / 'console.log')}")

    def _path(self, script: str) -> Path:
        return self.folder / "terraform" / "local" / script

    def _network(self) -> dict[str, str]:
        network = ipaddress.IPv4Network(self.subnet)
        gateway = f"{network[1]}/{network.prefixlen}"
        return {"KIWI_SUBNET": self.subnet, "KIWI_GATEWAY": gateway, "KIWI_HOST": str(self.root / "host")}

    def _script(self, script: str, command: str, values: Mapping[str, str]) -> str:
        env = {"PATH": PATH, "KIWI_HOME": str(self.folder), "KIWI_CLUSTER": self.cluster, **values}
        return process.run(["bash", str(self._path(script)), command], env=env, timeout=120).out


def _dynamic(values: Mapping[str, str]) -> dict[str, Any]:
    """Return a mapping of texts as Terraform's state holds a value of any type."""
    return {"value": dict(values), "type": ["object", dict.fromkeys(values, "string")]}


def _record(path: Path) -> tuple[str, int, int]:
    """Return image hash, pid and the pid's start time (clock ticks since boot) of an instance.json.

    Raises FileNotFoundError, and ValueError, KeyError or TypeError where it is no such record.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    if data["version"] != 1:
        raise ValueError(f"version: found {data['version']!r}; needs 1")
    return str(data["image"]), int(data["pid"]), int(data["pid_start"])


def _start(proc: Path, pid: int) -> int | None:
    """Return when a live process started, in clock ticks since boot (proc(5)); None if it is gone or a zombie."""
    try:
        stat = (proc / str(pid) / "stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def _last_words(console: Path) -> str:
    """Return the last lines of the console as the end of a sentence."""
    try:
        with console.open("rb") as file:
            file.seek(max(0, console.stat().st_size - LOG_TAIL))
            lines = CONTROLS.sub("", file.read().decode(errors="replace")).splitlines()
    except FileNotFoundError:
        lines = []
    last = [line.strip() for line in lines if line.strip()][-2:]
    return f"its last words: {' '.join(last)[-300:]}" if last else "it left no word"
