"""One node added to clusters of several sizes, and what that touches; by Kiwi and by eiffel-ohpc's method.

That method (bench/original.yml): `terraform apply` over all nodes, then the whole roles on all of them. Here it
is given the same machines, image, Terraform module and roles. Facts are not gathered, which it does: so
it is a little faster here than it is.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench import tables
from bench.cluster import (
    HOME,
    RECONFIGURE,
    REPO,
    changed_files,
    command,
    grow,
    instances,
    module_calls,
    say,
    shrink,
)
from kiwi.common import process
from reconfigure.clusterdir.nodeset import load_nodeset, wish, wished
from reconfigure.rounds import playbook, wait_ssh
from reconfigure.ssh import authority
from reconfigure.terraform import client as terraform

SIZES = (4, 16, 64)
ORIGINAL_SIZES = (4, 16)


class Added(NamedTuple):
    """What adding one node took: seconds, Ansible hosts reached, module calls, files changed on other machines."""

    seconds: float
    hosts: int
    calls: int
    changed: int


def measured(name: str, add: Callable[[str], None]) -> Added:
    """Add one node and look at what it touched, by the machines' own journals and files."""
    with tempfile.NamedTemporaryFile(dir=HOME.run) as mark:
        since = time.time()
        time.sleep(1.1)  # journalctl counts in whole seconds
        began = time.monotonic()
        add(name)
        seconds = time.monotonic() - began
        calls = [module_calls(folder, since + 1) for folder in instances().values()]
        others = [folder for other, folder in instances().items() if other != name]
        changed = [file for folder in others for file in changed_files(folder, Path(mark.name))]
    if changed:
        say(f"changed elsewhere: {', '.join(changed[:10])}")
    return Added(seconds, sum(count > 0 for count in calls), sum(calls), len(changed))


def ours(name: str) -> None:
    command(RECONFIGURE, "resume", name)


def original(name: str) -> None:
    """The original's way: apply everything, wait, configure everything."""
    nodeset = load_nodeset(HOME.nodeset)
    authority.make_identity(HOME, nodeset[name])  # the machine cannot be made without
    wish(HOME, {*wished(HOME), name}, nodeset)
    settings = {**playbook.environment(HOME), **terraform.SETTINGS}
    apply = [*terraform.binary(), "apply", "-auto-approve", "-input=false", "-no-color"]
    process.run(apply, cwd=HOME.local, env=settings, timeout=600)
    wait_ssh.wait({name: nodeset[name].address}, {}, tuple, 60)
    site = ["--extra-vars", f"@{HOME.site}", str(REPO / "bench" / "original.yml")]
    process.run([str(REPO / ".venv/bin/ansible-playbook"), *site], cwd=REPO, env=settings, timeout=1200)


def series(size: int, add: Callable[[str], None], repeats: int) -> list[Added]:
    found = []
    for number in range(repeats):
        grow(size)
        shrink(size)
        say(f"one node to {size} ({add.__name__}), {number + 1} of {repeats}")
        found.append(measured(f"cpu-{size + 1}", add))
    return found


def _row(size: int, found: list[Added]) -> list[str]:
    last = max(found, key=lambda added: (added.hosts, added.calls, added.changed))
    return [
        str(size),
        tables.seconds_of([a.seconds for a in found]),
        str(last.hosts),
        str(last.calls),
        str(last.changed),
    ]


HEAD = ["one node added to", "seconds", "Ansible hosts touched", "module calls", "files changed on others"]


def measure(repeats: int) -> str:
    found = {size: series(size, ours, repeats) for size in SIZES}
    rows = [_row(size, added) for size, added in found.items()]
    ratio = _median(found, SIZES[-1]) / _median(found, SIZES[0])
    budget = ["budget", "the same: ratio ≤ 1.3", "1", "3", "0"]
    return tables.table(HEAD, [*rows, budget]) + f"\n\nRatio of {SIZES[-1]} to {SIZES[0]}: {ratio:.2f}."


def compare(repeats: int) -> str:
    """The original's method beside ours; one run of it at each size, for it takes minutes."""
    rows = []
    for size in ORIGINAL_SIZES:
        own = series(size, ours, repeats)
        command(RECONFIGURE, "serve", "--stop")
        (theirs,) = series(size, original, 1)
        command(RECONFIGURE, "serve", "--detach")
        shrink(size)
        times = theirs.seconds / statistics.median(added.seconds for added in own)
        rows += [["Kiwi", *_row(size, own), ""], ["original", *_row(size, [theirs]), f"{times:.0f} ×"]]
    return tables.table(["method", *HEAD, "slower"], [*rows, ["budget", "16", "", "", "", "", "≥ 10 ×"]])


def _median(found: Mapping[int, list[Added]], size: int) -> float:
    return statistics.median(added.seconds for added in found[size])
