"""Fuzz both doors for requests: `follow` on the login node, then `parse_request` on the control host.

    bench/door [CASES] [--seed N]

Each case is a record as a hook writes it, with some values replaced by hostile ones, or its bytes changed. A door may
refuse it; what it lets in must be something that a round can bear. Prints a table; ends with 1 if one broke a door.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.tables import table
from kiwi.common import hostlist
from kiwi.common.errors import UsageError
from reconfigure.clusterdir.paths import REPO
from reconfigure.model.request import parse_request
from reconfigure.planning import plan

IDENT = "1795272587039722263-798"
RECORD: dict[str, Any] = {
    "version": 1,
    "id": IDENT,
    "kind": "resume",
    "nodes": "cpu-[2-3]",
    "time": 1795272587,
    "detail": {"jobs": [{"job_id": 7, "nodes_resume": "cpu-[2-3]", "extra": "x"}], "all_nodes_resume": "cpu-[2-3]"},
}
TEXTS = (
    *("", "resume", "suspend", "cpu-1", "cpu-[1-99999999]", "cpu-[3-1]", "cpu-[1-2][1-2]", "@x'; id; echo '", "@*"),
    *(
        "1--2",
        "²-1",
        "1-1",
        f"{IDENT}\n",
        "cpu-1\ncpu-2",
        "\ud800",
        "\x00",
        "é" * 300,
        "a" * 70,
        "cpu-1," * 70000,
        "9" * 400,
    ),
)
NUMBERS = (0, -1, 1, 7, 2**32, 2**64, 10**400, 0.5, -0.0, float("nan"), float("inf"), True, False, None)


def value(dice: random.Random, depth: int = 0) -> object:
    """A hostile value, seldom deep."""
    kind = dice.randrange(10 if depth < 4 else 8)
    if kind < 4:
        return dice.choice(TEXTS)
    if kind < 7:
        return dice.choice(NUMBERS)
    if kind == 7:
        return "".join(
            chr(dice.choice((dice.randrange(128), dice.randrange(0xD800)))) for _ in range(dice.randrange(9))
        )
    inner = [value(dice, depth + 1) for _ in range(dice.randrange(4))]
    return inner if kind == 8 else {dice.choice((*TEXTS[:14], "jobs", "job_id", "nodes_resume")): it for it in inner}


def record(dice: random.Random) -> bytes:
    """A record as any process of user slurm may write it."""
    if dice.random() < 0.01:
        return dice.choice((b"[", b'{"a":', b"9", b"\xff")) * dice.choice((1, 1000, 100000))
    changed = json.loads(json.dumps(RECORD))
    for place in dice.sample((changed, changed, changed["detail"], changed["detail"]["jobs"][0]), dice.randrange(3)):
        place[dice.choice((*place, "other"))] = value(dice)
    data = bytearray(json.dumps(changed, ensure_ascii=dice.random() < 0.8).encode("utf-8", "surrogatepass"))
    for _ in range(dice.choice((0, 0, 0, 1, 5))):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


def follow_door() -> ModuleType:
    """The program `follow` as a module."""
    loader = importlib.machinery.SourceFileLoader("follow", str(REPO / "slurmscripts" / "follow"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("follow", loader))  # type: ignore[arg-type]
    loader.exec_module(module)
    return module


def through_follow(follow: ModuleType, path: Path, data: bytes) -> str | None:
    """The line that `follow` prints of a record; None if it moves the file away."""
    path.write_bytes(data)
    try:
        return json.dumps(follow.load(str(path), IDENT), separators=(",", ":"))
    except follow.BROKEN:
        return None


def through_parse(line: str) -> bool:
    """Whether the control host takes a line; AssertionError if it is more than a round can bear."""
    try:
        request = parse_request(line)
    except UsageError as exc:
        assert len(str(exc)) < 1000, "a message without end"
        return False
    assert plan.merge([request]) == dict.fromkeys(hostlist.expand(request.nodes), request.kind)
    assert request.jobs_waiting_for(["cpu-2"]) <= set(map(int, request.jobs))
    assert len(request.order) == 2
    return True


def main() -> int:
    """Fuzz, print the table, return the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cases", metavar="CASES", type=int, nargs="?", default=100_000)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    dice, follow, counts, slowest = random.Random(given.seed), follow_door(), Counter[str](), 0.0
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(given.cases):
            data, start = record(dice), time.monotonic()
            try:
                line = through_follow(follow, Path(folder, "record.json"), data)
                counts["follow lets in" if line else "follow moves away"] += 1
                counts["taken" if line and through_parse(line) else "refused"] += 1
                counts["taken without follow"] += through_parse(data.decode(errors="replace"))
            except Exception as exc:  # noqa: BLE001  # whatever gets through is what is looked for
                counts["broke a door"] += 1
                print(f"case {number}: {type(exc).__name__}: {str(exc)[:200]}: {data[:300]!r}", file=sys.stderr)
            slowest = max(slowest, time.monotonic() - start)
    names = ("follow lets in", "follow moves away", "taken", "refused", "taken without follow", "broke a door")
    rows = [[name, str(counts[name])] for name in names]
    rows += [["slowest, ms", f"{1000 * slowest:.0f}"], ["all, s", f"{time.monotonic() - began:.0f}"]]
    print(table([f"{given.cases} records, seed {given.seed}", "number"], rows))
    return 1 if counts["broke a door"] else 0


if __name__ == "__main__":
    sys.exit(main())
