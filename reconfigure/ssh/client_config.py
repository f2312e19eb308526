"""OpenSSH client configuration (ssh_config(5)) for people.

`control` is what `bin/login` uses on the control host; `laptop` is what a
machine elsewhere needs, which reaches the cluster through the control host.
Both check host keys against the cluster's CA and ask nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reconfigure.clusterdir import ssh_options
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node


def _hosts(nodeset: Mapping[str, Node], prefix: str = "") -> str:
    return "\n".join(
        f"Host {prefix}{node.name}\n  HostName {node.address}\n  HostKeyAlias {node.name}\n"
        for node in nodeset.values()
    )


def control(clusterdir: ClusterDir, nodeset: Mapping[str, Node], users: Sequence[str]) -> str:
    """Return the text of CLUSTERDIR/ssh_config; the first of `users` is the default user, root always is one."""
    folder = clusterdir.path
    options = {**ssh_options.verified(clusterdir), **ssh_options.ALIVE}
    verified = "\n".join(f"  {key} {value}" for key, value in options.items())
    return f"""\
# Made by reconfigure; used by bin/login.
# Users: {" ".join((*users, "root"))}
Host *
  User {(*users, "root")[0]}

{_hosts(nodeset)}
Match user root
  IdentityFile {folder}/keys/control

Match all
  IdentityFile {folder}/keys/users/%r
{verified}
"""


def laptop(cluster: str, folder: Path, nodeset: Mapping[str, Node], user: str, host: str) -> str:
    """Return lines for a laptop's ~/.ssh/config; `host` is how the laptop reaches the control host."""
    authority = (folder / "known_hosts").read_text(encoding="utf-8").strip()
    return f"""\
# 1. Append this to ~/.ssh/config.
# 2. Copy {host}:{folder}/keys/users/{user} to ~/.ssh/{cluster}-{user} (or use a key of your own from the site data).
# 3. Put this one line into ~/.ssh/known_hosts.{cluster}; it stands for every node, also for those made later:
#    {authority}
# Then: ssh {cluster}-login
{_hosts(nodeset, cluster + "-")}
Host {cluster}-*
  User {user}
  ProxyJump {host}
  IdentityFile ~/.ssh/{cluster}-{user}
  UserKnownHostsFile ~/.ssh/known_hosts.{cluster}
  StrictHostKeyChecking yes
"""
