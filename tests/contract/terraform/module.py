"""A module of terraform/ in a folder of its own, so that a test leaves the checkout as it is."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiwi.common import process
from reconfigure.terraform import client as terraform

REPO = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Module:
    """A copy of a root module."""

    path: Path

    @classmethod
    def copy(cls, name: str, folder: Path) -> Module:
        skip = shutil.ignore_patterns(".terraform*", "*.tfstate*", "*.tfvars.json")
        return cls(Path(shutil.copytree(REPO / "terraform" / name, folder / name, ignore=skip)))

    def run(self, *argv: str, check: bool = True) -> process.Result:
        """Run Terraform in the module."""
        environment = {**os.environ, **terraform.SETTINGS}
        command, *options = argv
        return process.run(
            [*terraform.binary(), command, *(() if command == "output" else ("-no-color",)), *options],
            cwd=self.path,
            env=environment,
            check=check,
            timeout=120,
        )

    def write(self, file: str, **values: object) -> None:
        (self.path / file).write_text(json.dumps(values))

    def plan(self, *options: str) -> dict[str, list[str]]:
        """Actions by address that a plan holds, without what it leaves alone."""
        self.run("plan", "-input=false", "-out=plan", *options)
        shown: dict[str, Any] = json.loads(self.run("show", "-json", "plan").out)
        actions = {c["address"]: c["change"]["actions"] for c in shown.get("resource_changes", [])}
        return {address: action for address, action in actions.items() if action != ["no-op"]}

    def instances(self) -> dict[str, str]:
        """Instance id by module address, from the state."""
        shown = json.loads(self.run("show", "-json").out)
        modules = shown.get("values", {}).get("root_module", {}).get("child_modules", [])
        return {m["address"]: r["values"]["id"] for m in modules for r in m["resources"] if r["name"] == "machine"}
