"""The JSON Schema of a site file, made from the models: editors complete, explain and judge keys with it.

It is published as docs/site.schema.json; `reconfigure check --schema` prints it.
"""

from __future__ import annotations

from typing import Any

from reconfigure.site.models import PROVIDERS
from reconfigure.site.validation import Providers, union


def schema(providers: Providers = PROVIDERS) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of a site file.

    It may leave out keys at the top, which have shipped values: also `provider`,
    unless it means another one than the shipped one, which is the first.
    """
    found = union(providers).json_schema()
    for part in found["$defs"].values():
        part["properties"] = {name: _for_people(key) for name, key in part["properties"].items()}
    shipped, *others = (model.__name__ for model in providers.values())
    del found["$defs"][shipped]["required"]
    for other in others:
        found["$defs"][other]["required"] = ["provider"]
    if not others:  # a choice of one would hide what is wrong behind "is not valid under any of the given schemas"
        found = {"$defs": found["$defs"], **found["$defs"].pop(shipped)}
    return {"$schema": "http://json-schema.org/draft-07/schema#", **found, "title": "Site data of a Kiwi cluster"}


def _for_people(key: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key with what people read as description; errorMessage is yaml-language-server's."""
    needs = key["description"]
    closed = {"additionalProperties": False} if "patternProperties" in key else {}
    words = {"description": f"{key['title']} Needs {needs}.", "errorMessage": f"needs {needs}"}
    return {word: value for word, value in {**key, **closed, **words}.items() if word != "title"}
