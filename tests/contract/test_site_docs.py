"""docs/site.md: every key of the site data is in it."""

from __future__ import annotations

import pytest

from reconfigure.clusterdir.paths import REPO
from reconfigure.site import releases
from reconfigure.site import rules as site_rules

TEXT = (REPO / "docs" / "site.md").read_text(encoding="utf-8")
TABLES = {
    "top": site_rules.TOP,
    "images": {**releases.rules(releases.known()), **site_rules.IMAGES},
    "flavors": site_rules.FLAVORS,
    "login": site_rules.LOGIN,
    "partitions": site_rules.PARTITION,
    "users": site_rules.USERS,
    "accounts": site_rules.ACCOUNTS,
}


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, rules in TABLES.items() for key in rules])
def test_every_key_is_told(table: str, key: str) -> None:
    assert f"`{key}`" in TEXT, f"docs/site.md does not name {key} ({table})"
