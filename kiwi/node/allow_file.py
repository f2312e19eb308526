"""Write the allow file, which the gate of a node reads, on the local disk.

    /run/kiwi/allow        root 0644, replaced by rename

    kiwi-allow 1                                    version, always the first line
    boot 3f0c…                                      /proc/sys/kernel/random/boot_id
    user alice 1200 4800                            may enter from, until: seconds of /proc/uptime
    say lab-1 is booked by alice until …            one line each of what the refused read
    end                                             last line: the file is whole

This node's agent keeps it; on a Slurm node slurmscripts/jobs does, with one
`user` line for each user who has a job.

The reader is a POSIX shell script with builtins only (roles/gate/files/gate).
It lets nobody in by this file whose version, boot id, end or numbers are not
right. Users who always pass are not here but in /etc/kiwi/bypass, so that they
pass where this file is missing, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kiwi.common import files

PATH = Path("/run/kiwi/allow")
VERSION = 1


class Entry(NamedTuple):
    """`user` may enter from `start` until `until`, in whole seconds of the boot clock (/proc/uptime)."""

    user: str
    start: int
    until: int


def render(boot_id: str, entry: Entry | None, refusal: list[str]) -> str:
    """Return the file's text: who may enter (None: nobody) and the lines that the refused read."""
    lines = [f"kiwi-allow {VERSION}", f"boot {boot_id}"]
    if entry:
        lines.append(f"user {entry.user} {entry.start} {entry.until}")
    lines += [f"say {line}" for line in refusal]
    return "\n".join([*lines, "end", ""])


def write(path: Path, text: str) -> None:
    """Replace the file in one step. Raise OSError if that fails: the old one is whole then.

    It is not synced: /run is new after each boot.
    """
    files.replace(path, text, 0o644, sync=False)
