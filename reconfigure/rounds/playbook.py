"""Playbooks from the driver: ansible-runner's event stream becomes each host's outcome."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner

from reconfigure.clusterdir import rivals
from reconfigure.clusterdir.batches import Claim
from reconfigure.clusterdir.environment import ours
from reconfigure.clusterdir.paths import REPO, ClusterDir

log = logging.getLogger(__name__)
AT_ONCE = 4  # runs side by side: each wants a core, and 100 MB; more of them end no sooner
KEEP = 20 + AT_ONCE  # runs whose artifacts are kept
# Seconds that a run may take: whole roles on machines without a baked image install packages for minutes. Each
# task has less (playbooks/node.yml), so a host that hangs is given up long before.
LONGEST = 1800
_ROOM = threading.BoundedSemaphore(AT_ONCE)
BANNER = re.compile(r"(PLAY|TASK)\b|(skipping|ok|changed): |.*: ok=\d")
CONFIGURED_BY = "Configure the node"  # the task in playbooks/tasks/node.yml with all that a baked machine needs
FAILED = ("runner_on_failed", "runner_on_unreachable")


@dataclass
class Run:
    """Outcome of a playbook: reason by host that failed, hosts with which all was done, seconds, changes.

    Where Ansible is killed there are no statistics: then those count that had their bundle.
    """

    failed: dict[str, str] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    changed: bool = False
    seconds: float = 0.0

    def event(self, event: Mapping[str, Any]) -> bool:
        """Take one event in; return whether ansible-runner shall keep it on disk."""
        data = event.get("event_data", {})
        kind = event.get("event", "")
        if kind in FAILED and not data.get("ignore_errors"):
            self.failed.setdefault(data["host"], reason(data))
        elif kind == "runner_on_ok" and data.get("host"):
            result = data.get("res", {})
            self.changed = self.changed or bool(result.get("changed"))
            if data["task"] == CONFIGURED_BY and result.get("stale") is False:
                self.reached.add(data["host"])
        elif kind == "playbook_on_stats":
            self.reached |= data["processed"].keys() - data["failures"].keys() - data["dark"].keys()
        if text := event.get("stdout"):
            log.debug("ansible: %s", text)
        return kind in FAILED


def reason(data: Mapping[str, Any]) -> str:
    """Return why a task failed, in one line: task, message, end of its error output."""
    result = data.get("res", {})
    parts = [str(result.get(key, "")).strip() for key in ("msg", "stderr")]
    last = [part.splitlines()[-1][:300] for part in parts if part]
    return f"{data.get('task', 'a task')}: {'; '.join(dict.fromkeys(last)) or 'failed without a message'}"


def environment(clusterdir: ClusterDir, batch: str = "") -> dict[str, str]:
    """Return variables that let the playbook find this cluster, and its batch; host keys are always checked."""
    environment = ours(os.environ)
    return {
        **environment,
        "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner turns it off where nothing is said
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",  # ansible-runner's own breaks on bin/up's
        "ANSIBLE_FORCE_COLOR": "False",
        "ANSIBLE_NOCOLOR": "1",
        "KIWI_CLUSTER": clusterdir.cluster,
        "KIWI_ROOT": str(clusterdir.root),
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        **rivals.marks(clusterdir, batch),
    }


def run(claim: Claim, name: str, variables: Mapping[str, Any], limit: str | None = None) -> Run:
    """Run playbooks/NAME for a batch, on all its hosts or on `limit`; raise nothing for what the playbook met.

    AT_ONCE run side by side, the others wait. Each has a folder of its own, in that of its batch.
    """
    clusterdir = claim.clusterdir
    clusterdir.ansible.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _ROOM, tempfile.TemporaryDirectory(dir=claim.folder) as folder:
        _prune(clusterdir.ansible)
        return _run(claim, Path(folder), name, variables, limit)


def _run(claim: Claim, folder: Path, name: str, variables: Mapping[str, Any], limit: str | None) -> Run:
    clusterdir, outcome, began = claim.clusterdir, Run(), time.monotonic()
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".json", encoding="utf-8") as extra:
        json.dump(dict(variables), extra)
        extra.flush()
        runner = ansible_runner.run(
            private_data_dir=str(folder),
            artifact_dir=str(clusterdir.ansible),
            host_cwd=str(REPO),
            playbook=str(REPO / "playbooks" / name),
            inventory=str(REPO / "inventory.yml"),
            cmdline=f"--extra-vars @{extra.name}" + (f" --limit {limit}" if limit else ""),
            envvars=environment(clusterdir, claim.id),
            event_handler=outcome.event,
            timeout=LONGEST,
            cancel_callback=lambda: False,  # or ansible-runner takes the signal handlers for itself
            suppress_env_files=True,
            quiet=True,
        )
    outcome.seconds = time.monotonic() - began
    if not outcome.failed and (runner.rc != 0 or not outcome.reached):
        late = runner.status == "timeout"
        outcome.failed = {"": f"the playbook had not ended after {LONGEST} s" if late else _tail(runner)}
    return outcome


def _tail(runner: ansible_runner.Runner) -> str:
    """Return the last words of a run that failed on no host, such as Ansible that was killed."""
    with runner.stdout as output:
        return last_words(output.read(), runner.rc)


def last_words(output: str, code: int | None) -> str:
    """Return what Ansible said in the end, without its banners; errors first."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    words = [line for line in lines if not BANNER.match(line)]
    errors = [line for line in words if line.startswith(("[ERROR]", "ERROR", "fatal"))] or words
    ended = "Ansible was killed" if code is None else f"Ansible ended early with code {code}"
    return ended + (f": {' '.join(errors[-2:])[:300]}" if errors else "")


def _prune(folder: Path) -> None:
    """Remove the artifacts of old runs."""
    with contextlib.suppress(FileNotFoundError):  # another run does so, too
        for old in sorted(folder.iterdir(), key=os.path.getmtime)[:-KEEP]:
            shutil.rmtree(old, ignore_errors=True)
