"""Keys: made once, private, and a certificate that OpenSSH accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir import paths
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.site import data as site_data
from reconfigure.ssh import authority

SITE = site_data.load(None)


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    found = ClusterDir(tmp_path, "kiwi")
    assert authority.make_missing(found, SITE)
    return found


def test_the_second_time_nothing_changes(clusterdir: ClusterDir) -> None:
    before = {p: p.read_bytes() for p in clusterdir.path.rglob("*") if p.is_file()}
    assert not authority.make_missing(clusterdir, SITE)
    assert {p: p.read_bytes() for p in clusterdir.path.rglob("*") if p.is_file()} == before


def test_everything_is_private(clusterdir: ClusterDir) -> None:
    files = [p for p in clusterdir.path.rglob("*") if p.is_file()]
    assert {p.stat().st_mode & 0o777 for p in files} == {0o600}
    assert (clusterdir.path / "keys" / "munge.key").stat().st_size == authority.MUNGE_BYTES


def test_without_slurm_no_munge_key_is_made(tmp_path: Path) -> None:
    clusterdir = ClusterDir(tmp_path, "kiwi")
    lab = [part for part in SITE.data["partitions"] if part["scheduler"] == "booking"]
    assert authority.make_missing(clusterdir, site_data.check({**SITE.data, "partitions": lab}))
    assert not (clusterdir.path / "keys" / "munge.key").exists()


def test_a_half_made_pair_is_made_anew(clusterdir: ClusterDir) -> None:
    (clusterdir.path / "ca" / "host_ca.pub").unlink()
    assert authority.make_missing(clusterdir, SITE)
    public = process.run(["ssh-keygen", "-y", "-f", str(clusterdir.path / "ca" / "host_ca")]).out
    assert public.split()[:2] == (clusterdir.path / "ca" / "host_ca.pub").read_text().split()[:2]


def test_an_identity_is_new_each_time_and_signed_for_its_names(clusterdir: ClusterDir) -> None:
    node = Node("cpu-2", "slurm", "cpu", "198.18.4.2", "debian13", "small", ())
    folder = clusterdir.identity("cpu-2")
    seen = set()
    for _ in range(2):
        authority.make_identity(clusterdir, node)
        seen.add((folder / "ssh_host_ed25519_key.pub").read_text())
    shown = process.run(["ssh-keygen", "-L", "-f", str(folder / "ssh_host_ed25519_key-cert.pub")]).out
    assert len(seen) == 2
    for name in ("cpu-2", "cpu-2.kiwi", "198.18.4.2", "host certificate"):
        assert name in shown
    assert authority.unconfigured(clusterdir) == {"cpu-2"}
    authority.mark_configured(clusterdir, ["cpu-2"])
    assert authority.unconfigured(clusterdir) == set()
    authority.forget(clusterdir, ["cpu-2"])
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


def test_known_hosts_is_for_this_cluster_only(clusterdir: ClusterDir) -> None:
    line = clusterdir.known_hosts.read_text()
    assert line.startswith("@cert-authority login,cpu-*,lab-*,*.kiwi,198.18.* ssh-ed25519 ")
    assert line.count("\n") == 1


@pytest.mark.parametrize("name", ["../x", "", "A", "a b", "a" * 11])
def test_a_cluster_name_never_leaves_the_root(name: str) -> None:
    with pytest.raises(paths.UsageError):
        paths.of(name, {})
