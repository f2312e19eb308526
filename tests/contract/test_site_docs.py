"""docs/site.md and docs/site.schema.json have every key of the site data, and our site files keep the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator

from reconfigure.cli import main as cli
from reconfigure.clusterdir.paths import REPO
from reconfigure.site import data as site_data
from reconfigure.site import models

TEXT = (REPO / "docs" / "site.md").read_text(encoding="utf-8")
SCHEMA = REPO / "docs" / "site.schema.json"
MODELS = (*models.PROVIDERS.values(), models.Image, models.Flavor, models.Login, models.Partition)
KEYS = [
    (model, key)
    for model in (*MODELS, models.Hours, models.User, models.Group, models.Account)
    for key in model.model_fields
]
FILES = [
    "group_vars/all.yml",
    "tests/cluster/site.yml",
    "tests/cluster/second.yml",
    "tests/cluster/lab.yml",
    "bench/site.yml",
    "bench/kills.yml",
]


@pytest.mark.parametrize(("model", "key"), KEYS)
def test_every_key_is_told(model: type[models.Keys], key: str) -> None:
    assert f"`{key}`" in TEXT, f"docs/site.md does not name {key} ({model.__name__})"


@pytest.mark.parametrize(("model", "key"), KEYS)
def test_every_key_says_what_it_means_and_needs(model: type[models.Keys], key: str) -> None:
    field = model.model_fields[key]
    assert field.title and field.title[0].isupper() and field.title.endswith(".")
    assert field.description and not field.description.endswith(".")


def test_the_published_schema_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--schema"]) == 0
    fresh = capsys.readouterr().out
    assert SCHEMA.read_text(encoding="utf-8") == fresh, "reconfigure check --schema >docs/site.schema.json"


@pytest.mark.parametrize("file", FILES)
def test_site_files_keep_the_schema(file: str) -> None:
    Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(site_data.read_yaml(REPO / file))


def test_the_schema_says_what_is_wrong() -> None:
    """Not: "is not valid under any of the given schemas"."""
    found = Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).iter_errors(
        {"suspend_time": 0, "colour": 1}
    )
    said = [(list(error.path), error.message) for error in found]
    assert (["suspend_time"], "0 is less than the minimum of 1") in said
    assert ([], "Additional properties are not allowed ('colour' was unexpected)") in said


@pytest.mark.parametrize(
    "data",
    [
        {"colour": "blue"},
        {"mpi": 1},
        {"suspend_time": 0},
        {"images": {"Bad Name": {"release": "trixie"}}},
        {"images": {"debian13": {"release": "sid"}}},
        {"users": [{"name": "root", "uid": 2000}]},
        {"users": [{"name": "a", "uid": 2000, "gid": None}]},
        {"bypass_users": ["a", "a"]},
        {"login": {"image": "debian13"}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_a_check_refuses(data: dict[str, Any]) -> None:
    assert not Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).is_valid(data)
    with pytest.raises(site_data.SiteError):
        site_data.check({**site_data.load(None).data, **data})
