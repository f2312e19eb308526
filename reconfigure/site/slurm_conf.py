"""Which lines of slurm.conf a site may write itself: those with a key that Kiwi does not write.

Slurm judges the rest: the bundle has it read the whole file before that is put
in place (plugins/modules/bundle.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from reconfigure.clusterdir.paths import REPO
from reconfigure.site.faults import Faults

TEMPLATE = REPO / "roles" / "slurm" / "templates" / "slurm.conf.j2"
WRITTEN = re.compile(r"(?:^|')([A-Z][A-Za-z]+)=", re.MULTILINE)  # a key at the start of a line that the template gives
KEY = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z0-9_]*)\s*=")


def taken(lines: Iterable[str] = ()) -> frozenset[str]:
    """Return the keys, in lower case, that Kiwi writes: those of the template and of a release's `lines`."""
    text = "\n".join([TEMPLATE.read_text(encoding="utf-8"), *lines])
    return frozenset(key.lower() for key in WRITTEN.findall(text))


def check(faults: Faults, text: str, keys: frozenset[str]) -> None:
    """Add a fault for each line that is no Key=Value or has one of `keys`, which Kiwi writes."""
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.split("#", 1)[0].strip()
        where = f"slurm_conf, line {number}"
        if plain and not KEY.match(plain):
            faults.add(where, plain, "Key=Value as in slurm.conf, such as PriorityType=priority/multifactor")
        elif mine := [key for key in KEY.findall(plain) if key.lower() in keys]:
            faults.add(where, plain, f"to be left out: Kiwi writes {mine[0]} itself (docs/site.md)")
