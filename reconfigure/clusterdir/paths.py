"""Where everything of a cluster lies on the control host (drawn in docs/seams.md)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from kiwi.common.errors import UsageError

REPO = Path(__file__).resolve().parents[2]
NAME = re.compile(r"[a-z][a-z0-9]{0,9}")
NAME_GOOD = "1 to 10 lower-case letters and digits, beginning with a letter, such as kiwi"


@dataclass(frozen=True)
class ClusterDir:
    """The folder of one cluster, and the names of what lies in it."""

    root: Path
    cluster: str

    @property
    def path(self) -> Path:
        """The folder itself, mode 0700."""
        return self.root / "clusters" / self.cluster

    @property
    def local(self) -> Path:
        """Terraform's root module with the state."""
        return self.path / "terraform" / "local"

    @property
    def state(self) -> Path:
        """Terraform's state."""
        return self.local / "terraform.tfstate"

    @property
    def variables(self) -> Path:
        """Terraform's cluster and images."""
        return self.local / "cluster.auto.tfvars.json"

    @property
    def names(self) -> Path:
        """The nodes that Terraform is told shall exist, and their records (nodeset.py)."""
        return self.local / "nodes.auto.tfvars.json"

    @property
    def nodeset(self) -> Path:
        """All nodes that may ever exist (nodeset.py)."""
        return self.path / "nodeset.json"

    @property
    def site(self) -> Path:
        """The checked site data."""
        return self.path / "site.json"

    @property
    def kept_site(self) -> Path:
        """The copy of the site data (reconfigure/site/written.py)."""
        return self.path / "kept.site.json"

    @property
    def queue(self) -> Path:
        """The worker's queue (queue.py)."""
        return self.path / "queue.sqlite"

    @property
    def saved(self) -> Path:
        """Which Slurm wrote what slurmctld saved; outlives `down`, as that does."""
        return self.path / "data" / "slurm.json"

    @property
    def known_hosts(self) -> Path:
        """One @cert-authority line (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return self.path / "known_hosts"

    @property
    def control_key(self) -> Path:
        """The key that is root on every node."""
        return self.path / "keys" / "control"

    @property
    def run(self) -> Path:
        """What lives as long as a run: sockets, doing.json."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """All logs (docs/seams.md, section 8)."""
        return self.path / "log"

    @property
    def journal(self) -> Path:
        """The event journal (journal.py)."""
        return self.log / "journal.jsonl"

    @property
    def ansible(self) -> Path:
        """Output and events of each playbook that the driver ran, in a folder of its own."""
        return self.log / "ansible"

    @property
    def doing(self) -> Path:
        """What the holder of the lock does at this moment."""
        return self.run / "doing.json"

    @property
    def batches(self) -> Path:
        """A folder for each batch under way (batches.py)."""
        return self.run / "batches"

    @property
    def node_locks(self) -> Path:
        """The locks of nodes that batches hold."""
        return self.run / "nodes"

    @property
    def metrics(self) -> Path:
        """kiwi.prom and the counters behind it."""
        return self.path / "metrics"

    def identity(self, node: str) -> Path:
        """Return the folder with a node's host key and certificate, and what is noted of its machine."""
        return self.path / "identity" / node

    def require(self) -> ClusterDir:
        """Return itself. Raise UsageError if the cluster was never set up."""
        if not any(path.exists() for path in (self.nodeset, self.site, self.kept_site)):
            raise UsageError(f"there is no cluster '{self.cluster}' in {self.root}", hint="bin/up makes one")
        return self


def default_cluster(environment: Mapping[str, str]) -> str:
    """Return KIWI_CLUSTER, else cluster_name of the shipped site data."""
    if environment.get("KIWI_CLUSTER"):
        return environment["KIWI_CLUSTER"]
    data = yaml.safe_load((REPO / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    return str(data["cluster_name"])


def of(cluster: str, environment: Mapping[str, str] = os.environ) -> ClusterDir:
    """Return the ClusterDir of a cluster below KIWI_ROOT. Raise UsageError for a name that could leave it."""
    if not NAME.fullmatch(cluster):
        raise UsageError(key="cluster name", found=cluster, needs=NAME_GOOD)
    return ClusterDir(Path(environment.get("KIWI_ROOT") or "/var/lib/kiwi"), cluster)
