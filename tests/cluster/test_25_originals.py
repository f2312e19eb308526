"""Faults of eiffel-ohpc (docs/originals.md) that only a machine can show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.conftest import Cluster

# The machine's own host key opens nothing; homes of users are theirs.
KEYS = "grep -rlsE 'BEGIN [A-Z ]*PRIVATE KEY' /root /etc /usr/lib/kiwi /var/lib | grep -v ^/etc/ssh/ssh_host_ || true"
FAILS = pytest.mark.xfail(strict=True, raises=AssertionError, reason="this is the original's fault")


@pytest.fixture(params=[pytest.param("original", marks=FAILS), "kiwi"])
def node(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[str]:
    """A compute node, or one with the key that the original gives to each."""
    if request.param == "original":
        cluster.ssh("root@cpu-1", "mkdir -p ~/.ssh && ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519")
    yield "cpu-1"
    if request.param == "original":
        cluster.ssh("root@cpu-1", "rm ~/.ssh/id_ed25519*")


def test_6_no_node_holds_a_key_that_opens_another_machine(cluster: Cluster, node: str) -> None:
    assert cluster.ssh(f"root@{node}", KEYS).out == ""
