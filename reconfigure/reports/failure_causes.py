"""Why nodes fail, as one of few causes: for metrics, whose labels must not be free text, and for advice."""

from __future__ import annotations

import re
from typing import NamedTuple


class Cause(NamedTuple):
    """A cause: its name, a pattern that its reasons match (in STEPS: the step that failed), what an admin can do."""

    name: str
    pattern: str
    todo: str


CONSOLE = "read the console of the machine and the worker's log (reconfigure status --paths)"
CAUSES = (
    Cause("refused", "Terraform would ", "look with `terraform plan` in the cluster's terraform/local folder"),
    Cause("quota", r"quota|Quota", "ask for a larger quota, or free what uses it"),
    Cause("image", r"\bimage\b", "bake it anew: bin/up, or reconfigure image bake NAME"),
    Cause("capacity", r"is full|[Nn]o valid host|capacity|No space left|annot allocate memory", "free some, or wait"),
    Cause("machine", r"its machine (stopped|vanished)|it (ended while it|did not) start", CONSOLE),
    Cause("unreachable", r"SSH port|did not reach|unreachable|onnection (refused|timed out|reset)", CONSOLE),
    Cause("timeout", r"ResumeTimeout|no end after", "reconfigure status shows whether the worker runs; see its log"),
)
# If no pattern matches, the step that failed decides.
STEPS = (
    Cause("terraform", "terraform", "read what Terraform said (reconfigure status --paths)"),
    Cause("machine", "machines", CONSOLE),
    Cause("playbook", "playbook", "read the last of Ansible's runs (reconfigure status --paths)"),
    Cause("slurmd", "register", "read the node's journal: bin/login root@NODE journalctl -u slurmd"),
)
OTHER = Cause("other", "", "read the worker's log (reconfigure status --paths)")
NAMES = tuple(dict.fromkeys(cause.name for cause in (*CAUSES, *STEPS, OTHER)))


def cause(step: str, reason: str) -> Cause:
    """Return the cause of a failure from the words of its reason, else from its step, else OTHER."""
    for found in CAUSES:
        if re.search(found.pattern, reason):
            return found
    return next((found for found in STEPS if found.pattern == step), OTHER)
