"""The cluster that is measured, by the commands that people use, and what its files tell on the host.

A machine's own files are its overlay's upper folder: it is read from outside, so that looking
changes nothing in it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from kiwi.common import process
from reconfigure.clusterdir import paths

REPO = Path(__file__).resolve().parent.parent
SITE = REPO / "bench" / "site.yml"
NAME = "kbench"
HOME = paths.ClusterDir(Path(os.environ.get("KIWI_ROOT", "/var/lib/kiwi")), NAME)
RECONFIGURE = ".venv/bin/reconfigure"
# Files that a machine's own life changes: logs, metrics, Slurm's and systemd's saved state.
OWN_LIFE = ("var/log", "var/lib/prometheus", "var/spool", "var/tmp", "tmp", "var/lib/systemd")


def say(text: str) -> None:
    """Progress, beside the tables."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def command(*argv: str, timeout: float = 900) -> str:
    """Output of a program of the checkout; CommandError where it fails."""
    environment = {**os.environ, "KIWI_CLUSTER": NAME}
    return process.run([str(REPO / argv[0]), *argv[1:]], timeout=timeout, env=environment).out


@contextmanager
def keeping_images(root: Path) -> Iterator[None]:
    """Have `bin/down --all` leave the images that are there now: as if a cluster were to be made of them."""
    images = [str(path) for path in (root / "images").glob("[!.]*")]
    keeper = root / "clusters" / f"{NAME}-images"
    (keeper / "terraform/local").mkdir(parents=True, exist_ok=True)
    (keeper / "terraform/local/images.tfvars.json").write_text(json.dumps(images), encoding="utf-8")
    try:
        yield
    finally:
        shutil.rmtree(keeper)
        with suppress(OSError):  # folders that hold something stay
            keeper.parent.rmdir()
            root.rmdir()


def on_login(user: str, line: str) -> str:
    return command("bin/login", f"{user}@login", line)


def timed(*argv: str) -> float:
    """Seconds that a program of the checkout takes."""
    began = time.monotonic()
    command(*argv)
    return time.monotonic() - began


def nodes(first: int, last: int) -> str:
    return f"cpu-[{first}-{last}]"


def instances() -> dict[str, Path]:
    """Folder of each machine that is whole, by name."""
    return {file.parent.name.partition(".")[0]: file.parent for file in HOME.path.glob("machines/[!.]*/instance.json")}


def wait_until(what: str, condition: Callable[[], bool], seconds: float = 180) -> None:
    """Poll until true; TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.5)


def _states() -> dict[str, str]:
    return dict(line.split() for line in on_login("root", "sinfo -p cpu -N -h -o '%N %T'").splitlines())


def shrink(count: int) -> None:
    """Have exactly cpu-1 to cpu-COUNT up (no more than are), as Slurm and the machines' folder see it."""
    surplus = [name for name in instances() if name.startswith("cpu-") and int(name[4:]) > count]
    if surplus:
        wait_until("no node has a job", lambda: set(_states().values()) <= {"idle", "idle~"})
        command(RECONFIGURE, "suspend", ",".join(surplus))
    wait_until("powered down nodes are at rest", lambda: set(_states().values()) <= {"idle", "idle~"})


def grow(count: int) -> None:
    """Have cpu-1 to cpu-COUNT up."""
    there = [f"cpu-{n}" for n in range(1, count + 1) if f"cpu-{n}" in instances()]
    if len(there) < count:
        say(f"making {count - len(there)} nodes")
        command(RECONFIGURE, "resume", nodes(1, count))


def events(since: float) -> list[dict[str, Any]]:
    """Lines of the driver's journal from a time (Unix seconds) on."""
    found = map(json.loads, HOME.journal.read_text(encoding="utf-8").splitlines())
    return [event for event in found if event["time"] >= since]


def changed_files(folder: Path, mark: Path) -> list[str]:
    """Files of a machine's own that are newer than a mark, but for what its own life changes."""
    upper = folder / "upper"
    prune = [word for path in OWN_LIFE for word in ("-o", "-path", str(upper / path))][1:]
    argv = ["find", str(upper), "(", *prune, ")", "-prune", "-o", "-type", "f", "-newer", str(mark), "-print"]
    return process.run(argv).out.splitlines()


def module_calls(folder: Path, since: float) -> int:
    """Ansible modules that ran on a machine from a time on: each says so in the machine's journal."""
    argv = [
        "journalctl",
        "--directory",
        str(folder / "upper/var/log/journal"),
        f"--since=@{since:.0f}",
        "--output=short",
    ]
    lines = process.run([*argv, "--no-pager", "--quiet"]).out.splitlines()
    return sum(" ansible-" in line and "Invoked with" in line for line in lines)
