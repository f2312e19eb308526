"""Words that somebody else wrote, such as the reason of a node, made fit to be shown."""

from __future__ import annotations

LONGEST = 300  # characters


def one_line(text: str) -> str:
    """Return a stranger's words as one line of at most LONGEST characters, without what a terminal would obey."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
