"""Images: the hash follows what goes in, and nothing else; new machines get what is baked."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconfigure.images import catalogue
from reconfigure.site import data as site_data

SITE = site_data.load(None)
FILES = {
    "playbooks/image.yml": "x",
    "kiwi/a.py": "x",
    "slurmscripts/resume": "x",
    "roles/slurm/tasks/install.yml": "template: src: baked.j2",
    "roles/slurm/tasks/configure.yml": "x",
    "roles/slurm/templates/baked.j2": "x",
    "roles/slurm/templates/later.j2": "x",
    "roles/slurm/vars/main.yml": "x",
    "roles/slurm/files/f": "x",
    "kiwi/__pycache__/a.pyc": "x",
    "kiwi/.cache/c.db": "x",
    "reconfigure/b.py": "x",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "repo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "repo"


@pytest.mark.parametrize("name", sorted(FILES))
def test_the_hash_follows_what_goes_in(repo: Path, name: str) -> None:
    before = catalogue.content_hash(repo)
    (repo / name).write_text(FILES[name] + " changed")
    outside = name.endswith(("configure.yml", "later.j2", ".pyc", ".db", "b.py"))
    assert (catalogue.content_hash(repo) == before) is outside


def test_the_hash_follows_the_mode(repo: Path) -> None:
    before = catalogue.content_hash(repo)
    (repo / "slurmscripts/resume").chmod(0o755)
    assert catalogue.content_hash(repo) != before


def test_only_an_image_of_some_node_is_used() -> None:
    found = {image.name: image.used for image in catalogue.images(Path("/nowhere"), SITE)}
    assert found == {"debian12": False, "debian13": True}


def test_the_hash_follows_the_facts_of_its_own_release(repo: Path, tmp_path: Path) -> None:
    (repo / "playbooks/releases").mkdir()
    for release in ("bookworm", "trixie"):
        (repo / f"playbooks/releases/{release}.yml").write_text("x")
    before = {image.name: image.hash for image in catalogue.images(tmp_path, SITE, repo)}
    (repo / "playbooks/releases/trixie.yml").write_text("y")
    after = {image.name: image.hash for image in catalogue.images(tmp_path, SITE, repo)}
    assert [name for name in before if before[name] != after[name]] == ["debian13"]


@pytest.fixture
def motd(tmp_path: Path) -> Path:
    """A role of a site's own."""
    role = tmp_path / "lab" / "roles" / "motd"
    for name in ("tasks/main.yml", "files/motd"):
        (role / name).parent.mkdir(parents=True, exist_ok=True)
        (role / name).write_text("x")
    return role


def own(**image: object) -> catalogue.Image:
    """The image of a site with this image's settings."""
    (found,) = catalogue.images(Path("/nowhere"), site_data.check({**SITE.data, "images": {"debian13": image}}))
    return found


def test_the_hash_follows_what_is_the_sites_own(motd: Path) -> None:
    roles = [str(motd)]
    hashes = [own(release="trixie").hash, own(release="trixie", packages=["htop"]).hash]
    hashes.append(own(release="trixie", roles=roles).hash)
    (motd / "files" / "motd").write_text("changed")
    hashes.append(own(release="trixie", roles=roles).hash)
    assert len(set(hashes)) == 4
    assert own(release="trixie", roles=roles, packages=["htop"]).packages == ("htop",)
    assert own(release="trixie", roles=roles).roles == (str(motd),)


def test_only_the_login_nodes_image_has_what_accounting_needs() -> None:
    images_ = {"debian13": {"release": "trixie"}, "other": {"release": "trixie"}}
    on, off = (site_data.check({**SITE.data, "images": images_, "accounting": value}) for value in (True, False))
    before, after = ({i.name: i.hash for i in catalogue.images(Path("/nowhere"), data)} for data in (off, on))
    assert [name for name in before if before[name] != after[name]] == ["debian13"]


def test_a_role_may_move(motd: Path, tmp_path: Path) -> None:
    before = own(release="trixie", roles=[str(motd)]).hash
    moved = motd.rename(tmp_path / "motd")
    assert own(release="trixie", roles=[str(moved)]).hash == before


def test_new_machines_get_what_is_baked(tmp_path: Path) -> None:
    wanted = next(image for image in catalogue.images(tmp_path, SITE) if image.name == "debian13")
    old = {"path": str(tmp_path / "old"), "hash": "old"}
    new = {"path": wanted.path, "hash": wanted.hash}
    assert catalogue.current(tmp_path, SITE, {})["debian13"] == new
    assert catalogue.current(tmp_path, SITE, {"debian13": old})["debian13"] == new
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "image.json").touch()
    assert catalogue.current(tmp_path, SITE, {"debian13": old})["debian13"] == old
    Path(wanted.path).mkdir(parents=True)
    (Path(wanted.path) / "image.json").touch()
    assert catalogue.current(tmp_path, SITE, {"debian13": old})["debian13"] == new
