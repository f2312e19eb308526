"""What is left besides processes: which mounts are a user's, what no table means, one bad root of several."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiwi.node import leftovers

MOUNTINFO = r"""
22 1 0:20 / / rw - ext4 /dev/sda rw
30 22 0:40 / /tmp/my\040data rw,nosuid shared:1 - fuse.sshfs host: rw,user_id=10001,group_id=10001
31 22 0:41 / /tmp/other rw,nosuid - fuse.sshfs host: rw,user_id=100010,group_id=10001
32 22 0:42 / /tmp/b rw - fuseblk /dev/sdb rw,user_id=0,group_id=10001,allow_other
33 22 0:43 / /home/alice/x rw shared:2 master:3 - fuse rclone rw,relatime,user_id=10001
"""


def test_a_users_own_fuse_mounts_are_taken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTINFO.lstrip())
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(leftovers, "_try", lambda *argv: ran.append(argv))
    leftovers.detach_mounts(10001, table)
    assert [argv[-1] for argv in ran] == ["/home/alice/x", "/tmp/my data"], "the last one first"
    assert all(argv[:2] == ("umount", "--lazy") for argv in ran)


def test_a_name_of_a_mount_forges_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mountinfo escapes blank, tab, line end and backslash only; what else Python splits at is part of a name."""
    forged = "/tmp/x\u20289 9 0:9 / /var/lib/kiwi/state rw - fuse a rw,user_id=10001\x0c\u3000y"
    table = tmp_path / "mountinfo"
    table.write_text(f"30 22 0:40 / {forged.replace(' ', chr(92) + '040')} rw - fuse.sshfs h rw,user_id=10001\nodd\n")
    ran: list[str] = []
    monkeypatch.setattr(leftovers, "_try", lambda *argv: ran.append(argv[-1]))
    leftovers.detach_mounts(10001, table)
    assert ran == [forged]


def test_the_real_table_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_try", lambda *argv: pytest.fail(str(argv)))
    leftovers.detach_mounts(4000000000)


def test_an_empty_table_is_no_answer(tmp_path: Path) -> None:
    for kind in leftovers.KINDS:
        (tmp_path / kind).write_text("")
    with pytest.raises(ValueError, match="unpack"):
        leftovers.remove_ipc(10001, tmp_path)
    assert leftovers.remove_ipc(10001, tmp_path / "none") == []


def test_ipc_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_try", lambda *argv: None)
    (tmp_path / "shm").write_text("key shmid perms uid cuid\n0 7 600 10001 10001\n0 8 600 10002 10002\n")
    assert leftovers.remove_ipc(10001, tmp_path) == ["shm 7"]


def test_one_bad_root_does_not_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def remove(root: str, _: object) -> list[str]:
        if root == "bad":
            raise OSError(5, "Input/output error")
        if root == "none":
            raise FileNotFoundError(root)
        return [f"{root}/x: in the way"]

    monkeypatch.setattr(leftovers, "remove_owned", remove)
    assert leftovers.remove_files([range(10001, 10002)], ("bad", "none", "good")) == [
        "bad: Input/output error",
        "good/x: in the way",
    ]
