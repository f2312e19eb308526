"""The agent's configuration: every fault at once, each with key, value and a good value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kiwi.common import settings
from kiwi.common.errors import UsageError

GOOD: dict[str, Any] = {
    "version": 1,
    "node": "lab-1",
    "role": "booking",
    "partitions": [{"name": "lab", "nodes": ["lab-10", "lab-2", "lab-1"], "state": "/state/lab"}],
    "admins": ["carol"],
    "bypass": [],
    "leaving": [],
    "max_time": 604800,
    "grace": 5,
    "clean_tmp": True,
    "left_files_block": True,
    "history_months": 24,
}


def write(folder: Path, raw: object) -> Path:
    path = folder / "config.json"
    path.write_text(raw if isinstance(raw, str) else json.dumps(raw))
    return path


def test_a_good_file(tmp_path: Path) -> None:
    found = settings.load(write(tmp_path, GOOD))
    assert found.partitions[0].nodes == ("lab-1", "lab-2", "lab-10")
    assert (found.role, found.admins, found.max_time) == ("booking", {"carol"}, 604800)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("version", True),
        ("node", "../x"),
        ("node", "lab-3"),
        ("role", "gate"),
        ("partitions", {}),
        ("partitions", [5]),
        ("partitions", GOOD["partitions"] * 2),
        ("partitions", [{**GOOD["partitions"][0], "state": "relative"}]),
        ("partitions", [{**GOOD["partitions"][0], "nodes": []}]),
        ("partitions", [{**GOOD["partitions"][0], "nodes": ["lab-1", "lab-1"]}]),
        ("admins", "carol"),
        ("bypass", ["a b"]),
        ("max_time", 0),
        ("max_time", 1e9),
        ("max_time", float("nan")),
        ("grace", -1),
        ("clean_tmp", "yes"),
        ("left_files_block", "no"),
        ("history_months", 0),
        ("history_months", "24"),
        ("history_months", True),
        ("max_tyme", 5),
    ],
)
def test_a_fault_names_its_key(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        settings.load(write(tmp_path, {**GOOD, key: value}))
    line = str(caught.value).splitlines()[1].strip()
    assert line.startswith(key)
    assert re.search(r": (found .+|missing); needs .+|: unknown key, found .+; remove it, or use one of ", line)


def test_all_faults_at_once(tmp_path: Path) -> None:
    raw = {k: v for k, v in GOOD.items() if k != "grace"} | {"role": "x", "max_time": -1}
    with pytest.raises(UsageError) as caught:
        settings.load(write(tmp_path, raw))
    assert all(key in str(caught.value) for key in ("grace", "role", "max_time"))


def test_a_file_of_an_earlier_version_is_good(tmp_path: Path) -> None:
    """Newer code starts on a running machine before its file is written anew."""
    old = {key: value for key, value in GOOD.items() if key not in ("left_files_block", "history_months")}
    found = settings.load(write(tmp_path, old))
    assert (found.left_files_block, found.history_months) == (True, 24)


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_a_torn_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"config\.json"):
        settings.load(write(tmp_path, text))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        settings.load(tmp_path / "none")


def test_a_file_of_an_older_release_is_good(tmp_path: Path) -> None:
    """The package on a machine that is brought up to date is restarted before its new file is written."""
    old = {key: value for key, value in GOOD.items() if key not in settings.DEFAULTS}
    assert settings.load(write(tmp_path, old)).leaving == frozenset()
