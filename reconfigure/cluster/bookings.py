"""Who holds which node, as `kiwi info --json` on the login node tells it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from kiwi.common import durations
from kiwi.common.errors import UnreachableError
from kiwi.common.process import CommandError
from reconfigure.slurm.controller import CALL_TIMEOUT, Controller

log = logging.getLogger(__name__)
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
NO_ANSWER = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
LATEST = 2**33  # unix s; what is later is no time


def held(controller: Controller, timeout: float = CALL_TIMEOUT) -> dict[str, str] | None:
    """Return a sentence for each node that somebody holds; None if that cannot be told within `timeout` seconds."""
    try:
        return parse(controller.call(["kiwi", "info", "--json"], timeout).out)
    except (UnreachableError, CommandError, *NO_ANSWER) as exc:
        log.debug("the bookings cannot be told: %s", exc)
        return None


def parse(text: str) -> dict[str, str]:
    """Return a sentence by node that is held. Raise ValueError, KeyError or TypeError for any other output."""
    return {str(row["node"]): _sentence(row) for row in json.loads(text) if row["holder"] is not None}


def _sentence(row: Mapping[str, Any]) -> str:
    holder = row["holder"] if USER.fullmatch(str(row["holder"])) else "somebody"
    until = float(row["until"])
    when = f" until {durations.local(until)}" if 0 <= until < LATEST else ""
    return f"{holder} has booked it{when}"
