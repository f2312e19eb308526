"""`follow` as the control host runs it: records come out once, go when acknowledged, ends with its input."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiwi.common import process

FOLLOW = Path(__file__).resolve().parents[3] / "slurmscripts" / "follow"


def record(ident: str, **changes: object) -> dict[str, object]:
    whole = {"version": 1, "id": ident, "kind": "resume", "nodes": "cpu-[1-2]", "time": 1, "detail": None}
    return {**whole, **changes}


class Following:
    """A running follow and what it said; every wait has an end."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.child = process.start([str(FOLLOW), str(spool)], stdin=process.PIPE)

    def put(self, ident: str, **changes: object) -> None:
        hidden = self.spool / f".{ident}.tmp"
        hidden.write_text(json.dumps(record(ident, **changes)))
        hidden.rename(self.spool / f"{ident}.json")

    def line(self) -> dict[str, object]:
        assert self.child.stdout and select.select([self.child.stdout], [], [], 20)[0], "follow printed nothing"
        return dict(json.loads(self.child.stdout.readline()))

    def complaint(self) -> str:
        assert self.child.stderr and select.select([self.child.stderr], [], [], 20)[0], "follow complained of nothing"
        return self.child.stderr.readline()

    def say(self, text: str) -> None:
        assert self.child.stdin
        self.child.stdin.write(text)
        self.child.stdin.flush()

    def end(self) -> tuple[str, str, int]:
        """Close its input; return the rest of what it printed, of its complaints, and its code."""
        out, err = self.child.communicate(timeout=20)
        return out, err, self.child.returncode


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "requests"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def following(spool: Path) -> Iterator[Following]:
    running = Following(spool)
    yield running
    process.stop(running.child)
    for stream in (running.child.stdin, running.child.stdout, running.child.stderr):
        if stream:
            stream.close()


def test_what_is_there_comes_oldest_first_by_time_not_by_text(spool: Path) -> None:
    for ident in ("30-1", "4-9", "30-0"):
        (spool / f"{ident}.json").write_text(json.dumps(record(ident)))
    out, err, code = Following(spool).end()
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["4-9", "30-0", "30-1"]
    assert (err, code) == ("", 0)


def test_a_line_is_compact_and_whole(spool: Path) -> None:
    detail = {"jobs": [{"job_id": 1, "extra": "a\nb"}]}
    (spool / "1-1.json").write_text(json.dumps(record("1-1", detail=detail), indent=4))
    out = Following(spool).end()[0]
    assert out == json.dumps(record("1-1", detail=detail), separators=(",", ":")) + "\n"


def test_new_ones_come_once_and_go_when_acknowledged(following: Following) -> None:
    following.put("1-1")
    assert following.line()["id"] == "1-1"
    following.put("2-1")
    assert following.line()["id"] == "2-1"
    following.say("1-1\n2-")
    following.put("3-1")
    assert following.line()["id"] == "3-1"
    following.say("1\n3-1\n")
    assert following.end() == ("", "", 0)
    assert list(following.spool.iterdir()) == []


def test_what_was_not_acknowledged_comes_again_from_a_new_follow(spool: Path) -> None:
    (spool / "1-1.json").write_text(json.dumps(record("1-1")))
    first, second = Following(spool).end(), Following(spool).end()
    assert first == second and json.loads(first[0])["id"] == "1-1"


BROKEN = {
    "torn": '{"version":1,"id":"7-1","ki',
    "empty": "",
    "list": "[1]",
    "another id": json.dumps(record("8-1")),
    "version": json.dumps(record("7-1", version=2)),
    "kind": json.dumps(record("7-1", kind="format")),
    "nodes": json.dumps(record("7-1", nodes="cpu-1;id")),
    "no nodes": json.dumps(record("7-1", nodes=None)),
    "time": json.dumps(record("7-1", time="now")),
    "detail": json.dumps(record("7-1", detail=[])),
    "deep": "[" * 100000,
    "another version": json.dumps(record("7-1", version=True)),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_record_is_set_aside_and_the_others_go_on(following: Following, text: str) -> None:
    (following.spool / ".x").write_text(text)
    (following.spool / ".x").rename(following.spool / "7-1.json")
    assert "7-1.json moved to" in following.complaint()
    following.put("9-1")
    assert following.line()["id"] == "9-1"
    assert (following.spool.parent / "bad" / "7-1.json").read_text() == text


def test_what_was_set_aside_before_is_in_nobodys_way(following: Following) -> None:
    """A folder cannot be renamed onto one that holds something."""
    for folder in (following.spool.parent / "bad" / "7-1.json", following.spool / "7-1.json"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    assert "7-1.json moved to" in following.complaint()
    assert len(list((following.spool.parent / "bad").iterdir())) == 2
    following.put("9-1")
    assert following.line()["id"] == "9-1"


def test_a_link_to_another_file_is_not_read(following: Following, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(json.dumps(record("1-1")))
    (following.spool / "1-1.json").symlink_to(tmp_path / "secret")
    assert "1-1.json moved to" in following.complaint()
    os.mkfifo(following.spool / "2-1.json")
    assert "2-1.json moved to" in following.complaint()
    assert following.end() == ("", "", 0)


def test_only_an_id_acknowledges(following: Following) -> None:
    following.put("1-1")
    following.line()
    following.say("../requests/1-1\n")
    assert "is no id" in following.complaint()
    following.say("5-5\n")
    assert following.end() == ("", "", 0)
    assert [path.name for path in following.spool.iterdir()] == ["1-1.json"]


def test_files_that_are_being_written_are_left_alone(spool: Path) -> None:
    (spool / ".1-1.tmp").write_text("{")
    assert Following(spool).end() == ("", "", 0)
    assert [path.name for path in spool.iterdir()] == [".1-1.tmp"]


def test_a_byte_that_a_user_wrote_loses_no_request(spool: Path) -> None:
    """`srun --extra=` with a Latin-1 byte is in the resume file as it was written."""
    following = Following(spool)
    hidden = spool / ".5-1.tmp"
    hidden.write_bytes(json.dumps(record("5-1", detail={"extra": "caf?"})).encode().replace(b"?", b"\xe9"))
    hidden.rename(spool / "5-1.json")
    assert following.line()["detail"] == {"extra": "caf\ufffd"}
    following.end()


def test_a_spool_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    out, err, code = Following(tmp_path / "none").end()
    assert (out, err, code) == ("", f"follow: {tmp_path}/none: No such file or directory\n", 1)
