"""What is written down about a cluster: where it lies, what it is, how large it is; and the worker's own log.

All of it lies below CLUSTERDIR/log but what a machine keeps itself, and all of it is bounded: the journal
(journal.py), serve.log (here), up.log (bin/up), Ansible's runs (playbook.KEEP), consoles (`trim`), and
each machine's own journal (roles/node/files/journald.conf).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from reconfigure.clusterdir.paths import ClusterDir

LIMIT = 4 << 20  # bytes of one file
KEPT = 3  # older files beside the current one
FORMAT = "%(asctime)s %(levelname)s %(message)s"
ON_LOGIN = (  # arguments of journalctl on the login node
    ("-u slurmctld", "Slurm's controller"),
    ("-t kiwi-spool", "Slurm's hooks: requests that were lost, and why"),
    ("-u kiwi-agent", "bookings; on every booking node, too"),
)


@dataclass(frozen=True)
class Written:
    """Something to read: a path (or a command that shows it), what it is, bytes with older files (None: unknown)."""

    path: str
    what: str
    bytes: int | None


class _Log(RotatingFileHandler):
    """A log that also takes what this process and its children write to standard output and error."""

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
        return stream


def to_file(path: Path) -> None:
    """Log to a file from here on, in place of standard error."""
    handler = _Log(path, maxBytes=LIMIT, backupCount=KEPT, encoding="utf-8")
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.getLogger().handlers[:] = [handler]


def trim(path: Path) -> None:
    """Keep the end of a file that another process appends to as PATH.1, and let it begin anew, once it is too large."""
    size = path.stat().st_size
    if size > LIMIT:
        with path.open("rb") as file:
            file.seek(size - LIMIT // 4)
            path.with_name(f"{path.name}.1").write_bytes(file.read())
        os.truncate(path, 0)


def consoles(clusterdir: ClusterDir) -> list[Path]:
    """Return the file with each machine's console; its folder is named NAME.INSTANCE."""
    return sorted((clusterdir.path / "machines").glob("[!.]*/console.log"))


def written(clusterdir: ClusterDir) -> list[Written]:
    """Return all places, also those where nothing was written yet."""
    found = [
        _file(clusterdir.journal, "every step, one line of JSON each"),
        _file(clusterdir.log / "serve.log", "the worker"),
        _file(clusterdir.log / "up.log", "all that Ansible said in bin/up"),
        _file(clusterdir.ansible, "each run of the worker's playbooks"),
        _file(clusterdir.local / "apply.jsonl", "Terraform's last apply"),
        _file(clusterdir.metrics / "kiwi.prom", "metrics for Prometheus"),
    ]
    found += [_file(path, f"console of {path.parent.name.partition('.')[0]}") for path in consoles(clusterdir)]
    found += [
        _file(path, "changes of bookings") for path in sorted((clusterdir.path / "data" / "state").glob("*/journal"))
    ]
    jobs = clusterdir.path / "data" / "slurmctld" / "jobs"
    found += [_file(jobs, "finished jobs")] if jobs.exists() else []  # with accounting slurmdbd has them
    login = f"bin/login --cluster {clusterdir.cluster} root@login journalctl"
    return found + [Written(f"{login} {options}", what, None) for options, what in ON_LOGIN]


def _file(path: Path, what: str) -> Written:
    return Written(str(path), what, sum(file.stat().st_size for file in _files(path)))


def _files(path: Path) -> Iterator[Path]:
    """Return a file and its older ones, or all files below a folder."""
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
    else:
        yield from path.parent.glob(f"{path.name}*")


def size(count: int | None) -> str:
    """Return a number of bytes in words; "-" if it is not known."""
    if count is None:
        return "-"
    for unit in ("B", "KiB"):
        if count < 1024:
            return f"{count} {unit}"
        count //= 1024
    return f"{count} MiB"
