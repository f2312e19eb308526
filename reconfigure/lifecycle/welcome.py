"""The end of `bin/up`: a job is run, and three commands to try are printed."""

from __future__ import annotations

from kiwi.common import process
from kiwi.common.errors import OK
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import paths

JOB_TIMEOUT = 120.0  # seconds


def welcome(cluster: Cluster) -> int:
    """Run a job as the first user if a Slurm partition has a node up. Raise CommandError if the job fails."""
    user = cluster.site.users[0].name if cluster.site.users else "root"
    slurm = [p for p in cluster.site.partitions if p.scheduler == "slurm"]
    booking = [p for p in cluster.site.partitions if p.scheduler == "booking"]
    up = next((p for p in slurm if p.min_nodes), None)
    if up is not None:
        config = str(cluster.clusterdir.path / "ssh_config")
        job = f"srun -p {up.name} hostname"
        out = process.run(["ssh", "-F", config, f"{user}@login", job], timeout=JOB_TIMEOUT).out.strip()
        print(f"{user}@login $ {job}\n{out}\n")
    login = f"bin/login {_which(cluster)}{user}@login"
    tries = [login]
    tries += [f"{login} 'srun -p {p.name} -N {min(3, p.max_nodes)} hostname'" for p in slurm[:1]]
    tries += [f"{login} 'kiwi alloc -w {p.name}-1 -t 1:00:00'" for p in booking[:1]]
    tries += [f"bin/login {_which(cluster)}--ssh-config"]
    print(f"The cluster {cluster.clusterdir.cluster} is up. To try:\n  " + "\n  ".join(tries[:3]))
    return OK


def _which(cluster: Cluster) -> str:
    """Return the option that names a cluster that is not the shipped one."""
    name = cluster.clusterdir.cluster
    return "" if name == paths.default_cluster({}) else f"--cluster {name} "
