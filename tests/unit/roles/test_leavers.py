"""What ends the jobs, bookings and processes of users who are gone; squeue, kiwi and ps are fakes that log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiwi.common import process

LEAVERS = Path(__file__).resolve().parents[3] / "roles/users/files/leavers"
INFO = """[{"node": "a-1", "holder": "alice"}, {"node": "a-2", "holder": "dave"},
 {"node": "b-1", "holder": "dave"}, {"node": "b-2", "holder": null}]"""
FAKES = {
    "squeue": "[ ! -e {down} ] || exit 1; echo '10001 7'; echo ' 10004 8'; echo '10004 9'",
    "scancel": 'echo "scancel $*" >>{log}',
    "ps": "echo '    0'; echo '10004'; echo '10001'",
    "kiwi": """case $1 in info) [ ! -e {down} ] || exit 4; cat {info} ;; *) echo "kiwi $*" >>{log} ;; esac""",
}


class Machine:
    """A folder with the fakes; `down` there: neither Slurm nor the agent answers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "info").write_text(INFO.replace("}, {", "},\n{"))
        for name, text in FAKES.items():
            words = {word: folder / word for word in ("log", "down", "info")}
            (folder / name).write_text("#!/bin/sh\n" + text.format(**words) + "\n")
            (folder / name).chmod(0o755)

    def leave(self, first: str, *former: str) -> int:
        (self.folder / "former").write_text("\n".join([first, *former]) + "\n")
        argv = ["sh", str(LEAVERS), str(self.folder / "former"), str(self.folder)]
        return process.run(argv, check=False).code

    def log(self) -> list[str]:
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("first", "done"),
    [
        ("# Users who are gone; jobs bookings", ["scancel 8 9", "kiwi kill -u dave"]),
        ("# Users who are gone; bookings", ["kiwi kill -u dave"]),
        ("# Users who are gone; jobs", ["scancel 8 9"]),
        ("# Users who are gone;", []),
    ],
)
def test_what_a_former_user_has_is_ended(machine: Machine, first: str, done: list[str]) -> None:
    assert machine.leave(first, "dave 10004", "eve 10005") == 0
    assert machine.log() == [*done, "kiwi clean 10004"]


def test_nobody_else_is_touched(machine: Machine) -> None:
    assert machine.leave("# Users who are gone; jobs bookings") == 0
    assert machine.leave("# Users who are gone; jobs bookings", "eve 10005") == 0
    assert machine.log() == []


def test_it_is_tried_again_while_nobody_answers(machine: Machine) -> None:
    (machine.folder / "down").touch()
    assert machine.leave("# Users who are gone; jobs bookings", "dave 10004") == 1
    assert machine.log() == ["kiwi clean 10004"]


def test_who_goes_meanwhile_is_seen(machine: Machine) -> None:
    """systemd does not watch the file while its service runs."""
    former = machine.folder / "former"
    (machine.folder / "ps").write_text(f"#!/bin/sh\necho 10004; grep -q dave {former} || echo dave 10004 >>{former}\n")
    assert machine.leave("# Users who are gone;") == 0
    assert machine.log() == ["kiwi clean 10004"]


def test_what_they_booked_for_later_is_cancelled(machine: Machine) -> None:
    """Each `kill -w` takes away the row of the node, as the agent does when the booking is gone."""
    rows = [(node, None, who) for node, who in (("a-1", "dave"), ("a-2", "alice"), ("a-3", "dave"), ("a-4", None))]
    info = [{"node": node, "holder": held, "message": "", "next_holder": following} for node, held, following in rows]
    (machine.folder / "info").write_text(
        json.dumps(info, indent=2).replace("},", "}#").replace("\n", "").replace("#", "\n")
    )
    words = (
        (machine.folder / "kiwi")
        .read_text()
        .replace('echo "kiwi $*"', f'echo "kiwi $*" >>{machine.folder}/log; sed -i "/$5/d" {machine.folder}/info; true')
    )
    (machine.folder / "kiwi").write_text(words)
    assert machine.leave("# Users who are gone; bookings", "dave 10004") == 0
    assert machine.log() == ["kiwi kill -u dave -w a-1", "kiwi kill -u dave -w a-3", "kiwi clean 10004"]
