"""Releases: the facts of each, and which of them make one Slurm cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconfigure.clusterdir import files, paths
from reconfigure.model.node import Node
from reconfigure.site import data as site_data
from reconfigure.site import releases

GOOD = site_data.read_yaml(paths.REPO / "group_vars" / "all.yml")
KNOWN = releases.known()


def data(login: str, cpu: str, lab: str = "debian13", **images: str) -> dict[str, Any]:
    """The shipped site data with these images for the login node, a Slurm and a booking partition."""
    named = {name: {"release": release} for name, release in images.items()}
    partitions = [{**part, "image": image} for part, image in zip(GOOD["partitions"], (cpu, lab))]
    return {
        **GOOD,
        "images": {**GOOD["images"], **named},
        "login": {**GOOD["login"], "image": login},
        "partitions": partitions,
    }


def faults(values: dict[str, Any]) -> tuple[str, ...]:
    try:
        site_data.check(values)
    except site_data.SiteError as exc:
        return exc.faults
    return ()


def test_the_tested_releases() -> None:
    assert {name: release.title for name, release in KNOWN.items()} == {"bookworm": "Debian 12", "trixie": "Debian 13"}


@pytest.mark.parametrize("release", KNOWN.values(), ids=str)
def test_a_controller_takes_nodes_of_its_own_version_and_no_newer_ones(release: releases.Release) -> None:
    assert release.slurm in release.takes
    assert max(release.takes) == release.slurm


def test_all_releases_have_the_same_facts() -> None:
    facts = [releases.facts(name) for name in KNOWN]
    assert all(keys(found) == keys(facts[0]) for found in facts)


def keys(facts: dict[str, Any]) -> list[str]:
    return sorted([*facts, *(f"slurm.{key}" for key in facts["slurm"])])


@pytest.mark.parametrize("lab", ["debian12", "debian13"])
@pytest.mark.parametrize("image", ["debian12", "debian13"])
def test_one_release_for_slurm_any_for_booking(image: str, lab: str) -> None:
    assert faults(data(image, image, lab)) == ()


@pytest.mark.parametrize(
    ("login", "cpu", "said"),
    [
        ("debian13", "debian12", ("Slurm 24.11", "such as debian13", "trixie (Debian 13)", "22.05 of bookworm")),
        ("debian12", "debian13", ("Slurm 22.05", "such as debian12", "bookworm (Debian 12)", "24.11 of trixie")),
    ],
)
def test_releases_that_refuse_each_other_are_refused(login: str, cpu: str, said: tuple[str, ...]) -> None:
    (fault,) = faults(data(login, cpu))
    assert fault.startswith(f"partitions[0].image: found '{cpu}'; needs an image with Slurm ")
    assert all(words in fault for words in said), fault


def test_names_of_images_do_not_matter() -> None:
    assert faults(data("a", "b", a="trixie", b="trixie")) == ()
    assert len(faults(data("a", "b", a="trixie", b="bookworm"))) == 1


@pytest.mark.parametrize(
    ("over", "key"),
    [
        (
            {"images": {"debian13": {"release": "sid"}}},
            "images.debian13.release: found 'sid'; needs bookworm (Debian 12) or",
        ),
        ({"images": {"debian13": {}}}, "images.debian13.release: missing"),
        ({"images": {"debian13": {"release": ["trixie"]}}}, "images.debian13.release: found ['trixie']"),
        ({"images": {"debian13": "trixie"}}, "images.debian13: found 'trixie'"),
        ({"login": 7}, "login: found 7"),
        ({"login": {"image": {}, "flavor": "small"}}, "login.image: found {}"),
    ],
)
def test_what_is_no_image_is_one_fault(over: dict[str, Any], key: str) -> None:
    (fault,) = faults({**GOOD, **over})
    assert fault.startswith(key)


def test_an_older_node_that_the_controller_takes_is_allowed() -> None:
    old = releases.Release("old", "Old 1", "24.11", ("24.11",))
    new = releases.Release("new", "New 2", "26.05", ("24.11", "25.05", "25.11", "26.05"))
    assert mixed({"old": old, "new": new}, "new", "old") == []
    (fault,) = mixed({"old": old, "new": new}, "old", "new")
    assert "which refuses 26.05 of new (New 2)" in fault


def mixed(known: dict[str, releases.Release], login: str, cpu: str) -> list[str]:
    """Faults of a login node and a Slurm partition of these releases."""
    found = releases.Faults()
    releases.together(found, data(login, cpu, **{name: name for name in known}), known)
    return found.lines


def test_a_machine_keeps_the_release_that_it_was_made_from(tmp_path: Path) -> None:
    """Also where the site data have changed since: facts of another release would stop its sshd."""
    clusterdir = paths.ClusterDir(tmp_path, "kiwi")
    node = Node("lab-1", "booking", "lab", "198.18.4.1", "mine", "small", ())
    images = {"mine": {"release": "trixie"}}
    assert releases.of_machine(clusterdir, node, images) == "trixie"
    baked = tmp_path / "images" / "mine-x"
    files.write_json(baked / "image.json", {"version": 1, "name": "mine", "release": "bookworm", "hash": "x"})
    files.write_json(clusterdir.variables, {"images": {"mine": {"path": str(baked), "hash": "x"}}})
    releases.note(clusterdir, node)
    assert releases.of_machine(clusterdir, node, images) == "bookworm"


def test_an_image_that_is_not_baked_is_no_release_of_a_machine(tmp_path: Path) -> None:
    clusterdir = paths.ClusterDir(tmp_path, "kiwi")
    node = Node("lab-1", "booking", "lab", "198.18.4.1", "mine", "small", ())
    files.write_json(clusterdir.variables, {"images": {"mine": {"path": str(tmp_path / "nowhere"), "hash": "x"}}})
    releases.note(clusterdir, node)
    assert releases.of_machine(clusterdir, node, {"mine": {"release": "trixie"}}) == "trixie"
