"""The real gate script on allow files that kiwi.node.allow_file wrote, and on broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.common import process
from kiwi.node import allow_file

GATE = Path(__file__).resolve().parents[2] / "roles/gate/files/gate"
BOOT = "a011a577-d6fc-475f-a369-b35c6cf3f59a"
SAID = ["Kiwi: lab-1 is booked by alice until 2026-11-21 15:00:00 UTC.", "Book it: kiwi alloc -w lab-1 -t 3600"]
WHOLE = allow_file.render(BOOT, allow_file.Entry("alice", 100, 200), SAID)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine up for 150.5 seconds, on which alice holds the node and dave always passes."""
    for folder in ("run/kiwi", "etc/kiwi", "proc/sys/kernel/random"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/uptime").write_text("150.50 300.00\n")
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text(BOOT + "\n")
    (tmp_path / "etc/kiwi/bypass").write_text("dave\nerin")
    allow_file.write(tmp_path / "run/kiwi/allow", WHOLE)
    return tmp_path


def gate(root: Path, user: str | None, kind: str = "account") -> process.Result:
    env = {"PAM_TYPE": kind} | ({} if user is None else {"PAM_USER": user})
    return process.run(["dash", str(GATE), str(root)], env=env, check=False)


def test_the_file_as_it_is_written(root: Path) -> None:
    assert (root / "run/kiwi/allow").read_text() == (
        f"kiwi-allow 1\nboot {BOOT}\nuser alice 100 200\nsay {SAID[0]}\nsay {SAID[1]}\nend\n"
    )
    assert (root / "run/kiwi/allow").stat().st_mode & 0o777 == 0o644
    assert allow_file.render(BOOT, None, []) == f"kiwi-allow 1\nboot {BOOT}\nend\n"


def test_it_is_not_synced(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login would wait for the disk, and /run is new after each boot."""
    synced: list[int] = []
    monkeypatch.setattr("kiwi.common.files.os.fsync", synced.append)
    allow_file.write(root / "run/kiwi/allow", WHOLE)
    assert synced == []


@pytest.mark.parametrize("kind", ["account", "open_session"])
@pytest.mark.parametrize(
    ("user", "enters"),
    [
        *[(u, True) for u in ("alice", "root", "dave", "erin")],
        *[(u, False) for u in ("bob", "alic", "alicex", "Alice", "alice ", " alice", "ali*", "*", "", "-n", "100")],
        *[(u, False) for u in ("alice 100 200", "dav", "davex", "dave\nbob", "$(id)", "alice 1 999", "end")],
        (None, False),
    ],
)
def test_exact_users(root: Path, user: str | None, enters: bool, kind: str) -> None:
    assert (gate(root, user, kind).code == 0) is enters


def test_the_refused_read_who_until_when_and_the_command(root: Path) -> None:
    refused = gate(root, "bob")
    assert (refused.code, refused.out, refused.err) == (1, "\n".join(SAID) + "\n", "")


@pytest.mark.parametrize(
    ("uptime", "enters"),
    [
        ("99.99 1", False),
        ("100.00 1", True),
        ("199.99 1", True),
        ("200.00 1", False),
        ("99999.1 1", False),
        ("", False),
    ],
)
def test_only_in_its_time(root: Path, uptime: str, enters: bool) -> None:
    (root / "proc/uptime").write_text(uptime + "\n")
    assert (gate(root, "alice").code == 0) is enters


BROKEN = {
    "empty": "",
    "blank": "\n\n",
    "other version": WHOLE.replace("kiwi-allow 1", "kiwi-allow 2"),
    "longer version": WHOLE.replace("kiwi-allow 1", "kiwi-allow 1x"),
    "version not first": "boot x\n" + WHOLE,
    "other boot": WHOLE.replace(BOOT, "b" + BOOT[1:]),
    "no boot": WHOLE.replace(f"boot {BOOT}\n", ""),
    "no end": WHOLE.removesuffix("end\n"),
    "end without newline": WHOLE.removesuffix("\n"),
    "too few fields": WHOLE.replace("alice 100 200", "alice 100"),
    "too many fields": WHOLE.replace("alice 100 200", "alice 100 200 300"),
    "no numbers": WHOLE.replace("alice 100 200", "alice x y"),
    "negative": WHOLE.replace("alice 100 200", "alice -1 200"),
    "fraction": WHOLE.replace("alice 100 200", "alice 100 200.5"),
    "huge": WHOLE.replace("alice 100 200", "alice 100 99999999999999999999999"),
    "a subshell": WHOLE.replace("alice 100 200", "alice 100 $(echo 200)"),
    "a glob": WHOLE.replace("alice 100 200", "* 100 200"),
    "binary": "\x00\x01" + WHOLE,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_admits_only_those_who_always_pass(root: Path, text: str) -> None:
    (root / "run/kiwi/allow").write_text(text)
    assert [gate(root, user).code for user in ("alice", "root", "dave")] == [1, 0, 0]


def test_a_file_cut_anywhere_admits_nobody(root: Path) -> None:
    for length in range(len(WHOLE)):
        (root / "run/kiwi/allow").write_text(WHOLE[:length])
        assert gate(root, "alice").code == 1, length


@pytest.mark.parametrize("gone", ["run/kiwi/allow", "proc/uptime", "proc/sys/kernel/random/boot_id"])
def test_a_missing_file_admits_only_those_who_always_pass(root: Path, gone: str) -> None:
    (root / gone).unlink()
    assert [gate(root, user).code for user in ("alice", "bob", "root", "dave")] == [1, 1, 0, 0]
    assert "only administrators can enter" in gate(root, "alice").out


def test_without_a_bypass_file_root_and_the_holder_pass(root: Path) -> None:
    (root / "etc/kiwi/bypass").unlink()
    assert [gate(root, user).code for user in ("alice", "root", "dave", "")] == [0, 0, 1, 1]


def test_a_session_may_always_end(root: Path) -> None:
    assert gate(root, "bob", "close_session").code == 0


def test_the_environment_names_no_path(root: Path, tmp_path: Path) -> None:
    env = {"PAM_USER": "alice", "PAM_TYPE": "account", "root": str(tmp_path), "allow": "/dev/null", "IFS": "a"}
    assert process.run(["dash", str(GATE)], env=env, check=False).code == 1
