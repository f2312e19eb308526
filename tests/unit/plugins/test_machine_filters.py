"""Filters that roles render machines' files with."""

import pytest

from plugins.filter.machine import groups_of, homes, key_files, keyless, resolvers, subids, variables_of


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        pytest.param(
            ["nameserver 192.0.2.1\nsearch x\nnameserver 192.0.2.2\n"], ["192.0.2.1", "192.0.2.2"], id="plain"
        ),
        pytest.param(
            ["nameserver 127.0.0.53\n", "nameserver 192.0.2.9\n"], ["192.0.2.9"], id="behind systemd-resolved"
        ),
        pytest.param(["nameserver ::1\nnameserver 192.0.2.1\n"], ["192.0.2.1"], id="loopback beside a real one"),
        pytest.param(["nameserver fe80::1%eth0\n"], ["fe80::1%eth0"], id="with a zone"),
        pytest.param(["# nameserver 192.0.2.1\nnameserver\nnameserver nonsense\n"], [], id="nothing usable"),
        pytest.param([], [], id="no file"),
    ],
)
def test_resolvers(texts, found):
    assert resolvers(texts) == found


def test_subids_depend_on_the_uid_alone():
    alice, bob = {"name": "alice", "uid": 10001}, {"name": "bob", "uid": 10002}
    both = {entry["name"]: entry for entry in subids([alice, bob])}
    assert subids([bob])[0] == both["bob"]
    assert both["bob"] == {"name": "bob", "start": 10002 * 65536, "count": 65536}


def test_subids_never_overlap():
    uids = [1, 2, 65534, 65535, 65536, 65537, 131073, 10001, 10001 * 65536 + 5, 4294967290]
    users = [{"name": f"u{uid}", "uid": uid} for uid in uids]
    ranges = [range(entry["start"], entry["start"] + entry["count"]) for entry in subids(users)]
    ordered = sorted(ranges, key=lambda r: r.start)
    assert all(one.stop <= other.start for one, other in zip(ordered, ordered[1:]))
    assert ordered[0].start >= 65536
    assert ordered[-1].stop <= 2**32 - 1
    assert not [uid for uid in uids for r in ranges if uid in r]


def test_groups_shared_by_users_are_named_once():
    users = [
        {"name": "alice", "uid": 1000, "gid": 500},
        {"name": "bob", "uid": 1001, "gid": 500},
        {"name": "eve", "uid": 7},
    ]
    names = {group["name"]: group["gid"] for group in groups_of(users, [])}
    assert names == {"alice": 500, "eve": 7}


def test_a_group_of_the_site_has_its_name_and_members():
    users = [{"name": "alice", "uid": 5, "gid": 500}, {"name": "bob", "uid": 6}]
    groups = [{"name": "physics", "gid": 500, "members": ["bob"]}, {"name": "empty", "gid": 600}]
    assert groups_of(users, groups) == [
        {"name": "physics", "gid": 500, "members": ["bob"]},
        {"name": "empty", "gid": 600, "members": []},
        {"name": "bob", "gid": 6, "members": []},
    ]


def test_homes_are_private_and_stay_as_their_owner_has_them():
    assert homes([{"name": "alice", "uid": 1000, "gid": 500}]) == [
        {
            "path": "/home/alice",
            "owner": "1000",
            "group": "500",
            "mode": "0700",
            "keep": True,
            "skeleton": "/etc/skel",
        }
    ]


def test_key_files_have_own_keys_else_the_made_one_and_root_always():
    users = [
        {"name": "alice", "uid": 1, "keys": ["ssh-ed25519 A a", "ssh-ed25519 B b\n"]},
        {"name": "bob", "uid": 2, "keys": []},
    ]
    assert keyless(users) == ["bob"]
    assert key_files(users, {"bob": "ssh-ed25519 C c"}, "ssh-ed25519 R r") == [
        {"path": "/etc/ssh/authorized_keys.d/alice", "content": "ssh-ed25519 A a\nssh-ed25519 B b\n"},
        {"path": "/etc/ssh/authorized_keys.d/bob", "content": "ssh-ed25519 C c\n"},
        {"path": "/etc/ssh/authorized_keys.d/root", "content": "ssh-ed25519 R r\n"},
    ]


def test_variables_of_roles():
    assert variables_of(["dns", "ssh"], "files") == ["_dns_files", "_ssh_files"]
