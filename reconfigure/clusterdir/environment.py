"""The environment of what this program starts: of the caller's only what environment.txt beside this file names.

TF_*, ANSIBLE_* or PYTHON* of an administrator's shell would change what is done to a cluster, and a locale that
is not installed would fail it. Ansible and ansible-runner add os.environ to whatever they are given, so the
program takes over its own environment when it starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

NAMES = Path(__file__).with_name("environment.txt")
LOCALE = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@cache
def allowed() -> tuple[str, ...]:
    """Return the names that are let through; * stands for any end of a name."""
    lines = map(str.strip, NAMES.read_text(encoding="utf-8").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def ours(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what children get of an environment: what is let through, a UTF-8 locale, a PATH in any case."""
    kept = {name: value for name, value in environment.items() if any(fnmatchcase(name, a) for a in allowed())}
    return {"PATH": PATH, **kept, **LOCALE}


def take_over() -> None:
    """Make this process's own environment ours, once, when the program starts."""
    kept = ours(os.environ)
    for name in os.environ.keys() - kept.keys():
        del os.environ[name]
    os.environ.update(kept)
