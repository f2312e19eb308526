"""docs/architecture.md names every room, in the order of the floors that import-linter holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomllib

REPO = Path(__file__).resolve().parents[2]
TEXT = (REPO / "docs" / "architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
FLOORS = {contract["containers"][0]: contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"}
FLAT = {"__init__.py", "__main__.py"}


def rooms(package: str) -> list[str]:
    """The rooms of a package, from the top floor down, as pyproject.toml has them."""
    return [room for floor in FLOORS[package] for room in floor.split(" | ")]


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_is_drawn_in_the_order_of_the_floors(package: str) -> None:
    section = TEXT.split(f"## {package}, from the top floor down")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert [room for row in rows for room in re.findall(r"`(\w+)`", row)] == rooms(package)


@pytest.mark.parametrize("package", FLOORS)
def test_no_module_lies_outside_of_a_room(package: str) -> None:
    folder = REPO / package
    assert {path.name for path in folder.glob("*.py")} <= FLAT
    assert {path.parent.name for path in folder.glob("*/__init__.py")} == set(rooms(package))


def test_what_it_names_is_there() -> None:
    """A module or function that moves is moved in the picture, too."""
    for room, module in re.findall(r"`(\w+)/(\w+)`", TEXT):
        there = [package for package in FLOORS if (REPO / package / room / f"{module}.py").exists()]
        assert there or (REPO / room / module).exists(), f"{room}/{module}"
