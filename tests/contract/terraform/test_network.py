"""network.sh on a host of its own: a network namespace with a LAN, forwarding off.

Guards: what the script changes on a host, that it counts clusters (also those
of another KIWI_ROOT), takes all away again, and copes with a crash, a reboot
and a firewall that drops.
Cannot prove: that packets pass (tests/cluster/test_15_provider_local.py), and
fs.inotify.max_user_instances, which has no namespace: it is left out here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from kiwi.common import process
from tests.contract.terraform.module import REPO

SETUP = """set -e
mount -t sysfs sysfs /sys
ip link set dev lo up
ip link add name lan0 type bridge
ip address add 10.9.0.1/24 dev lan0
ip link set dev lan0 up
echo ready
exec sleep infinity"""
FIREWALL = "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"
FORWARD = "/proc/sys/net/ipv4/ip_forward"


class Host(NamedTuple):
    """A network namespace, named by a process in it."""

    pid: int
    roots: Path
    script: Path

    def run(self, *argv: str, check: bool = True, **env: str) -> process.Result:
        inside = ["nsenter", f"--target={self.pid}", "--net", "--mount", *argv]
        return process.run(inside, check=check, env={**os.environ, **env})

    def up(
        self,
        cluster: str,
        subnet: str = "10.50",
        root: str = "one",
        check: bool = True,
        command: str = "up",
        **env: str,
    ) -> process.Result:
        net = {"KIWI_SUBNET": f"{subnet}.0.0/16", "KIWI_GATEWAY": f"{subnet}.0.1/16"}
        folder = str(self.roots / root)
        return self.run(
            "bash", str(self.script), command, check=check, KIWI_CLUSTER=cluster, KIWI_HOST=folder, **net, **env
        )

    def down(self, cluster: str, root: str = "one") -> None:
        self.run("bash", str(self.script), "down", KIWI_CLUSTER=cluster, KIWI_HOST=str(self.roots / root))

    def forwards(self) -> str:
        return self.run("cat", FORWARD).out.strip()

    def set_forward(self, value: int) -> None:
        self.run("bash", "-c", f"echo {value} >{FORWARD}")

    def state(self) -> str:
        """All that the script may change."""
        links = self.run("ip", "-brief", "address").out
        return links + self.run("nft", "list", "ruleset").out + self.forwards() + str(sorted(self.roots.rglob("*")))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    holder = process.start(["unshare", "--net", "--mount", "bash", "-c", SETUP])
    assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
    source = (REPO / "terraform/local/network.sh").read_text()
    script = tmp_path / "network.sh"
    script.write_text(source.replace(" fs/inotify/max_user_instances=8192", ""))
    assert script.read_text() != source
    (tmp_path / "roots").mkdir()
    made = Host(holder.pid, tmp_path / "roots", script)
    made.set_forward(0)
    yield made
    process.stop(holder)
    for pipe in (holder.stdout, holder.stderr):
        if pipe is not None:
            pipe.close()


def machine(host: Host, folder: Path, interface: str) -> None:
    """A machine's end of a cable, and its record."""
    host.run("ip", "link", "add", "name", interface, "type", "veth", "peer", "name", f"p-{interface}")
    (folder / "machines" / f"{interface}.1").mkdir(parents=True)
    record = f'{{"version":1,"address":"10.50.0.2","interface":"{interface}","pid":1,"pid_start":1}}\n'
    (folder / "machines" / f"{interface}.1" / "instance.json").write_text(record)


def test_what_was_taken_away_comes_back_and_machines_are_put_on_the_bridge(host: Host, tmp_path: Path) -> None:
    for interface in ("vb-k1", "vb-k2"):
        machine(host, tmp_path, interface)
    (tmp_path / "machines/ended.2").mkdir()
    (tmp_path / "machines/ended.2/instance.json").write_text('{"version":1,"interface":"vb-gone"}\n')
    (tmp_path / "machines/broken.3").mkdir()
    (tmp_path / "machines/broken.3/instance.json").write_text("no record\n")
    host.run("ip", "link", "add", "name", "vb-other", "type", "veth", "peer", "name", "p-other")
    home = {"KIWI_HOME": str(tmp_path)}
    attached = ["machine vb-k1 on kw-a", "vb-k1 is up", "machine vb-k2 on kw-a", "vb-k2 is up"]
    bridge = ["bridge kw-a", "address 10.50.0.1/16", "kw-a is up"]
    assert host.up("a", **home).out.splitlines() == ["net/ipv4/ip_forward", *bridge, *attached, "rules"]
    whole = host.state()
    assert host.up("a", **home).out == ""

    host.run("ip", "link", "delete", "dev", "kw-a")
    moved = [line for line in attached if "machine" in line]
    assert host.up("a", **home).out.splitlines() == [*bridge, *moved]
    host.run("nft", "flush", "ruleset")
    assert host.up("a", **home).out == "rules\n"
    host.run("nft", "flush", "chain", "ip", "kiwi-a", "forward")
    assert host.up("a", **home).out == "rules\n"
    host.set_forward(0)
    assert host.up("a", **home).out == "net/ipv4/ip_forward\n"
    host.run("ip", "address", "flush", "dev", "kw-a")
    assert host.up("a", **home).out == "address 10.50.0.1/16\n"
    host.run("ip", "link", "set", "dev", "vb-k1", "down")
    assert host.up("a", **home).out == "vb-k1 is up\n"
    assert (
        host.run("cat", "/sys/class/net/vb-k2/master/ifindex").out == host.run("cat", "/sys/class/net/kw-a/ifindex").out
    )
    assert host.run("ls", "/sys/class/net/vb-other").out.split().count("master") == 0
    assert [line.split() for line in host.state().splitlines()] == [line.split() for line in whole.splitlines()]


def test_up_twice_changes_nothing_and_down_twice_leaves_nothing(host: Host) -> None:
    before = host.state()
    host.up("a")
    up = host.state()
    assert host.forwards() == "1"
    assert "10.50.0.1/16" in up and "masquerade" in up
    host.up("a")
    assert host.state() == up
    host.down("a")
    assert host.state() == before
    host.down("a")
    assert host.state() == before


def test_the_last_cluster_puts_the_settings_back(host: Host) -> None:
    host.up("a")
    host.up("b", "10.51")
    host.down("a")
    host.down("a")
    assert host.forwards() == "1"
    host.down("b")
    assert host.forwards() == "0"


@pytest.mark.parametrize("first", ["one", "two"])
def test_clusters_of_another_root_count(host: Host, first: str) -> None:
    other = {"one": "two", "two": "one"}[first]
    before = host.state()
    host.up("a", "10.50", "one")
    host.up("b", "10.51", "two")
    host.up("c", "10.52", "two")
    for cluster, root in (("a", "one"), ("b", "two"), ("c", "two")):
        if root == first:
            host.down(cluster, root)
    assert host.forwards() == "1"
    for cluster, root in (("a", "one"), ("b", "two"), ("c", "two")):
        if root == other:
            host.down(cluster, root)
    assert host.state() == before


def test_a_firewall_that_drops_gets_rules_which_go_again(host: Host) -> None:
    host.run("nft", FIREWALL)
    host.run("nft", 'add rule ip filter FORWARD iifname "docker0" accept')
    before = host.state()
    host.up("a")
    host.up("a")
    chain = host.run("nft", "list", "chain", "ip", "filter", "FORWARD").out
    assert chain.count('iifname "kw-a" accept') == 1
    assert chain.index('iifname "kw-a" accept') < chain.index("docker0")
    host.down("a")
    assert host.state() == before


def test_a_reboot_voids_what_was_noted(host: Host) -> None:
    host.up("a")
    host.up("gone", "10.51")
    for bridge in ("kw-a", "kw-gone"):
        host.run("ip", "link", "delete", "dev", bridge)
    host.run("nft", "flush", "ruleset")
    record = host.roots / "one" / "net.ipv4.ip_forward"
    lines = record.read_text().splitlines()
    record.write_text("\n".join(["boot another", *lines[1:]]) + "\n")
    host.set_forward(0)
    host.up("a")
    assert host.forwards() == "1"
    assert "gone" not in record.read_text()
    host.down("a")
    assert host.forwards() == "0"


def test_a_crash_half_way_is_mended_by_down(host: Host) -> None:
    before = host.state()
    host.up("a")
    host.run("ip", "link", "delete", "dev", "kw-a")
    host.down("a")
    assert host.state() == before


def test_a_setting_that_somebody_else_changed_or_made_stays(host: Host) -> None:
    host.up("a")
    host.set_forward(2)
    host.down("a")
    assert host.forwards() == "2"
    host.up("a")
    host.down("a")
    assert host.forwards() == "2"


def test_a_new_subnet_replaces_the_address(host: Host) -> None:
    host.up("a")
    host.up("a", command="check")
    host.up("a", "10.60")
    shown = host.state()
    assert "10.60.0.1/16" in shown and "10.50.0." not in shown


@pytest.mark.parametrize("subnet", ["10.9", "10.50"])
def test_a_subnet_that_is_taken_is_refused_and_nothing_changed(host: Host, subnet: str) -> None:
    host.up("a")
    before = host.state()
    for command in ("check", "up"):
        done = host.up("b", subnet, check=False, command=command)
        assert done.code == 1
        assert done.err.startswith(f"network of cluster b: subnet {subnet}.0.0/16 overlaps what this host reaches by")
        assert len(done.err.splitlines()) == 1
    assert host.state() == before


def test_long_names_get_short_bridges_of_their_own(host: Host) -> None:
    names = {
        host.run("bash", str(host.script), "bridge", KIWI_CLUSTER=cluster).out.strip()
        for cluster in ("averylongcluster1", "averylongcluster2", "kiwi")
    }
    assert len(names) == 3
    assert all(len(name) <= 15 for name in names)


def test_the_name_of_another_roots_cluster_is_refused_and_its_network_stays(host: Host) -> None:
    """The bridge was taken over, and `down` of the other root cut the machines that ran on it."""
    home = host.roots / "one" / "clusters" / "a"
    home.mkdir(parents=True)
    host.run("nft", FIREWALL)
    host.up("a")
    host.up("a")
    before = host.state()
    for command in ("check", "up"):
        done = host.up("a", "10.60", "two", check=False, command=command)
        assert done.code == 1
        assert done.err == (
            f"network of cluster a: the name is in use by the cluster in {home}; choose another cluster_name\n"
        )
    host.down("a", "two")
    (host.roots / "link").symlink_to("one")
    host.up("a", "10.50", "link", command="check")
    (host.roots / "link").unlink()
    assert host.state() == before
    home.rmdir()
    host.up("a", "10.60", "two")  # nobody's: its folder is gone
    assert "10.60.0.1/16" in host.state()


def test_a_root_with_a_long_path_is_told_apart_all_the_same(host: Host) -> None:
    roots = [f"{'long-' * 45}{number}" for number in (1, 2)]
    host.up("a", root=roots[0])
    host.up("a", root=roots[0])
    assert "the name is in use" in host.up("a", root=roots[1], check=False).err
    host.down("a", roots[1])
    assert "kw-a" in host.state()
    host.down("a", roots[0])
    assert "kw-a" not in host.state()
