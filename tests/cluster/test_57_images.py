"""What is in the trees that machines are made of: no key, no machine's identity, nothing that a tool left behind.

Guards: both releases, whole trees. Cannot prove: packages that a site names itself.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import Cluster

# By name, wherever they lie.
LEAVINGS = re.compile(
    r"munge\.key|ssh_host_.*|random-seed|credential\.secret|.*snakeoil.*|\.ansible|ansible-tmp-.*|\.cache|\..*history"
    r"|\.pwd\.lock|(passwd|group|shadow|gshadow|subuid|subgid)-|(status|diversions|statoverride)-old|policy-rc\.d"
)
EMPTY = ("run", "tmp", "var/tmp", "var/log", "var/cache", "var/lib/apt/lists", "var/lib/mysql", "home", "root/.ssh")
BLANK = ("etc/machine-id", "etc/resolv.conf")  # there, and of no machine
ABSENT = ("etc/hostname", "var/lib/dbus/machine-id")
READ = ("etc", "root", "srv", "opt", "usr/local", "var/lib")  # where a key would lie


@pytest.fixture(scope="module")
def trees(cluster: Cluster, second: Cluster) -> dict[str, Path]:
    """The trees of all images of both clusters, by the image's folder."""
    listed = [json.loads(each.command("reconfigure", "image", "list", "--json").out) for each in (cluster, second)]
    return {Path(i["path"]).name: Path(i["path"], "root") for images in listed for i in images if i["used"]}


def files(tree: Path, *folders: str) -> Iterator[Path]:
    """All files in folders of a tree."""
    for folder in folders:
        for path, _, names in os.walk(tree / folder):
            yield from (Path(path, name) for name in names if not Path(path, name).is_symlink())


def test_both_releases_are_looked_at(trees: dict[str, Path]) -> None:
    assert {name.split("-")[0] for name in trees} == {"debian12", "debian13"}
    assert all((tree / "usr/bin/kiwi").is_file() for tree in trees.values())


def test_nothing_is_one_machines_or_a_tools(trees: dict[str, Path]) -> None:
    for tree in trees.values():
        everything = (Path(path, name) for path, folders, names in os.walk(tree) for name in (*folders, *names))
        found = [path for path in everything if LEAVINGS.fullmatch(path.name)]
        found += files(tree, *EMPTY)
        found += [tree / name for name in BLANK if (tree / name).stat().st_size]
        found += [tree / name for name in ABSENT if os.path.lexists(tree / name)]
        assert [str(path.relative_to(tree)) for path in found] == [], tree


def test_nothing_is_a_private_key(trees: dict[str, Path]) -> None:
    for tree in trees.values():
        small = (path for path in files(tree, *READ) if path.stat().st_size < 1 << 16)
        assert [str(path) for path in small if b"PRIVATE KEY-----" in path.read_bytes()] == []


def test_people_find_their_tools_and_the_manual(cluster: Cluster) -> None:
    tools = "rsync curl less vi nano tmux xauth"
    for node in ("login", "lab-1"):
        out = cluster.ssh(
            f"root@{node}", f"for tool in {tools}; do command -v $tool; done | wc -l; man kiwi | head -1"
        ).out
        count, title = out.splitlines()
        assert int(count) == len(tools.split())
        assert title.startswith("KIWI(1)")


def test_a_new_home_has_what_new_homes_have(cluster: Cluster) -> None:
    skeleton = cluster.ssh("root@login", "ls -A /etc/skel").out.split()
    assert skeleton
    assert set(skeleton) <= set(cluster.ssh("bob@login", "ls -A").out.split())
    owner = cluster.ssh("bob@login", "stat -c %U .bashrc; stat -c %U:%a .").out
    assert owner == "bob\nbob:700\n"
