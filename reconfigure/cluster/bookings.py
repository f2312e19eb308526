"""Who holds which node, as `kiwi info --json` on the login node tells it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable

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
    """Return a sentence by node that is held, now or later. Raise ValueError, KeyError or TypeError if it is not that.

    An older agent tells nothing of what is later.
    """
    rows = json.loads(text)
    later = {
        str(row["node"]): _sentence(row["next_holder"], row["next_start"], row["next_until"])
        for row in rows
        if row.get("next_holder") is not None
    }
    now = {str(row["node"]): _sentence(row["holder"], None, row["until"]) for row in rows if row["holder"] is not None}
    return {**later, **now}


def _sentence(holder: object, start: object, until: object) -> str:
    name = holder if USER.fullmatch(str(holder)) else "somebody"
    return f"{name} has booked it{_when('from', start)}{_when('until', until)}"


def _when(word: str, moment: object) -> str:
    """Return a word and a time; nothing where that is none."""
    seconds = -1.0 if moment is None else float(str(moment))
    return f" {word} {durations.local(seconds)}" if 0 <= seconds < LATEST else ""
