"""What the other lanes do beside running machines, and what only a machine's Slurm can judge."""

from __future__ import annotations

import os
from typing import Any

import pytest

from kiwi.common import process
from tests import lanes
from tests.cluster.conftest import REPO, Cluster, host_state
from tests.contract.slurm.test_conf import own_site, render, site
from tests.contract.test_untouched import RISKY


def test_other_lanes_leave_running_machines_untouched(cluster: Cluster, host_shared: None) -> None:
    cluster.rest()
    before = host_state(), cluster.instances(), cluster.slurm()
    environment = {name: value for name, value in os.environ.items() if name not in (lanes.MARK, "KIWI_ROOT")}
    argv = [str(REPO / ".venv/bin/python"), "-m", "pytest", "--no-header", *RISKY]
    done = process.run(argv, cwd=REPO, env=environment, check=False, timeout=300)
    assert done.code == 0, done.out
    assert (host_state(), cluster.instances(), cluster.slurm()) == before


@pytest.mark.parametrize(
    ("values", "more", "told"),
    [
        pytest.param(site(), "", False, id="plain"),
        pytest.param(own_site(), "", False, id="own"),
        pytest.param(site(), "Bogus=1\n", True, id="broken"),
    ],
)
def test_slurm_reads_its_configuration(cluster: Cluster, values: dict[str, Any], more: str, told: bool) -> None:
    """sinfo parses the whole file before it looks for a controller."""
    ask = "f=$(mktemp -d); cat >$f/slurm.conf; SLURM_CONF=$f/slurm.conf timeout 20 sinfo 2>&1; rm -r $f"
    said = cluster.command("login", "root@login", ask, stdin=render(values) + more, check=False).out
    assert ("Parsing error" in said) is told, said
    assert ("arse" in said) is told, said
