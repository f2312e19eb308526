"""Who holds which node, as `kiwi info --json` on the login node tells it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kiwi.common import durations
from kiwi.common.errors import UnreachableError
from kiwi.common.process import CommandError
from reconfigure.slurm.controller import CALL_TIMEOUT, Controller

log = logging.getLogger(__name__)
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
NO_ANSWER = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
STATE = "/var/lib/kiwi/state"
AS_OWNER = ("runuser", "-u", "kiwi", "--")
ANNOUNCE = (*AS_OWNER, "env", "PYTHONPATH=/usr/lib/kiwi", "python3", "-m", "kiwi.booking.leaving")
LATEST = 2**33  # unix s; what is later is no time


def held(controller: Controller, timeout: float = CALL_TIMEOUT) -> dict[str, str] | None:
    """Return a sentence for each node that somebody holds; None if that cannot be told within `timeout` seconds."""
    try:
        return parse(controller.call(["kiwi", "info", "--json"], timeout).out)
    except (UnreachableError, CommandError, *NO_ANSWER) as exc:
        log.debug("the bookings cannot be told: %s", exc)
        return None


def announce(controller: Controller, partition: str, names: Iterable[str]) -> bool:
    """Have nobody book these nodes of a partition any more, and everybody all others; return whether it is so now."""
    try:
        controller.call([*ANNOUNCE, f"{STATE}/{partition}", *names])
    except (UnreachableError, CommandError) as exc:
        log.warning("the bookings of %s do not learn which nodes leave: %s", partition, exc)
        return False
    return True


def forget(controller: Controller, partition: str, names: Iterable[str]) -> bool:
    """Have nobody take these nodes, which have no machine any more, for free ones; return whether it is so now.

    Their last report and heartbeat are removed (kiwi.booking.store); by itself that would be so after half a minute.
    """
    files = [f"{STATE}/{partition}/{path}" for name in names for path in (f"nodes/{name}.json", f"beats/{name}")]
    try:
        controller.call([*AS_OWNER, "rm", "-f", "--", *files])
    except (UnreachableError, CommandError) as exc:
        log.warning("the bookings of %s do not learn which nodes are gone: %s", partition, exc)
        return False
    return True


def parse(text: str) -> dict[str, str]:
    """Return a sentence by node that is held. Raise ValueError, KeyError or TypeError for any other output."""
    return {str(row["node"]): _sentence(row) for row in json.loads(text) if row["holder"] is not None}


def _sentence(row: Mapping[str, Any]) -> str:
    holder = row["holder"] if USER.fullmatch(str(row["holder"])) else "somebody"
    until = float(row["until"])
    when = f" until {durations.local(until)}" if 0 <= until < LATEST else ""
    return f"{holder} has booked it{when}"
