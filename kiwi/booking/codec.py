"""Read and write documents and bookings as JSON, in this version of the format and in the one before.

    {"version": 2, "generation": 7, "writer": "login",
     "bookings": {ID: {"kind", "user", "uid", "with", "nodes", "start", "until", "made", "note"}},
     "nodes": {NAME: {"host", "port", "labels", "windows", "admin", "reason"}},
     "config": {"time_zone", "bypass_users", "bypass_groups", "limits", "managed_by"},
     "waiting": [{"id", "user", "uid", "seconds", "made", "until", "nodes", "size", "labels"}],
     "changes": [{"event", "id", …the booking}]}

Version 1 has of each node its last booking and nothing else: `"nodes": {NAME: {"id", "user", "uid", "start",
"until"}}`. It is read, and written while an agent is there that knows no newer one (kiwi.booking.heartbeats): the key
`changes`, which those ignore, is in it, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kiwi.booking.document import (
    ADMIN,
    ALLOC,
    VERSION,
    Booking,
    Change,
    Document,
    NodeEntry,
    Settings,
    Wish,
    by_node,
)
from kiwi.common.errors import KiwiError

RENAMED = {"others": "with"}
OLDEST = 1


class NewerError(KiwiError):
    """The state is of a version that this release does not know."""


def check_version(version: object, what: str) -> None:
    """Raise NewerError if `version` is one that a newer release wrote, ValueError if it is none."""
    if type(version) is not int or version < OLDEST:
        raise ValueError(f"version {version!r}")
    if version > VERSION:
        raise NewerError(
            f"{what} is of version {version}; this machine knows {OLDEST} to {VERSION}",
            hint="bring this machine up to date (bin/up); bookings that it knows of stand until their end",
        )


def dump(document: Document, writer: str) -> bytes:
    """Return a document as it is written, in its `version`. Raise ValueError if that version cannot say all of it."""
    head = {"version": document.version, "generation": document.generation, "writer": writer}
    changes = [{"event": c.event, "id": c.booking.id, **to_json(c.booking)} for c in document.changes]
    body = _first_version(document) if document.version == 1 else _body(document)
    return json.dumps({**head, **body, "changes": changes}).encode()


def load(content: bytes, number: int) -> Document:
    """Return the document in `content`.

    Raise NewerError, or ValueError, KeyError, TypeError or AttributeError unless it is whole and of this number.
    """
    raw = json.loads(content)
    check_version(raw["version"], f"the booking state (generation {number})")
    if raw["generation"] != number:
        raise ValueError(f"generation {raw['generation']}")
    changes = tuple(Change(c["event"], from_json(c["id"], c)) for c in raw.get("changes", []))
    if raw["version"] == 1:
        return Document(number, _grouped(raw["nodes"]), changes=changes, version=1)
    return Document(
        number,
        {identity: from_json(identity, value) for identity, value in raw["bookings"].items()},
        {name: _node(value) for name, value in raw["nodes"].items()},
        Settings(**_tuples(raw["config"])),
        tuple(Wish(**_tuples(value)) for value in raw["waiting"]),
        changes,
    )


def fits_first_version(document: Document) -> bool:
    """Return whether a document says nothing that version 1 has no words for."""
    if document.nodes or document.waiting or document.config != Settings():
        return False
    if any(b.kind != ALLOC or b.others or b.note or b.start > b.made for b in document.bookings.values()):
        return False
    return all(len(bookings) == 1 for bookings in by_node(document).values())


def to_json(booking: Booking) -> dict[str, Any]:
    """Return a booking as an object of the document: all but its id."""
    values = booking._asdict()
    del values["id"]
    return {RENAMED.get(key, key): value for key, value in values.items()}


def from_json(identity: str, value: Mapping[str, Any]) -> Booking:
    """Return the booking that `to_json` made an object of. Raise KeyError or TypeError if one is half there."""
    values = {key: value[RENAMED.get(key, key)] for key in Booking._fields if key != "id"}
    return Booking(id=identity, **_tuples(values))


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _node(value: Mapping[str, Any]) -> NodeEntry:
    entry = NodeEntry(**_tuples(value))
    if entry.admin not in ADMIN:
        raise ValueError(f"admin {entry.admin!r}")
    return entry


def _body(document: Document) -> dict[str, Any]:
    return {
        "bookings": {identity: to_json(booking) for identity, booking in document.bookings.items()},
        "nodes": {name: entry._asdict() for name, entry in document.nodes.items()},
        "config": {**document.config._asdict(), "limits": dict(document.config.limits)},
        "waiting": [wish._asdict() for wish in document.waiting],
    }


def _first_version(document: Document) -> dict[str, Any]:
    if not fits_first_version(document):
        raise ValueError("version 1 has one booking for each node, which has begun, and nothing else")
    keys = ("id", "user", "uid", "start", "until")
    return {"nodes": {name: {k: getattr(found[0], k) for k in keys} for name, found in by_node(document).items()}}


def _grouped(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Booking]:
    """Return the bookings of version 1: nodes that share id and end have one.

    Where nodes of one booking ended at different times, those that ended last keep its id.
    """
    found: dict[str, dict[tuple[float, float], list[str]]] = {}
    for name, value in nodes.items():
        found.setdefault(value["id"], {}).setdefault((value["until"], value["start"]), []).append(name)
    bookings = {}
    for identity, spans in found.items():
        for number, ((until, start), names) in enumerate(sorted(spans.items(), reverse=True)):
            one = nodes[names[0]]
            own = f"{identity}.{number}" if number else identity
            bookings[own] = Booking(own, one["user"], one["uid"], tuple(names), start, until, made=start)
    return bookings
