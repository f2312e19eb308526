"""Images: what goes into one, its hash, where it lies, and the baking of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kiwi.common.errors import KiwiError, UsageError
from reconfigure.clusterdir import batches, journal, lock
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.rounds import playbook
from reconfigure.site import releases
from reconfigure.site.data import Site

SOURCES = (
    "playbooks/image.yml",
    "playbooks/tasks/bake.yml",
    "playbooks/vars",
    "playbooks/files",
    "kiwi",
    "slurmscripts",
)
IN_ROLES = ("tasks/install.yml", "files", "vars", "defaults", "meta")  # and the templates that install.yml names


@dataclass(frozen=True)
class Image:
    """An image as the site data has it; `path` holds the tree (root/) once it is baked, `used`: for some node.

    `packages` and `roles` (folders) are the site's own, beside those of Kiwi's roles.
    """

    name: str
    release: str
    hash: str
    path: str
    baked: bool
    used: bool
    packages: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


def images(root: Path, site: Site, repo: Path = REPO) -> tuple[Image, ...]:
    """Return all images of the site data, with the hash of what they would be baked from now."""
    sources = content_hash(repo)
    used = {site.data["login"]["image"], *(partition.image for partition in site.partitions)}
    found = []
    for name, settings in site.data["images"].items():
        facts = releases.path(settings["release"], repo).read_text(encoding="utf-8")
        packages, roles = tuple(settings.get("packages", ())), tuple(settings.get("roles", ()))
        plain = {"mpi": site.data.get("mpi", False)} | {key: value for key, value in settings.items() if key != "roles"}
        if site.data.get("accounting") and name == site.data["login"]["image"]:
            plain["accounting"] = True  # the login node's image has its packages
        parts = [name, json.dumps(plain, sort_keys=True), sources, facts, *(_role_hash(Path(role)) for role in roles)]
        digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()
        path = root / "images" / f"{name}-{digest[:12]}"
        baked = (path / "image.json").exists()
        found.append(Image(name, settings["release"], digest, str(path), baked, name in used, packages, roles))
    return tuple(found)


def current(root: Path, site: Site, before: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return {name: {path, hash}} for new machines: what is wanted if it is baked, else what was baked before."""
    found = {}
    for image in images(root, site):
        old = before.get(image.name)
        keep = old is not None and not image.baked and (Path(old["path"]) / "image.json").exists()
        found[image.name] = dict(old) if old is not None and keep else {"path": image.path, "hash": image.hash}
    return found


def content_hash(repo: Path) -> str:
    """Return the hash of the paths, modes and contents of all files of Kiwi that go into images."""
    return _digest(repo, _files(repo))


def _role_hash(folder: Path) -> str:
    """Return the name of a role of the site's own, and the hash of all that is in it, wherever it lies."""
    return f"{folder.name} {_digest(folder, _below(folder))}"


def _digest(folder: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_mode & 0o111:o} ".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _files(repo: Path) -> Iterator[Path]:
    roots = [repo / source for source in SOURCES]
    roots += [path for part in IN_ROLES for path in repo.glob(f"roles/*/{part}")]
    for install in repo.glob("roles/*/tasks/install.yml"):
        text = install.read_text(encoding="utf-8")
        roots += [path for path in install.parents[1].glob("templates/*") if path.name in text]
    for root in roots:
        if root.is_file():
            yield root
        yield from (path for path in _below(root) if not any(part[0] == "." for part in path.relative_to(root).parts))


def _below(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder, n) for n in names if "__pycache__" not in folder and not n.endswith(".pyc"))


def bake(clusterdir: ClusterDir, site: Site, name: str) -> bool:
    """Bake an image by playbooks/image.yml where its tree is missing; return whether it was.

    The playbook asks `image list` for hash and path, and writes path/image.json
    last. UsageError for an unknown image, KiwiError where it fails.
    """
    found = {image.name: image for image in images(clusterdir.root, site)}
    if name not in found:
        raise UsageError(key="image", found=name, needs=f"one of {', '.join(found)}")
    with lock.hold(clusterdir.root / "images" / ".lock", wait=1800):
        if (Path(found[name].path) / "image.json").exists():
            return False
        _bake(clusterdir, site, found[name])
    return True


def _bake(clusterdir: ClusterDir, site: Site, image: Image) -> None:
    claim = batches.claim(clusterdir, journal.new_round(), ())  # its children are not a killed run's
    try:
        run = playbook.run(claim, "image.yml", {**site.data, "image": image.name})
    finally:
        claim.close()
    if run.failed or not (Path(image.path) / "image.json").exists():
        why = "; ".join(run.failed.values()) or "no image.json was written"
        raise KiwiError(f"baking {image.name} failed: {why}")
