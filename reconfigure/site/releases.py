"""Releases of the distribution: facts about each, and which of them may be in one Slurm cluster.

The facts are in playbooks/releases/NAME.yml, which the roles read as well. A
release is supported, and tested, if it has such a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reconfigure.clusterdir import files
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.model.node import Node
from reconfigure.site.faults import Faults


@dataclass(frozen=True)
class Release:
    """A release by its codename; its slurmctld has version `slurm` and accepts slurmd of the versions `takes`."""

    name: str
    title: str
    slurm: str
    takes: tuple[str, ...]

    @property
    def words(self) -> str:
        """Codename and title, for people."""
        return f"{self.name} ({self.title})"


def path(name: str, repo: Path = REPO) -> Path:
    """Return the file with the facts of a release."""
    return repo / "playbooks" / "releases" / f"{name}.yml"


def known(repo: Path = REPO) -> dict[str, Release]:
    """Return all releases by codename, the one with the oldest Slurm first."""
    found = [_release(file.stem, repo) for file in path("*", repo).parent.glob("*.yml")]
    return {release.name: release for release in sorted(found, key=lambda release: release.slurm)}


def facts(name: str, repo: Path = REPO) -> dict[str, Any]:
    """Return what the roles read about a release (`release` in Ansible). Raise FileNotFoundError if there is none."""
    return {"name": name, **yaml.safe_load(path(name, repo).read_text(encoding="utf-8"))["release"]}


def note(clusterdir: ClusterDir, node: Node) -> None:
    """Write down the release of a machine that is about to be made.

    It is the baked image's: that image may be older than the site data.
    """
    images = files.read_json(clusterdir.variables)["images"] if clusterdir.variables.exists() else {}
    baked = Path(images[node.image]["path"]) / "image.json" if node.image in images else None
    if baked and baked.exists():
        files.write(clusterdir.identity(node.name) / "release", files.read_json(baked)["release"] + "\n")


def of_machine(clusterdir: ClusterDir, node: Node, images: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the release that was written down for a node's machine, else that of its image in the site data."""
    noted = clusterdir.identity(node.name) / "release"
    return noted.read_text(encoding="utf-8").strip() if noted.exists() else str(images[node.image]["release"])


def _release(name: str, repo: Path) -> Release:
    found = facts(name, repo)
    return Release(name, found["title"], found["slurm"]["version"], tuple(found["slurm"]["takes"]))


def controller_lines(good: Mapping[str, Any], releases: Mapping[str, Release]) -> tuple[str, ...]:
    """Return the lines of slurm.conf that the login node's release needs; none if it is not known."""
    release = _controller(good, releases)
    return tuple(facts(release.name)["slurm"]["conf"]) if release else ()


def together(faults: Faults, good: Mapping[str, Any], releases: Mapping[str, Release]) -> None:
    """Add a fault for each Slurm partition whose slurmd the login node's slurmctld refuses (docs/releases.md).

    `good` is site data without faulty values: what is not there is not judged.
    """
    of, controller = _images(good, releases), _controller(good, releases)
    for index, partition in enumerate(good.get("partitions", [])):
        image = partition.get("image")
        node = of.get(image)
        if partition.get("scheduler") != "slurm" or not controller or not node or node.slurm in controller.takes:
            continue
        fitting = [name for name, release in of.items() if release and release.slurm in controller.takes]
        faults.add(f"partitions[{index}].image", image, _needs(node, controller, fitting))


def _images(good: Mapping[str, Any], releases: Mapping[str, Release]) -> dict[str, Release | None]:
    return {name: releases.get(image.get("release")) for name, image in good.get("images", {}).items()}


def _controller(good: Mapping[str, Any], releases: Mapping[str, Release]) -> Release | None:
    return _images(good, releases).get(good.get("login", {}).get("image"))


def _needs(node: Release, controller: Release, fitting: list[str]) -> str:
    """Return what completes "needs …" for a partition that does not go with the login node."""
    return (
        f"an image with Slurm {' or '.join(controller.takes)}, such as {fitting[0]}: the login node's "
        f"{controller.words} has slurmctld {controller.slurm}, which refuses {node.slurm} of {node.words}"
    )
