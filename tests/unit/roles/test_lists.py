"""What a role declares is known by name: a misspelt `_dns_file` would be nothing at all, and nobody would be told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (REPO / "roles").iterdir())
READ = re.compile(r"variables_of\('(\w+)'\)")


def lists() -> set[str]:
    """The lists that playbooks ask roles for."""
    return {name for path in (REPO / "playbooks/tasks").glob("*.yml") for name in READ.findall(path.read_text())}


def declared(role: str) -> set[str]:
    found = yaml.safe_load((REPO / "roles" / role / "vars" / "main.yml").read_text())
    return set(found or ())


def texts(role: str) -> Iterator[str]:
    for path in (REPO / "roles" / role).rglob("*"):
        if path.is_file() and path.suffix in (".yml", ".j2"):
            yield "\n".join(line for line in path.read_text().splitlines() if not re.match(r"_\w+:", line))
    for path in (REPO / "playbooks").rglob("*.yml"):
        yield path.read_text()


def used(role: str, name: str) -> bool:
    """Whether a name is read anywhere, its own definition apart."""
    text = (REPO / "roles" / role / "vars" / "main.yml").read_text()
    inside = re.search(rf"(?m)^_(?!{name[1:]}:)\w+:.*\b{name}\b", text)
    return inside is not None or any(re.search(rf"\b{name}\b", part) for part in texts(role))


def test_the_lists_are_those_of_the_seam() -> None:
    assert lists() == {"mounts", "directories", "absent", "files", "node_files", "packages", "units", "stopped", "wait"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_declares_only_what_is_read(role: str) -> None:
    known = {f"_{role}_{name}" for name in lists()}
    assert [name for name in declared(role) - known if not used(role, name)] == []


def test_a_misspelt_list_is_seen() -> None:
    assert not used("dns", "_dns_file")
    assert used("booking", "_booking_packages")
