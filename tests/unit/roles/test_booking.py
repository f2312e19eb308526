"""What the booking role bakes: where shells and man look, from files that are there, in folders that are named."""

from __future__ import annotations

import re

import yaml

from reconfigure.clusterdir.paths import REPO

VARS = yaml.safe_load((REPO / "roles" / "booking" / "vars" / "main.yml").read_text(encoding="utf-8"))
PLACES = {
    "/usr/share/bash-completion/completions/kiwi": "kiwi/cli/completion/kiwi.bash",
    "/usr/share/zsh/vendor-completions/_kiwi": "kiwi/cli/completion/kiwi.zsh",
    "/usr/share/fish/vendor_completions.d/kiwi.fish": "kiwi/cli/completion/kiwi.fish",
    "/usr/share/man/man1/kiwi.1": "kiwi/cli/man/kiwi.1",
}


def test_completion_and_man_page_are_where_debian_looks() -> None:
    sources = {
        item["path"]: re.findall(r"/(kiwi/cli/[^']+)'", item["content"]) for item in VARS["_booking_baked_files"]
    }
    assert {path: source[0] for path, source in sources.items() if source} == PLACES
    assert [source for source in PLACES.values() if not (REPO / source).is_file()] == []


def test_their_folders_are_made() -> None:
    folders = {path.rpartition("/")[0] for path in PLACES}
    assert {f"/usr/share/{folder}" for folder in VARS["_booking_shared"]} == folders
    assert "_booking_shared" in VARS["_booking_baked_directories"]


def test_the_package_has_what_kiwi_completion_prints() -> None:
    match = re.search(r"select\('match', '(.*)'\)", VARS["_booking_modules"])
    assert match
    for path in (REPO / "kiwi/cli/completion").iterdir():
        assert re.match(match[1], f"cli/completion/{path.name}"), path
