"""What a cluster has on this host comes back by `bin/up`, while its machines run on.

Guards: bridge, rules and a setting that another program takes away.
Cannot prove: net.ipv4.ip_forward, which other clusters need meanwhile (tests/contract/terraform/test_network.py).
"""

from __future__ import annotations

from pathlib import Path

from kiwi.common import process
from tests.cluster.conftest import Cluster

SETTING = Path("/proc/sys/fs/inotify/max_user_instances")
BOOTED = "systemctl show --property=UserspaceTimestampMonotonic"


def test_bin_up_heals_the_host_under_running_machines(cluster: Cluster, host_shared: None) -> None:
    cluster.rest()  # no node that is idle is powered down meanwhile
    before, setting = cluster.instances(), int(SETTING.read_text())
    booted = cluster.ssh("root@login", BOOTED).out
    table = process.run(["nft", "list", "table", "ip", f"kiwi-{cluster.name}"]).out
    process.run(["ip", "link", "delete", "dev", f"kw-{cluster.name}"])
    process.run(["nft", "delete", "table", "ip", f"kiwi-{cluster.name}"])
    SETTING.write_text(str(setting - 1))
    assert f"there is no bridge kw-{cluster.name} on this host" in cluster.command("reconfigure", "status").out
    cluster.up()  # its trial may go to another node, as long as Slurm has not heard of cpu-1 again
    assert cluster.instances().items() >= before.items()
    assert cluster.ssh("root@login", BOOTED).out == booted
    assert process.run(["nft", "list", "table", "ip", f"kiwi-{cluster.name}"]).out == table
    assert int(SETTING.read_text()) == setting
    cluster.rest()
    cluster.up_again()
