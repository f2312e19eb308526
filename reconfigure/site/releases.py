"""Distribution releases: what the driver knows of each, and which may be in one Slurm cluster.

The facts lie in playbooks/releases/NAME.yml, where the roles read them too. A
release with such a file is one that was tested.
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
from reconfigure.site.rules import Faults, Rule, one_of


@dataclass(frozen=True)
class Release:
    """A release by its codename; `takes` are the versions of slurmd that its slurmctld (version `slurm`) takes."""

    name: str
    title: str
    slurm: str
    takes: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"{self.name} ({self.title})"


def path(name: str, repo: Path = REPO) -> Path:
    """The file with the facts of a release."""
    return repo / "playbooks" / "releases" / f"{name}.yml"


def known(repo: Path = REPO) -> dict[str, Release]:
    """All releases by codename, the oldest Slurm first."""
    found = [_release(file.stem, repo) for file in path("*", repo).parent.glob("*.yml")]
    return {release.name: release for release in sorted(found, key=lambda release: release.slurm)}


def facts(name: str, repo: Path = REPO) -> dict[str, Any]:
    """What the roles read about a release (`release` in Ansible)."""
    return {"name": name, **yaml.safe_load(path(name, repo).read_text(encoding="utf-8"))["release"]}


def note(clusterdir: ClusterDir, node: Node) -> None:
    """Note the release of a machine that is about to be made: that of the baked image, which may be an old one."""
    images = files.read_json(clusterdir.variables)["images"] if clusterdir.variables.exists() else {}
    baked = Path(images[node.image]["path"]) / "image.json" if node.image in images else None
    if baked and baked.exists():
        files.write(clusterdir.identity(node.name) / "release", files.read_json(baked)["release"] + "\n")


def of_machine(clusterdir: ClusterDir, node: Node, images: Mapping[str, Mapping[str, Any]]) -> str:
    """The release of a node's machine as noted, else that of its image in the site data."""
    noted = clusterdir.identity(node.name) / "release"
    return noted.read_text(encoding="utf-8").strip() if noted.exists() else str(images[node.image]["release"])


def _release(name: str, repo: Path) -> Release:
    found = facts(name, repo)
    return Release(name, found["title"], found["slurm"]["version"], tuple(found["slurm"]["takes"]))


def rules(releases: Mapping[str, Release]) -> dict[str, Rule]:
    """The rules for one image of the site data."""
    return {"release": Rule(one_of(tuple(releases)), " or ".join(release.words for release in releases.values()))}


def controller_lines(good: Mapping[str, Any], releases: Mapping[str, Release]) -> tuple[str, ...]:
    """Lines of slurm.conf that the login node's release asks for; none where it is not known."""
    release = _images(good, releases).get(_get(good.get("login"), "image"))
    return tuple(facts(release.name)["slurm"]["conf"]) if release else ()


def _images(good: Mapping[str, Any], releases: Mapping[str, Release]) -> dict[str, Release | None]:
    return {name: releases.get(_get(image, "release")) for name, image in good.get("images", {}).items()}


def together(faults: Faults, good: Mapping[str, Any], releases: Mapping[str, Release]) -> None:
    """Add a fault for each Slurm partition whose slurmd the login node's slurmctld does not take.

    `good` is site data whose bad values are left out: what is not there is not judged.
    """
    of = _images(good, releases)
    controller = of.get(_get(good.get("login"), "image"))
    for index, partition in enumerate(good.get("partitions", [])):
        image = _get(partition, "image")
        node = of.get(image)
        if _get(partition, "scheduler") != "slurm" or not controller or not node or node.slurm in controller.takes:
            continue
        fitting = [name for name, release in of.items() if release and release.slurm in controller.takes]
        faults.add(f"partitions[{index}].image", image, _needs(node, controller, fitting))


def _needs(node: Release, controller: Release, fitting: list[str]) -> str:
    """What completes the sentence "needs …" for a partition that does not go with the login node."""
    return (
        f"an image with Slurm {' or '.join(controller.takes)}, such as {fitting[0]}: the login node's "
        f"{controller.words} has slurmctld {controller.slurm}, which refuses {node.slurm} of {node.words}"
    )


def _get(mapping: object, key: str) -> str:
    """A string of a mapping that may be anything; empty where there is none."""
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) else ""
