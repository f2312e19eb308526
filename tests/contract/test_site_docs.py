"""docs/site.md: every key of the site data is in it."""

from __future__ import annotations

import pytest

from reconfigure import releases, sitecheck
from reconfigure.places import REPO

TEXT = (REPO / "docs" / "site.md").read_text(encoding="utf-8")
TABLES = {
    "top": sitecheck.TOP,
    "images": {**releases.rules(releases.known()), **sitecheck.IMAGES},
    "flavors": sitecheck.FLAVORS,
    "login": sitecheck.LOGIN,
    "partitions": sitecheck.PARTITION,
    "users": sitecheck.USERS,
    "accounts": sitecheck.ACCOUNTS,
}


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, rules in TABLES.items() for key in rules])
def test_every_key_is_told(table: str, key: str) -> None:
    assert f"`{key}`" in TEXT, f"docs/site.md does not name {key} ({table})"
