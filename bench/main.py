"""All measurements of docs/performance.md in one run (see bench/run).

Tables go to standard output as they are ready, progress to standard error. Whatever happens,
the cluster is removed in the end.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Callable
from types import FrameType

from bench import growth, jobs, memory, up
from bench.cluster import HOME, SITE, command, keeping_images, say
from kiwi.common.errors import KiwiError

PARTS: dict[str, Callable[[int], str]] = {
    "up": up.measure,
    "jobs": jobs.measure,
    "memory": memory.measure,
    "original": growth.compare,
    "grow": growth.measure,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--limit", type=int, default=20, help="give up after so many minutes (default 20)")
    parser.add_argument("--keep", action="store_true", help="leave the image for the next run")
    found = parser.parse_args()
    if unknown := [part for part in found.parts if part not in PARTS]:
        parser.error(f"PART: found {unknown[0]!r}; needs one of {', '.join(PARTS)}")
    if min(found.repeats, found.limit) < 1:
        parser.error(f"--repeats, --limit: found {found.repeats}, {found.limit}; need whole numbers such as 3 and 20")
    return found


def _too_late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("the time limit is reached; --limit gives more")


def _ended(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, kernel {platform.release()}, load {load:.1f} at the start."


def main() -> int:
    """Measure the parts asked for; 1 where one could not be."""
    asked = _arguments()
    signal.signal(signal.SIGALRM, _too_late)
    signal.signal(signal.SIGTERM, _ended)
    print(_machine(), end="\n\n", flush=True)
    with keeping_images(HOME.root):
        return _measure(asked)


def _measure(asked: argparse.Namespace) -> int:
    code = 0
    try:
        signal.alarm(asked.limit * 60)
        command("bin/down", "--force")
        say("bin/up, with the image where it is not baked")
        command("bin/up", "--site", str(SITE), timeout=1800)
        for part in asked.parts or PARTS:
            print(PARTS[part](asked.repeats), end="\n\n", flush=True)
    except (KiwiError, OSError) as exc:  # TimeoutError is an OSError
        print(f"bench/run: {exc}", file=sys.stderr)
        code = 1
    finally:
        signal.alarm(0)
        command("bin/down", "--force", *([] if asked.keep else ["--all"]))
    return code


if __name__ == "__main__":
    sys.exit(main())
