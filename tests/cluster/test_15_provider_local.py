"""LocalProvider and terraform/local with real machines on this host.

Guards: that machines come with their identity, that a machine ends whole
whichever of its processes is killed, that create, clear and teardown leave
nothing of what was, and that packets go where they should.
Cannot prove: machines as scopes below systemd, on a host that does not run it.
Takes the image of the cluster of this folder, or KIWI_TEST_IMAGE (a folder
that holds root/).
"""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi.common import process
from tests.cluster.conftest import wait_for
from tests.cluster.machines import Machines, address, groups, mentions


@pytest.fixture(scope="module")
def image(request: pytest.FixtureRequest) -> Path:
    if given := os.environ.get("KIWI_TEST_IMAGE"):
        return Path(given)
    request.getfixturevalue("cluster")
    root = Path(os.environ.get("KIWI_ROOT", "/var/lib/kiwi"))
    return next(file.parent for file in root.glob("images/*/image.json"))


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory, image: Path) -> Iterator[Machines]:
    made = Machines.make(tmp_path_factory.mktemp("kiwi"), image)
    made.provider.prepare()
    try:
        made.apply("login", "a", "lab")
        made.wait("login", "a", "lab")
        yield made
    finally:
        made.provider.teardown()


def test_machines_have_their_identity_and_data(machines: Machines) -> None:
    assert {name: m.state for name, m in machines.observed().items()} == {n: "running" for n in ("login", "a", "lab")}
    (machines.clusterdir / "data/home/seen").touch()
    (machines.clusterdir / "data/state/seen").touch()
    probe = "hostname; ls /home /var/lib/kiwi/state /var/spool/slurmctld 2>&1 | grep -c seen; cat /etc/machine-id"
    for name, seen in (("login", "2"), ("lab", "2"), ("a", "1")):
        hostname, count, machine_id = machines.ssh(name, probe).out.split()
        assert (hostname, count) == (name, seen)
        assert str(uuid.UUID(machine_id)) == machines.observed()[name].instance


def test_a_machine_made_anew_has_a_new_key_and_no_question(machines: Machines) -> None:
    before = machines.observed()["a"]
    key = machines.ssh("a", "cat /etc/ssh/ssh_host_ed25519_key.pub; touch /etc/mine").out
    machines.identity("a")
    machines.apply("login", "a", "lab", replace="a")
    machines.wait("a")
    after = machines.observed()["a"]
    assert after.instance != before.instance
    assert machines.ssh("a", "cat /etc/ssh/ssh_host_ed25519_key.pub; ls /etc/mine", check=False).out != key
    assert machines.ssh("a", "ls /etc/mine", check=False).code != 0, "nothing of the old machine is in the new one"


@pytest.mark.parametrize("victim", ["unshare", "boot", "nspawn", "init"])
def test_a_machine_ends_whole_whoever_is_killed(machines: Machines, victim: str) -> None:
    machines.apply("login", "a", "lab", *([] if "a" in machines.observed() else ["a"]), replace="a")
    machines.wait("a")
    machines.ssh("a", "setsid sleep 4711 >/dev/null 2>&1 </dev/null &")
    folder = machines.folder("a")
    os.kill(machines.pids("a")[victim], signal.SIGKILL)
    wait_for("observe() says stopped", lambda: machines.observed()["a"].state == "stopped", 10)
    wait_for("no process and no mount is left", lambda: not list(mentions(str(folder))), 10)
    assert "a ended; " in machines.observed()["a"].fault
    assert machines.observed()["login"].state == "running"
    machines.provider.clear("a", machines.observed()["a"].instance)
    assert "a" not in machines.observed()
    assert not [group for group in groups() if folder.name in group.name]


def test_a_reboot_brings_the_same_machine_back(machines: Machines) -> None:
    machines.apply("login", "a", "lab", replace="a")
    machines.wait("a")
    before = machines.observed()["a"]
    boot = "systemctl show --property=UserspaceTimestampMonotonic"
    first = machines.ssh("a", f"touch /etc/mine; {boot}").out
    machines.ssh("a", "systemctl reboot", check=False)
    wait_for(
        "the machine booted again",
        lambda: (done := machines.ssh("a", boot, check=False)).code == 0 and done.out != first,
        60,
    )
    machines.ssh("a", "ls /etc/mine")
    assert machines.observed()["a"] == before


def test_a_machine_holds_no_descriptor_of_its_maker(machines: Machines, image: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    script = str(machines.module.path / "machine.sh")
    environment = machines.environment("b", str(uuid.uuid4()), str(image))
    process.run(["flock", str(lock), "bash", script, "create"], env=environment)
    assert machines.observed()["b"].state == "running"
    process.run(["flock", "--nonblock", str(lock), "true"])
    environ = Path(f"/proc/{machines.pids('b')['unshare']}/environ").read_text()
    assert "TMP" not in environ and "HOME=/root" not in environ
    machines.provider.clear("b")


def test_a_creation_killed_half_way_is_cleared_by_the_next(machines: Machines, image: Path) -> None:
    boot = machines.module.path / "boot.sh"
    whole = boot.read_text()
    stuck = whole.replace("  exec unshare", "  exec sleep 4712 # unshare")
    assert stuck != whole
    boot.write_text(stuck)
    try:
        environment = machines.environment("b", str(uuid.uuid4()), str(image))
        maker = process.start(
            ["bash", str(boot.with_name("machine.sh")), "create"], env=environment, stdout=process.DEVNULL
        )
        wait_for("the machine's first process", lambda: "sleep 4712" in _commands(), 10, pause=0.01)
        maker.kill()
        maker.communicate()
    finally:
        boot.write_text(whole)
    assert machines.observed()["b"].state == "error"
    machines.script("create", name="b", instance=str(uuid.uuid4()), image=str(image))
    assert machines.observed()["b"].state == "running"
    assert "sleep 4712" not in _commands()
    machines.provider.clear("b")


def _commands() -> list[str]:
    return process.run(["ps", "-eo", "args="]).out.splitlines()


def test_a_removal_killed_half_way_is_seen_and_finished(machines: Machines, image: Path) -> None:
    instance = str(uuid.uuid4())
    machines.script("create", name="b", instance=instance, image=str(image))
    folder = machines.folder("b")
    folder.rename(folder.with_name(f".{folder.name}"))
    assert machines.observed()["b"].state == "error"
    machines.script("destroy", name="b", instance=instance)
    assert "b" not in machines.observed()
    assert not list(mentions(folder.name))


def test_destroy_goes_by_instance(machines: Machines, image: Path) -> None:
    instance = str(uuid.uuid4())
    machines.script("create", name="b", instance=instance, image=str(image))
    machines.script("destroy", name="b", instance=str(uuid.uuid4()))
    assert machines.observed()["b"].state == "running"
    machines.script("destroy", name="b", instance=instance)
    machines.script("destroy", name="b", instance=instance)
    assert "b" not in machines.observed()


def test_a_missing_image_is_one_clear_line(machines: Machines) -> None:
    done = machines.script("create", check=False, name="b", instance=str(uuid.uuid4()), image="/no/image")
    assert done.code == 1
    assert done.err == (
        "machine b of cluster tprov: its image is missing: there is no /no/image/root; bake it, or correct 'images'\n"
    )
    assert "b" not in machines.observed()


def test_a_broken_image_is_one_clear_line(machines: Machines, tmp_path: Path) -> None:
    (tmp_path / "root/usr").mkdir(parents=True)
    done = machines.script("create", check=False, name="b", instance=str(uuid.uuid4()), image=str(tmp_path))
    assert done.code == 1
    assert done.err.startswith("machine b of cluster tprov: it ended while it started: ")
    assert len(done.err.splitlines()) == 1
    assert "b" not in machines.observed()


def test_a_full_disk_is_one_clear_line(machines: Machines, image: Path, tmp_path: Path) -> None:
    """Sixteen inodes: enough for the folders, not for the files."""
    other = Machines.make(tmp_path, image)
    (other.clusterdir / "machines").mkdir()
    process.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=16", "tmpfs", str(other.clusterdir / "machines")])
    try:
        for name in ("home", "state", "slurmctld"):
            (other.clusterdir / "data" / name).mkdir(parents=True)
        done = other.script("create", check=False, name="b", instance=str(uuid.uuid4()), image=str(image))
        assert done.code == 1
        assert done.err.startswith("machine b of cluster tprov: cannot write its files: ")
        assert "No space left on device" in done.err
        assert len(done.err.splitlines()) == 1
        assert list((other.clusterdir / "machines").iterdir()) == []
    finally:
        process.run(["umount", str(other.clusterdir / "machines")])


def test_packets_go_out_and_only_answers_come_in(machines: Machines) -> None:
    """A peer beyond the host that knows no way back is reached: it sees the host's address."""
    machines.apply("login", "a", "lab")
    machines.wait("a", "login")
    peer = process.start(["unshare", "--net", sys.executable, "-m", "http.server", "8000"], stderr=process.DEVNULL)
    inside = ["nsenter", f"--target={peer.pid}", "--net"]
    try:
        own = os.readlink("/proc/self/ns/net")
        wait_for("a namespace", lambda: os.readlink(f"/proc/{peer.pid}/ns/net") != own, 10, pause=0.01)
        process.run(f"ip link add tprov0 type veth peer name up0 netns {peer.pid}".split())
        process.run("ip address add 10.213.7.1/30 dev tprov0".split())
        process.run("ip link set dev tprov0 up".split())
        process.run([*inside, *"ip address add 10.213.7.2/30 dev up0".split()])
        process.run([*inside, *"ip link set dev up0 up".split()])
        assert machines.ssh("a", _connect(address("login"), 22), check=False).code == 0, "node to node"
        wait_for("a way out", lambda: machines.ssh("a", _connect("10.213.7.2", 8000), check=False).code == 0, 20)
        process.run([*inside, *"ip route add 198.18.202.0/24 via 10.213.7.1".split()])
        came_in = process.run([*inside, "bash", "-c", _connect(address("a"), 22)], check=False)
        assert came_in.code == 124, "packets from outside are dropped"
    finally:
        process.run(["ip", "link", "delete", "dev", "tprov0"], check=False)
        process.stop(peer)
        if peer.stdout is not None:
            peer.stdout.close()


def _connect(host: str, port: int) -> str:
    return f"timeout 2 bash -c 'echo >/dev/tcp/{host}/{port}'"


def test_teardown_leaves_nothing_but_data(machines: Machines) -> None:
    machines.provider.teardown()
    assert machines.provider.observe() == ()
    assert list((machines.clusterdir / "machines").iterdir()) == []
    assert not Path("/sys/class/net/kw-tprov").exists()
    assert "kiwi-tprov" not in process.run(["nft", "list", "tables"]).out
    assert groups() == []
    assert not list(mentions(f"{machines.clusterdir}/machines/"))
    assert (machines.clusterdir / "data/home/seen").exists()
    machines.provider.teardown()
