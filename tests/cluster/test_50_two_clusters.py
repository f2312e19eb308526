"""Two clusters side by side on one machine: nothing of one is the other's."""

from __future__ import annotations

from pathlib import Path

from tests.cluster.conftest import Cluster, host_state


def test_each_has_its_own_bridge_rules_and_addresses(cluster: Cluster, second: Cluster) -> None:
    state = host_state()
    for each in (cluster, second):
        assert f"kw-{each.name}" in state["links"].split()
        assert f"table ip kiwi-{each.name}" in state["rules"].splitlines()
    ports = [{p.name for p in Path(f"/sys/class/net/kw-{each.name}/brif").iterdir()} for each in (cluster, second)]
    assert all(ports)
    assert not ports[0] & ports[1]
    addresses = [each.ssh("root@login", "ip -4 -o addr show dev host0").out.split()[3] for each in (cluster, second)]
    assert addresses[0] != addresses[1]


def test_jobs_run_in_both_at_once(cluster: Cluster, second: Cluster) -> None:
    command = "srun -N1 sh -c 'sleep 3; scontrol show config | grep ^ClusterName; cat /etc/machine-id'"
    with cluster.child("alice@login", command) as one, second.child("alice@login", command) as other:
        outs = [child.communicate(timeout=180)[0].split() for child in (one, other)]
    assert [out[2] for out in outs] == [cluster.name, second.name]
    for out, each in zip(outs, (cluster, second)):
        assert out[3] in {instance.replace("-", "") for instance in each.instances().values()}


def test_users_homes_and_secrets_are_not_shared(cluster: Cluster, second: Cluster) -> None:
    cluster.ssh("alice@login", f"echo mine >~/only-{cluster.name}.txt")
    assert second.ssh("alice@login", f"cat ~/only-{cluster.name}.txt", check=False).code != 0
    credential = cluster.ssh("root@login", "munge -n").out
    assert cluster.ssh("root@login", f"unmunge <<'E'\n{credential}E", check=False).code == 0
    refused = second.ssh("root@login", f"unmunge <<'E'\n{credential}E", check=False)
    assert refused.code != 0
    assert "Invalid credential" in refused.out + refused.err
    keys = [(each.clusterdir / "ca/host_ca.pub").read_text() for each in (cluster, second)]
    assert keys[0] != keys[1]
