"""A cluster of bare machines: terraform/local by hand, without driver and roles."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kiwi.common import process
from reconfigure.providers.base import Machine
from reconfigure.providers.local import LocalProvider
from tests.cluster.conftest import wait_for
from tests.contract.terraform.module import Module

CLUSTER = "tprov"
SUBNET = "198.18.202.0/24"
NODES = {"login": ("login", 10), "a": ("slurm", 21), "b": ("slurm", 22), "lab": ("booking", 23)}


def address(name: str) -> str:
    return f"198.18.202.{NODES[name][1]}"


@dataclass(frozen=True)
class Machines:
    """The folder of such a cluster, its module and its provider."""

    clusterdir: Path
    module: Module
    provider: LocalProvider

    @classmethod
    def make(cls, root: Path, image: Path) -> Machines:
        folder = root / "clusters" / CLUSTER
        (folder / "terraform").mkdir(parents=True)
        made = cls(folder, Module.copy("local", folder / "terraform"), LocalProvider(folder, CLUSTER, SUBNET, root))
        made._keys()
        made.module.write(
            "cluster.auto.tfvars.json",
            cluster={"name": CLUSTER, "home": str(folder), "subnet": SUBNET},
            images={"x": {"path": str(image), "hash": "h1"}},
        )
        made.module.run("init", "-input=false")
        return made

    def _keys(self) -> None:
        for folder in ("ca", "keys"):
            (self.clusterdir / folder).mkdir()
        keygen("-t", "ed25519", "-N", "", "-f", str(self.clusterdir / "ca/host_ca"))
        keygen("-t", "ed25519", "-N", "", "-f", str(self.clusterdir / "keys/control"))
        authority = (self.clusterdir / "ca/host_ca.pub").read_text()
        (self.clusterdir / "known_hosts").write_text(f"@cert-authority * {authority}")
        for name in NODES:
            self.identity(name)

    def identity(self, name: str) -> None:
        """A new host key and certificate, as the driver makes before each create."""
        folder = self.clusterdir / "identity" / name
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        key = str(folder / "ssh_host_ed25519_key")
        keygen("-t", "ed25519", "-N", "", "-f", key)
        keygen(
            "-s", str(self.clusterdir / "ca/host_ca"), "-h", "-I", name, "-n", f"{name},{address(name)}", f"{key}.pub"
        )

    def apply(self, *nodes: str, replace: str = "", check: bool = True) -> process.Result:
        """Make exactly these nodes exist."""
        record = {"partition": "p", "image": "x", "flavor": "small", "features": []}
        records = {n: {**record, "name": n, "role": NODES[n][0], "address": address(n)} for n in nodes}
        self.module.write("nodes.auto.tfvars.json", nodes=nodes, nodeset=records)
        options = [f'-replace=module.node["{replace}"].terraform_data.machine'] if replace else []
        return self.module.run("apply", "-auto-approve", "-input=false", *options, check=check)

    def observed(self) -> dict[str, Machine]:
        return {machine.name: machine for machine in self.provider.observe()}

    def ssh(self, name: str, command: str, check: bool = True) -> process.Result:
        """A command as root, with the host key checked strictly."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.clusterdir / "known_hosts"),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentityFile": str(self.clusterdir / "keys/control"),
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "2",
        }
        flags = [flag for key, value in options.items() for flag in ("-o", f"{key}={value}")]
        return process.run(["ssh", "-F", "none", *flags, f"root@{address(name)}", command], check=check)

    def wait(self, *names: str) -> None:
        for name in names:
            wait_for(f"{name} answers", lambda name=name: self.ssh(name, "true", check=False).code == 0, 60)

    def folder(self, name: str) -> Path:
        """The one folder of a machine that is whole."""
        (found,) = self.clusterdir.glob(f"machines/{name}.*/instance.json")
        return found.parent

    def pids(self, name: str) -> dict[str, int]:
        """Processes of a machine on the host, from the outermost one to its own init."""
        pid = int(json.loads((self.folder(name) / "instance.json").read_text())["pid"])
        found = {"unshare": pid}
        for what in ("boot", "nspawn", "init"):
            pid = int(process.run(["pgrep", "--parent", str(pid)]).out)
            found[what] = pid
        return found

    def script(self, command: str, check: bool = True, **env: str) -> process.Result:
        """machine.sh as Terraform calls it."""
        return process.run(
            ["bash", str(self.module.path / "machine.sh"), command], check=check, env=self.environment(**env)
        )

    def environment(self, name: str = "", instance: str = "", image: str = "") -> dict[str, str]:
        return {
            "KIWI_HOME": str(self.clusterdir),
            "KIWI_CLUSTER": CLUSTER,
            "KIWI_NAME": name,
            "KIWI_INSTANCE": instance,
            "KIWI_ROLE": "slurm",
            "KIWI_ADDRESS": f"{address(name)}/24" if name else "",
            "KIWI_GATEWAY": "198.18.202.1",
            "KIWI_IMAGE": image,
            "KIWI_HASH": "h1",
            "PATH": os.environ["PATH"],
        }


def keygen(*argv: str) -> None:
    process.run(["ssh-keygen", "-q", *argv])


def groups() -> list[Path]:
    """Control groups of this cluster's machines, in whichever tree."""
    return [path for path in Path("/sys/fs/cgroup").rglob(f"*{CLUSTER}*") if path.is_dir()]


def mentions(text: str) -> Iterator[str]:
    """Living processes that see a mount, or were called with an argument, with this text in it."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            seen = (folder / "mountinfo").read_text() + (folder / "cmdline").read_text()
        except OSError:
            continue
        if text in seen and int(folder.name) != os.getpid():
            yield folder.name
