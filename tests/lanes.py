"""Where the tests of a lane run, so that they touch nothing but their own, however pytest was called.

unit      as nobody, who may read every file and change none but in a folder made for the run: no
          bridge, no rule, no unit of the host is within reach;
contract  as root in namespaces of its own (network, mounts, IPC, processes): it sees neither the
          host's network nor its processes, and an empty /var/lib/kiwi;
cluster   as root on this host, in tracks side by side (tests/tracks.py).

`dispatch` starts one pytest for each of the first two; `watch` fails whatever opens a path below
the host's own clusters all the same. A skip is a failure too, but for the ones that SKIPS names.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests import tracks

REPO = Path(__file__).resolve().parents[1]
LANES = ("unit", "contract", "cluster")
HOST = "/var/lib/kiwi"  # the default of KIWI_ROOT
MARK = "KIWI_TEST_LANE"
# Reasons for which a test may be left out, as patterns, each with why there must be such a test.
SKIPS: dict[str, str] = {}

AS_NOBODY = [
    "setpriv",
    "--reuid=nobody",
    "--regid=nogroup",
    "--clear-groups",
    "--no-new-privs",
    *(f"--{kind}-caps=-all,+dac_read_search" for kind in ("inh", "ambient")),
    "--bounding-set=-all,+dac_read_search",
]
NAMESPACES = ["--net", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
HOST_OF_ITS_OWN = f"""set -e
mount --rbind /sys/fs/cgroup /mnt
mount -t sysfs sysfs /sys
mount --rbind /mnt /sys/fs/cgroup
umount -l /mnt
for part in fs kernel vm; do mount -o bind,ro /proc/sys/$part /proc/sys/$part; done
mkdir -p {HOST}
mount -t tmpfs -o mode=0700 none {HOST}
ip link set dev lo up
set +e
"$@"
exit $?"""
APART = ["unshare", *NAMESPACES, "sh", "-c", HOST_OF_ITS_OWN, "sh"]
WRAPPED = {"unit": AS_NOBODY, "contract": APART}
OPENS = frozenset(
    {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "os.symlink", "os.scandir", "os.listdir"}
)
touched: list[str] = []  # what a test opened of the host's own clusters, all the same


def lane(path: str) -> str:
    """The lane that an argument of pytest lies in: a folder of tests, or "" for what is above or elsewhere."""
    try:
        return Path(path.partition("::")[0]).resolve().relative_to(REPO / "tests").parts[0]
    except (ValueError, IndexError):
        return ""


def apart(paths: list[str]) -> dict[str, list[str]]:
    """The arguments by lane, those that are above the lanes' folders once for each lane."""
    found: dict[str, list[str]] = {}
    for path in paths:
        for name in [lane(path)] if lane(path) else LANES:
            found.setdefault(name, []).append(path if lane(path) else str(REPO / "tests" / name))
    return found


def dispatch(config: pytest.Config) -> int | None:
    """Run each lane in a pytest of its own, where it belongs; None: go on here."""
    asked, lanes = config.option, apart(config.args)
    if MARK in os.environ or asked.collectonly or asked.help or asked.version or not lanes.keys() <= set(LANES):
        return None
    if os.geteuid() != 0:
        if lanes.keys() - {"unit"}:
            raise pytest.UsageError("contract and cluster need root, for namespaces and machines; found another user")
        os.environ.update({"KIWI_ROOT": "/nonexistent", MARK: "unit"})
        return None
    options = [str(argument) for argument in config.invocation_params.args if argument not in config.args]
    codes = []
    for name, paths in lanes.items():
        codes.append(run(name, [*options, *paths]))
        if codes[-1] and asked.maxfail:
            break
    return max((code for code in codes if code != pytest.ExitCode.NO_TESTS_COLLECTED), default=codes[-1])


def run(name: str, arguments: list[str]) -> int:
    """One lane's pytest to its end; what the lanes of WRAPPED write is in a folder that goes with it."""
    argv, environment = [sys.executable, "-m", "pytest", *arguments], {**os.environ, MARK: name}
    if name == "cluster" and tracks.FOLDER in {Path(argument).resolve() for argument in arguments}:
        return tracks.run(arguments, environment)
    if name not in WRAPPED:
        return os.spawnvpe(os.P_WAIT, argv[0], argv, environment)
    folder = Path(tempfile.mkdtemp(prefix="kiwi-"))
    environment |= {"HOME": f"{folder}", "TMPDIR": f"{folder}", "KIWI_ROOT": f"{folder}/root"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if name == "unit":
        shutil.chown(folder, "nobody", "nogroup")
        environment |= {"LOGNAME": "nobody", "USER": "nobody"}
    argv[3:3] = ["-o", f"cache_dir={folder}/cache", f"--basetemp={folder}/t"]
    try:
        return os.spawnvpe(os.P_WAIT, WRAPPED[name][0], [*WRAPPED[name], *argv], environment)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse and note every use of a path of the host's own clusters (an audit hook). Raise PermissionError."""
    if event not in OPENS:
        return
    for path in arguments[:2]:
        if isinstance(path, (str, bytes, os.PathLike)) and f"{os.fsdecode(path)}/".startswith(HOST + "/"):
            touched.append(f"{event} {os.fsdecode(path)}")
            raise PermissionError(f"a test of this lane may not touch {os.fsdecode(path)}")


def refused_skip(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a report of a skip is a failure; "" where it is none, or a skip that there must be."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return ""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if any(re.search(pattern, reason) for pattern in SKIPS):
        return ""
    return f"{reason}: a test that is skipped says nothing; have it run, or see {__name__}.SKIPS"
