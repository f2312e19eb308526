"""Where packages come from: the host's own mirror, for another release."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

CODENAMES = ("bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable")
POCKETS = ("", "-updates", "-security")


class Source(NamedTuple):
    """One suite of one archive, as a line of sources.list or a stanza names it."""

    uri: str
    suite: str
    components: tuple[str, ...]


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if words[:1] != ["deb"]:
            continue
        if words[1].startswith("["):  # [options of one or several words]
            words = ["deb", *" ".join(words[1:]).partition("]")[2].split()]
        if len(words) > 3:
            yield Source(words[1], words[2], tuple(words[3:]))


def _stanzas(text: str) -> Iterator[dict[str, list[str]]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for block in "\n".join(lines).split("\n\n"):
        fields: dict[str, list[str]] = {}
        key = ""
        for line in block.splitlines():
            if not line[:1].isspace():
                key, _, line = line.partition(":")
            fields.setdefault(key.strip().lower(), []).extend(line.split())
        yield fields


def _deb822(text: str) -> Iterator[Source]:
    for fields in _stanzas(text):
        if "deb" in fields.get("types", []) and fields.get("enabled") != ["no"]:
            for uri in fields.get("uris", []):
                for suite in fields.get("suites", []):
                    yield Source(uri, suite, tuple(fields.get("components", [])))


def _pocket(source: Source) -> str | None:
    """Which part of Debian's archive the source is ("" for the main suite); None where it is something else."""
    if "main" not in source.components or not source.uri.startswith(("http://", "https://")):
        return None
    found = (pocket for pocket in POCKETS if source.suite in [code + pocket for code in CODENAMES])
    return next(found, None)


def mirror(texts: list[str], release: str) -> list[str]:
    """One-line sources for `release` from the mirrors that the host's source files name.

    `texts` are the contents of sources.list and of the files in sources.list.d,
    of either form. Empty where none of them names an archive of Debian: then
    mmdebstrap's own choice is right.
    """
    chosen: dict[str, str] = {}
    for text in texts:
        for source in [*_one_line(text), *_deb822(text)]:
            pocket = _pocket(source)
            if pocket is not None:
                chosen.setdefault(pocket, source.uri)
    if "" not in chosen:
        return []
    return [f"deb {chosen[pocket]} {release}{pocket} main" for pocket in POCKETS if pocket in chosen]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name of each filter and what it calls."""
        return {"mirror": mirror}
