"""Nodes of a partition that nobody may book any more, since they are being taken away: STATE/leaving.json.

    {"version": 1, "nodes": ["lab-2"]}

The driver writes it on the login node, as the owner of the state:
`python3 -m kiwi.booking.leaving STATE [NODE …]`; without nodes, all may be booked. Then it makes a new
generation of the document: a writer that read this file before has read an older generation, loses
against that one, and reads this file again. So a booking that is not in the document by then never will be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

from kiwi.booking.store import Store
from kiwi.common import files
from kiwi.common.errors import OK, KiwiError

NAME = "leaving.json"


def read(root: Path) -> frozenset[str]:
    """Return the nodes that leave. Raise KiwiError if the file is damaged, OSError if the share fails."""
    try:
        return frozenset(json.loads((root / NAME).read_bytes())["nodes"])
    except FileNotFoundError:
        return frozenset()
    except (ValueError, LookupError, TypeError) as exc:
        raise KiwiError(f"{root / NAME} is damaged: {exc}", hint="an administrator must look") from exc


def announce(store: Store, names: Iterable[str]) -> None:
    """Have nobody book these nodes, and everybody all others, from now on. Raise KiwiError or OSError if it fails."""
    text = json.dumps({"version": 1, "nodes": sorted(names)}) + "\n"
    files.replace(store.root / NAME, text, 0o600)
    store.update(lambda document: document.following(document.bookings))


def main(arguments: list[str]) -> int:
    """Announce what the command line says: the folder of the state, and names of nodes."""
    root, *names = arguments
    announce(Store(Path(root), "driver"), names)
    return OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
