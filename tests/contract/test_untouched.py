"""Unit and contract tests on a host that runs the cluster `kiwi` leave it as it is.

The host is one of its own: this lane's network, mounts and processes, where network.sh made the
cluster's bridge and rules and its folder lies in /var/lib/kiwi. tests/cluster tries the same
beside real machines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi.common import process
from tests import lanes

NETWORK = (lanes.REPO / "terraform/local/network.sh").read_text()
HOME = f"{lanes.HOST}/clusters/kiwi"
# What once removed bridge and rules of the cluster `kiwi`.
RISKY = [
    "tests/unit/test_lanes.py",
    "tests/unit/reconfigure/cli/test_main.py",
    "tests/contract/test_commands.py",
]


def state() -> str:
    """All that the cluster's network and folder are on this host."""
    look = "ip -brief address; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward"
    return process.run(["sh", "-c", f"{look}; find {lanes.HOST} -printf '%p %T@\\n'"]).out


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[str]:
    """A host with the cluster `kiwi`; what it looks like."""
    script = tmp_path / "network.sh"
    script.write_text(NETWORK.replace(" fs/inotify/max_user_instances=8192", ""))
    env = {**os.environ, "KIWI_CLUSTER": "kiwi", "KIWI_HOST": f"{lanes.HOST}/host"}
    net = {"KIWI_SUBNET": "198.18.0.0/16", "KIWI_GATEWAY": "198.18.0.1/16"}
    process.run(["sh", "-c", f"mkdir -p {HOME}; echo '{{}}' >{HOME}/site.json; chmod 777 {HOME}"])
    process.run(["bash", str(script), "up"], env={**env, **net})
    yield state()
    process.run(["bash", str(script), "down"], env=env)
    process.run(["rm", "-rf", f"{lanes.HOST}/clusters", f"{lanes.HOST}/host"])


def test_a_cluster_of_the_default_name_is_left_untouched(beside: str) -> None:
    assert "198.18.0.1/16" in beside and "masquerade" in beside and HOME in beside
    environment = {name: value for name, value in os.environ.items() if name not in (lanes.MARK, "KIWI_ROOT")}
    argv = [sys.executable, "-m", "pytest", "--no-header", *RISKY]
    done = process.run(argv, cwd=lanes.REPO, env=environment, check=False, timeout=300)
    assert done.code == 0, done.out
    assert len([line for line in done.out.splitlines() if " passed" in line or "[100%]" in line]) >= 2
    assert state() == beside
