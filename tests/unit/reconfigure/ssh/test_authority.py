"""Keys: made once, private, and a certificate that OpenSSH accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir import paths
from reconfigure.clusterdir.paths import Home
from reconfigure.model.records import Node
from reconfigure.site import data as site_data
from reconfigure.ssh import authority

SITE = site_data.load(None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path, "kiwi")
    assert authority.make(found, SITE)
    return found


def test_the_second_time_nothing_changes(home: Home) -> None:
    before = {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()}
    assert not authority.make(home, SITE)
    assert {p: p.read_bytes() for p in home.path.rglob("*") if p.is_file()} == before


def test_everything_is_private(home: Home) -> None:
    files = [p for p in home.path.rglob("*") if p.is_file()]
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
    assert (home.path / "keys" / "munge.key").stat().st_size == authority.MUNGE_BYTES


def test_a_half_made_pair_is_made_anew(home: Home) -> None:
    (home.path / "ca" / "host_ca.pub").unlink()
    assert authority.make(home, SITE)
    public = process.run(["ssh-keygen", "-y", "-f", str(home.path / "ca" / "host_ca")]).out
    assert public.split()[:2] == (home.path / "ca" / "host_ca.pub").read_text().split()[:2]


def test_an_identity_is_new_each_time_and_signed_for_its_names(home: Home) -> None:
    node = Node("cpu-2", "slurm", "cpu", "198.18.4.2", "debian13", "small", ())
    folder = home.identity("cpu-2")
    seen = set()
    for _ in range(2):
        authority.identity(home, node)
        seen.add((folder / "ssh_host_ed25519_key.pub").read_text())
    shown = process.run(["ssh-keygen", "-L", "-f", str(folder / "ssh_host_ed25519_key-cert.pub")]).out
    assert len(seen) == 2
    for name in ("cpu-2", "cpu-2.kiwi", "198.18.4.2", "host certificate"):
        assert name in shown
    assert authority.new(home) == {"cpu-2"}
    authority.known(home, ["cpu-2"])
    assert authority.new(home) == set()
    authority.forget(home, ["cpu-2"])
    assert not folder.exists()


@pytest.mark.parametrize(
    ("subnet", "expected"),
    [
        ("10.0.0.0/8", ["10.*"]),
        ("198.18.0.0/16", ["198.18.*"]),
        ("192.168.4.0/24", ["192.168.4.*"]),
        ("198.18.0.0/15", ["198.18.*", "198.19.*"]),
        ("10.1.8.0/22", ["10.1.8.*", "10.1.9.*", "10.1.10.*", "10.1.11.*"]),
    ],
)
def test_patterns_cover_exactly_the_subnet(subnet: str, expected: list[str]) -> None:
    assert authority.patterns(subnet) == expected


def test_known_hosts_is_for_this_cluster_only(home: Home) -> None:
    line = home.known_hosts.read_text()
    assert line.startswith("@cert-authority login,cpu-*,lab-*,*.kiwi,198.18.* ssh-ed25519 ")
    assert line.count("\n") == 1


@pytest.mark.parametrize("name", ["../x", "", "A", "a b", "a" * 11])
def test_a_cluster_name_never_leaves_the_root(name: str) -> None:
    with pytest.raises(paths.UsageError):
        paths.home(name, {})
