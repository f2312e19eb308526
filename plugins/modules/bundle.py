#!/usr/bin/python
"""Ansible module: everything that makes a machine with a baked image a node, in one call."""

# Relative imports (TID252): the one form that Ansible packs, mypy follows and a bare checkout resolves.
# ruff: noqa: TID252
from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import files as place
from ..module_utils import units as systemd
from ..module_utils.files import BundleError

DOCUMENTATION = r"""
module: bundle
short_description: Put files, directories and units of a node in place in one call
description:
  - Writes files whole or not at all, enables and starts units, restarts those whose files changed,
    and waits until they answer. A second call changes nothing.
  - In the tree of an image, where no systemd runs, files and directories are all it does.
options:
  marker:
    description: Hash of the image that the machine must run (C(/etc/kiwi/image.json)).
      Where it runs another one, nothing is done and RV(stale) is true.
    type: str
  marker_path:
    description: Where the machine says which image it runs.
    type: path
    default: /etc/kiwi/image.json
  mounts:
    description: Paths that must be mount points.
    type: list
    elements: path
    default: []
  directories:
    description: Directories, made before the files.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      owner: {description: Name or uid., type: str, default: root}
      group: {description: Name or gid., type: str, default: root}
      mode: {description: Octal., type: str, default: '0755'}
      exact: {description: Remove files in it that the bundle does not name., type: bool, default: false}
      keep: {description: Leave owner and mode as they are where it exists., type: bool, default: false}
      skeleton: {description: Folder whose content it has when it is made., type: path}
  absent:
    description: Files that shall not be there; they are removed before the others are written.
    type: list
    elements: path
    default: []
  files:
    description: Files.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Where., type: path, required: true}
      content: {description: Text., type: str}
      content_b64: {description: Bytes in base64; always secret., type: str}
      owner: {description: Name or uid., type: str, default: root}
      group: {description: Name or gid., type: str, default: root}
      mode: {description: Octal., type: str, default: '0644'}
      secret: {description: Never show the content., type: bool, default: false}
      units: {description: Units to restart when it changed., type: list, elements: str, default: []}
      validate:
        description: Command that judges it before anything is written; C(%s) is a file with the new content.
        type: str
  units:
    description: Units to enable and start, in this order.
    type: list
    elements: str
    default: []
  stopped:
    description: Units to stop and disable, in this order; those that the machine does not know are so.
    type: list
    elements: str
    default: []
  wait:
    description: What must accept connections in the end.
    type: list
    elements: dict
    default: []
    suboptions:
      port: {description: TCP port on 127.0.0.1., type: int}
      path: {description: Unix socket., type: path}
      unit: {description: Whose it is; where that has ended nothing is waited for., type: str, required: true}
      timeout: {description: Seconds., type: float, default: 30}
author: [Kiwi contributors]
"""

EXAMPLES = r"""
- name: Be a node
  kiwi.cluster.bundle:
    marker: 3f786850e387
    files:
      - {path: /etc/munge/munge.key, content_b64: "{{ key }}", owner: munge, group: munge, mode: '0400', units: [munge]}
    units: [munge]
    wait:
      - {path: /run/munge/munge.socket.2, unit: munge.service}
"""

RETURN = r"""
stale:
  description: The machine runs another image than the marker says; nothing was done.
  returned: always
  type: bool
changed_files:
  description: Paths of files and directories that were written, made or removed.
  returned: always
  type: list
enabled:
  description: Units that were enabled.
  returned: always
  type: list
started:
  description: Units that were started.
  returned: always
  type: list
stopped:
  description: Units that were stopped or disabled.
  returned: always
  type: list
restarted:
  description: Units that were restarted because a file of theirs changed.
  returned: always
  type: list
"""

_OWNED = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
_DIRECTORY = {
    **_OWNED,
    "mode": {"type": "str", "default": "0755"},
    "exact": {"type": "bool", "default": False},
    "keep": {"type": "bool", "default": False},
    "skeleton": {"type": "path"},
}
_FILE = {
    **_OWNED,
    "content": {"type": "str"},
    "content_b64": {"type": "str", "no_log": True},
    "mode": {"type": "str", "default": "0644"},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "units": {"type": "list", "elements": "str", "default": []},
    "validate": {"type": "str"},
}
_WAIT = {
    "port": {"type": "int"},
    "path": {"type": "path"},
    "unit": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 30},
}
ARGUMENTS: dict[str, Any] = {
    "marker": {"type": "str"},
    "marker_path": {"type": "path", "default": "/etc/kiwi/image.json"},
    "mounts": {"type": "list", "elements": "path", "default": []},
    "directories": {"type": "list", "elements": "dict", "default": [], "options": _DIRECTORY},
    "absent": {"type": "list", "elements": "path", "default": []},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": _FILE,
        "mutually_exclusive": [("content", "content_b64")],
        "required_one_of": [("content", "content_b64")],
    },
    "units": {"type": "list", "elements": "str", "default": []},
    "stopped": {"type": "list", "elements": "str", "default": []},
    "wait": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": _WAIT,
        "mutually_exclusive": [("port", "path")],
        "required_one_of": [("port", "path")],
    },
}


# Units whose files were written and that are not restarted yet: a bundle that failed in between leaves them here.
OWED = Path("/run/kiwi-restart.json")


class Outcome(NamedTuple):
    """What was done, or would be in check mode; the lists are filled as things happen."""

    changed_files: list[str]
    diff: list[dict[str, str]]
    enabled: list[str]
    started: list[str]
    restarted: list[str]
    stopped: list[str]

    def result(self, with_diff: bool) -> dict[str, Any]:
        """The module's result; whole files go back only to who asked for `--diff`."""
        changed = any((self.changed_files, self.enabled, self.started, self.restarted, self.stopped))
        said = {key: value for key, value in self._asdict().items() if key != "diff" or with_diff}
        return {"changed": changed, "stale": False, **said}


class Quiet(AnsibleModule):  # type: ignore[misc]
    """A module that does not write its arguments, whole files and keys, to the machine's journal."""

    def _log_invocation(self) -> None:
        self.log(f"Invoked with {len(self.params['files'])} files")


def is_stale(marker: str | None, path: str) -> bool:
    """Does the machine run another image than the one with this hash? No marker asked for: no."""
    if marker is None:
        return False
    try:
        return bool(json.loads(Path(path).read_text(encoding="utf-8"))["hash"] != marker)
    except (OSError, ValueError, KeyError, TypeError):
        return True


def check_mounts(paths: list[str]) -> None:
    """Raises BundleError for the first path that is not a mount point."""
    for path in paths:
        if not os.path.ismount(path):
            raise BundleError(f"{path} is not mounted: the share of this machine is missing; make the machine anew")


def judge_files(files: list[place.File], command: systemd.Command) -> None:
    """Have what would change judged by the command that the file names; raises BundleError for the first fault."""
    for file in changing([file for file in files if file.validate]):
        place.judge(file, command)


def put_directories(directories: list[place.Directory], outcome: Outcome, dry: bool) -> None:
    """Make and mend directories."""
    for directory in directories:
        if place.directory_differs(directory):
            outcome.changed_files.append(directory.path)
            if not dry:
                place.make_directory(directory)


def changing(files: list[place.File]) -> list[place.File]:
    """The files that are not as they shall be."""
    return [file for file in files if place.file_differs(file, place.before(file))]


def owe(units: list[str], dry: bool) -> list[str]:
    """Note units before their files are written; return them and those that an earlier bundle did not get to."""
    try:
        left = json.loads(OWED.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        left = []
    owed = list(dict.fromkeys([*left, *units]))
    if units and not dry:
        OWED.write_text(json.dumps(owed), encoding="utf-8")
    return owed


def put_files(files: list[place.File], outcome: Outcome, dry: bool) -> None:
    """Write what differs."""
    for file in files:
        content = place.before(file)
        if place.file_differs(file, content):
            outcome.changed_files.append(file.path)
            outcome.diff.append(place.difference(file, content))
            if not dry:
                place.write(file)


def remove_strangers(directories: list[place.Directory], files: list[place.File], outcome: Outcome, dry: bool) -> None:
    """Remove what exact directories hold beyond the named files."""
    named = {file.path for file in files}
    for directory in directories:
        for path in place.strangers(directory, named):
            outcome.changed_files.append(path)
            if not dry:
                os.unlink(path)


def remove_files(paths: list[str], outcome: Outcome, dry: bool) -> None:
    """Remove the files that are there."""
    for path in filter(os.path.lexists, paths):
        outcome.changed_files.append(path)
        if not dry:
            os.unlink(path)


def bring_up(command: systemd.Command, names: list[str], stirred: list[str], outcome: Outcome, dry: bool) -> None:
    """Enable and start the units in order; restart running ones that a changed file stirred."""
    others = [name for name in dict.fromkeys(stirred) if name not in names]
    units = systemd.show(command, [*names, *others])
    outcome.enabled.extend(u.name for u in units if u.name in names and u.file_state == "disabled")
    if outcome.enabled and not dry:
        systemd.enable(command, outcome.enabled)
        if any(unit.active in systemd.RUNNING for unit in units if unit.name in outcome.enabled):
            systemd.reload(command)
    for unit in units:
        verb = _verb(unit, unit.name in names, unit.name in stirred)
        if verb:
            (outcome.restarted if verb == "restart" else outcome.started).append(unit.name)
            if not dry:
                systemd.bring_up(command, verb, unit.name)


def stop(command: systemd.Command, names: list[str], outcome: Outcome, dry: bool) -> None:
    """Stop and disable the units that run or would at boot."""
    for unit in systemd.show(command, names):
        if unit.active in systemd.RUNNING or unit.file_state == "enabled":
            outcome.stopped.append(unit.name)
            if not dry:
                systemd.stop(command, unit.name)


def _verb(unit: systemd.Unit, wanted: bool, stirred: bool) -> str:
    if unit.active in systemd.RUNNING:
        return "restart" if stirred else ""
    if unit.active == "activating" and stirred:
        return "restart"  # `start` would wait for the start with the old files
    return "start" if wanted else ""


def apply(params: dict[str, Any], command: systemd.Command, dry: bool) -> Outcome:
    """Make the machine what the arguments say; raises BundleError where it cannot be."""
    outcome = Outcome([], [], [], [], [], [])
    check_mounts(params["mounts"])
    directories = [place.directory_of(item) for item in params["directories"]]
    files = [place.file_of(item) for item in params["files"]]
    judge_files(files, command)
    put_directories(directories, outcome, dry)
    owed = owe([unit for file in changing(files) for unit in file.units], dry or not systemd.runs())
    remove_files(params["absent"], outcome, dry)
    put_files(files, outcome, dry)
    remove_strangers(directories, files, outcome, dry)
    if systemd.runs():
        if systemd.needs_reload(outcome.changed_files) and not dry:
            systemd.reload(command)
        stop(command, params["stopped"], outcome, dry)
        bring_up(command, params["units"], owed, outcome, dry)
        if not dry:
            OWED.unlink(missing_ok=True)
        for item in [] if dry else params["wait"]:
            systemd.await_answer(command, systemd.wait_of(item))
    return outcome


@contextmanager
def alone(folder: str = "/etc") -> Iterator[None]:
    """Let one bundle at a time work on a machine: the worker and bin/up may meet on it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main() -> None:
    """Read the arguments, apply them, answer with what changed."""
    module = Quiet(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.no_log_values.update(f["content"] for f in module.params["files"] if f["secret"] and f["content"])
    if is_stale(module.params["marker"], module.params["marker_path"]):
        module.exit_json(changed=False, stale=True, changed_files=[], enabled=[], started=[], restarted=[], stopped=[])
    try:
        with alone():
            outcome = apply(module.params, module.run_command, module.check_mode)
    except BundleError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**outcome.result(with_diff=module._diff))


if __name__ == "__main__":
    main()
