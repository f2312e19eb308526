"""Check single values of the site data against the models, and say what pydantic finds in sentences for people.

A fault is told at the last key that says what it needs: of a list of words
that is the list, not the word. So a kind of error needs no sentence of its
own, only a key its description (reconfigure/site/models.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from reconfigure.site.faults import Faults
from reconfigure.site.models import PROVIDERS, SiteData

Providers = Mapping[str, type[SiteData]]
Path = tuple[Union[int, str], ...]  # keys of mappings and indexes of lists from the top down
UNKNOWN = ("extra_forbidden", "invalid_key")  # pydantic's names; the second one is not even a string


class Place(NamedTuple):
    """Where a fault is told: at a key, which has a `type`, or at a mapping that is to have the keys of `model`."""

    key: str
    needs: str
    path: Path
    model: type[BaseModel]
    type: object = None


def union(providers: Providers = PROVIDERS) -> TypeAdapter[SiteData]:
    """Return the type of site data: `provider` says which of the models it is.

    Data of an unknown provider is judged by the first model, so that the faults
    of its other keys are told as well.
    """

    def tag(data: Mapping[str, Any]) -> str:
        found = data.get("provider")
        return found if isinstance(found, str) and found in providers else next(iter(providers))

    tagged = tuple(Annotated[model, Tag(name)] for name, model in providers.items())
    found: Any = Annotated[Union[tagged], Discriminator(tag)]
    return TypeAdapter(found)


def check(data: Mapping[str, Any], providers: Providers = PROVIDERS) -> tuple[Faults, dict[str, Any]]:
    """Return the faults of single values, and a copy of the data without these values."""
    faults, good = Faults(), deepcopy(dict(data))
    try:
        union(providers).validate_python(dict(data))
    except ValidationError as exc:
        for error in exc.errors(include_url=False):
            tag, *location = error["loc"]
            model = providers[str(tag)]
            if error["type"] in UNKNOWN:
                _unknown_key(faults, error, _place(model, location[:-1]), data)
            elif location[-1] == "[key]":
                _name(faults, error, _place(model, location[:-2]), good)
            elif error["type"] == "missing":
                place = _place(model, location)
                faults.missing(place.key, place.needs)
            else:
                _value(faults, error, _place(model, location), data, good)
    faults.lines = list(dict.fromkeys(faults.lines))  # two bad words make one bad list
    return faults, good


def _unknown_key(faults: Faults, error: ErrorDetails, place: Place, data: Mapping[str, Any]) -> None:
    name = error["input"] if error["type"] == "invalid_key" else error["loc"][-1]
    value = _holder(data, (*place.path, name)).get(name, error["input"])
    faults.unknown(f"{place.key}.{name}".lstrip("."), value, place.model.model_fields)


def _name(faults: Faults, error: ErrorDetails, place: Place, good: dict[str, Any]) -> None:
    """Tell of a bad name in `images` or `flavors`; no rule is to judge what has it."""
    names = FieldInfo.from_annotation(get_args(place.type)[0])
    faults.add(f"{place.key}: key", error["input"], str(names.description))
    good[place.key][error["input"]] = {}


def _value(faults: Faults, error: ErrorDetails, place: Place, data: Mapping[str, Any], good: dict[str, Any]) -> None:
    """Tell of a bad value; an entry of a list or mapping stays as an empty one: the others keep their indexes."""
    last = place.path[-1]
    if place.type is None:
        faults.add(place.key, error["input"], place.needs)
        _holder(good, place.path)[last] = {}
    else:
        faults.add(place.key, _holder(data, place.path).get(last, error["input"]), place.needs)
        _holder(good, place.path).pop(last, None)


def _place(model: type[BaseModel], location: Sequence[int | str]) -> Place:
    """Follow pydantic's location of an error down the models, as far as keys say what they need."""
    place, rest = Place("", "", (), model), list(location)
    while rest:
        name = str(rest.pop(0))
        field = place.model.model_fields[name]
        below = _model_in(field.annotation)
        key, path = f"{place.key}.{name}".lstrip("."), (*place.path, name)
        place = Place(key, str(field.description), path, below or place.model, field.annotation)
        if not rest or below is None:
            break
        if get_origin(field.annotation) in (list, dict):
            entry = rest.pop(0)
            key = f"{key}[{entry}]" if get_origin(field.annotation) is list else f"{key}.{entry}"
            path = (*path, entry)
        place = Place(key, f"a mapping with the keys {', '.join(below.model_fields)}", path, below)
    return place


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model that a type is, or that the entries of a list or mapping are."""
    types = (annotation, *get_args(annotation)[-1:])
    return next((found for found in types if isinstance(found, type) and issubclass(found, BaseModel)), None)


def _holder(data: Any, path: Path) -> dict[int | str, Any]:  # noqa: ANN401 - a mapping or list of whatever was given
    """Return the mapping or list that the last part of a path is a key or index of.

    It is an empty one below a name that is no string: pydantic does not say where exactly that is.
    """
    try:
        return cast("dict[int | str, Any]", reduce(getitem, path[:-1], data))
    except LookupError:
        return {}
