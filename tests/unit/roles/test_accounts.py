"""roles/accounting/files/accounts: from what slurmdbd has to what the site data says, and nothing more."""

from __future__ import annotations

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from reconfigure.clusterdir.paths import REPO

SCRIPT = str(REPO / "roles" / "accounting" / "files" / "accounts")
spec = spec_from_loader("accounts", SourceFileLoader("accounts", SCRIPT))
assert spec is not None
accounts = module_from_spec(spec)
assert spec.loader is not None
spec.loader.exec_module(accounts)

# As sacctmgr 24.11 prints them.
ASSOCIATIONS = "root||\nroot||root\nphysics|root|\nphysics||bob\noptics|physics|\noptics||alice\nphysics||alice\n"
USERS = "alice|optics|None\nbob|physics|Operator\nroot|root|Administrator\n"
WANTED = {
    "cluster": "kf",
    "accounts": [
        {"name": "physics", "parent": "root", "description": "Physics"},
        {"name": "optics", "parent": "physics", "description": "optics"},
    ],
    "users": {"alice": ["optics", "physics"], "bob": ["physics"], "carol": []},
    "admins": ["carol"],
}


def commands(associations: str = ASSOCIATIONS, defaults: str = USERS, **wanted: Any) -> list[str]:
    plan = accounts.plan(accounts.parse(associations, defaults), {**WANTED, **wanted})
    return [" ".join(command) for command in plan]


def test_what_is_so_needs_nothing() -> None:
    assert commands() == []


def test_from_nothing_parents_and_default_accounts_come_first() -> None:
    assert commands("root||\nroot||root\n", "root|root|Administrator\n") == [
        "add account physics Cluster=kf Parent=root Description=Physics Organization=kf",
        "add account optics Cluster=kf Parent=physics Description=optics Organization=kf",
        "add user alice Cluster=kf Account=optics",
        "add user alice Cluster=kf Account=physics",
        "add user bob Cluster=kf Account=physics",
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(
            {"users": {"alice": ["optics", "physics"]}},
            ["delete user where Name=bob Cluster=kf Account=physics"],
            id="a user is removed",
        ),
        pytest.param(
            {"admins": ["bob", "carol"]},
            ["modify user where Name=bob set AdminLevel=Administrator"],
            id="an admin; carol is in no account",
        ),
        pytest.param(
            {"users": {"alice": ["physics"], "bob": ["physics"]}},
            [
                "modify user where Name=alice Cluster=kf set DefaultAccount=physics",
                "delete user where Name=alice Cluster=kf Account=optics",
            ],
            id="another default, before the old one goes",
        ),
        pytest.param(
            {"accounts": [{"name": "chemistry", "parent": "root", "description": "x"}], "users": {}},
            [
                "add account chemistry Cluster=kf Parent=root Description=x Organization=kf",
                "delete user where Name=alice Cluster=kf Account=optics",
                "delete user where Name=alice Cluster=kf Account=physics",
                "delete user where Name=bob Cluster=kf Account=physics",
                "delete account where Name=optics Cluster=kf",
                "delete account where Name=physics Cluster=kf",
            ],
            id="children go before their parents",
        ),
        pytest.param(
            {"accounts": [WANTED["accounts"][0], {**WANTED["accounts"][1], "parent": "root"}]},  # type: ignore[index, dict-item]
            ["modify account where Name=optics Cluster=kf set Parent=root"],
            id="another parent",
        ),
        pytest.param({"accounts": [], "users": {}}, [], id="without accounts nothing is touched"),
    ],
)
def test_what_differs_is_changed(wanted: dict[str, Any], expected: list[str]) -> None:
    assert commands(**wanted) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("active\nactive\n", []),
        ("active\nactivating\n", []),
        ("failed\nactive\n", ["slurmdbd.service"]),
        ("active\ninactive\n", ["slurmctld.service"]),
    ],
)
def test_nobody_waits_for_a_daemon_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: str, expected: list[str]
) -> None:
    for name, says in (("systemctl", states), ("sacctmgr", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\nprintf '{says}'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(accounts, "PATIENCE", 0)
    needed = " and ".join(f"{unit} has ended" for unit in expected) or "slurmctld has not registered with slurmdbd"
    with pytest.raises(SystemExit, match=f"no cluster kf in Slurm's accounting: {needed}$"):
        accounts.await_cluster("kf")


def test_who_is_no_admin_any_more_loses_the_level() -> None:
    users = USERS.replace("alice|optics|None", "alice|optics|Administrator")
    assert commands(defaults=users) == ["modify user where Name=alice set AdminLevel=None"]
