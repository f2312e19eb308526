"""Ids that users have had stay theirs: other ones are refused with one message, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconfigure.clusterdir import files, paths
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.site import data as site_data
from reconfigure.site import user_ids

GOOD = site_data.read_yaml(paths.REPO / "group_vars" / "all.yml")
ALICE, BOB = {"name": "alice", "uid": 10001}, {"name": "bob", "uid": 10002}


PHYSICS = {"name": "physics", "gid": 20000}


def users(*people: dict[str, object], groups: tuple[dict[str, object], ...] = ()) -> site_data.Site:
    return site_data.check({**GOOD, "users": list(people), "user_groups": list(groups)})


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    """A cluster that had alice and bob."""
    made = ClusterDir(tmp_path, "kiwi")
    assert user_ids.remember(made, users(ALICE, BOB))
    return made


@pytest.mark.parametrize(
    "people",
    [
        [ALICE, BOB],
        [BOB],
        [],
        [BOB, ALICE, {"name": "dave", "uid": 10004}],
        [ALICE, {"name": "dave", "uid": 10004, "gid": 10001}],
    ],
    ids=["the same", "one fewer", "none", "one more", "a shared group"],
)
def test_what_is_taken(clusterdir: ClusterDir, people: list[dict[str, object]]) -> None:
    user_ids.check(clusterdir, users(*people))


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ([{**ALICE, "uid": 10009}], ["users[0].uid: found 10009; needs 10001,", "chown", "take alice out of"]),
        ([BOB, {**ALICE, "gid": 10002}], ["users[1].gid: found 10002; needs 10001,", "take alice out of"]),
        ([{"name": "dave", "uid": 10002}], ["users[0].uid: found 10002; needs one that nobody has had", "bob's files"]),
        ([{"name": "bob", "uid": 10001}], ["users[0].uid: found 10001; needs 10002", "it is alice's"]),
    ],
    ids=["another uid", "another gid", "a used uid", "another's uid"],
)
def test_what_is_refused(clusterdir: ClusterDir, people: list[dict[str, object]], said: list[str]) -> None:
    before = user_ids.path(clusterdir).read_bytes()
    with pytest.raises(site_data.SiteError) as caught:
        user_ids.check(clusterdir, users(*people))
    for words in [*said, str(user_ids.path(clusterdir))]:
        assert words in str(caught.value)
    assert user_ids.path(clusterdir).read_bytes() == before


def test_a_removed_user_is_remembered_until_a_person_takes_them_out(clusterdir: ClusterDir) -> None:
    assert not user_ids.remember(clusterdir, users(ALICE))
    assert set(user_ids.given(clusterdir)) == {"alice", "bob"}
    dave = users(ALICE, {"name": "dave", "uid": 10002})
    files.write_json(user_ids.path(clusterdir), {"version": 1, "users": {"alice": {"uid": 10001, "gid": 10001}}})
    user_ids.check(clusterdir, dave)
    assert user_ids.remember(clusterdir, dave)


def test_a_new_cluster_remembers_nobody(tmp_path: Path) -> None:
    user_ids.check(ClusterDir(tmp_path, "kiwi"), users(ALICE))


@pytest.mark.parametrize(
    ("people", "groups", "said"),
    [
        ([ALICE], [PHYSICS], []),
        ([ALICE], [], []),
        ([ALICE, {"name": "eve", "uid": 10005, "gid": 20000}], [PHYSICS], []),
        ([ALICE], [PHYSICS, {"name": "optics", "gid": 20001}], []),
        ([ALICE], [{**PHYSICS, "gid": 20009}], ["user_groups[0].gid: found 20009; needs 20000,", "take physics out"]),
        ([ALICE], [{"name": "optics", "gid": 20000}], ["user_groups[0].gid: found 20000;", "it is physics's"]),
        ([ALICE], [PHYSICS, {"name": "optics", "gid": 10002}], ["user_groups[1].gid: found 10002;", "it is bob's"]),
        ([ALICE, {"name": "eve", "uid": 10005, "gid": 20000}], [], ["users[1].gid: found 20000", "it is physics's"]),
    ],
    ids=[
        "the same",
        "none",
        "a primary one",
        "one more",
        "another gid",
        "another's",
        "a former user's",
        "a former one",
    ],
)
def test_ids_of_groups_stay_theirs(
    clusterdir: ClusterDir, people: list[dict[str, object]], groups: list[dict[str, object]], said: list[str]
) -> None:
    assert user_ids.remember(clusterdir, users(ALICE, BOB, groups=(PHYSICS,)))
    assert not user_ids.remember(clusterdir, users(ALICE))
    try:
        user_ids.check(clusterdir, users(*people, groups=tuple(groups)))
    except site_data.SiteError as exc:
        assert said and all(words in str(exc) for words in said), exc
    else:
        assert not said


def test_a_shared_gid_may_become_a_group(tmp_path: Path) -> None:
    """What users had in common by `gid` gets a name of its own."""
    made = ClusterDir(tmp_path, "kiwi")
    eve, tom = {"name": "eve", "uid": 10005, "gid": 20000}, {"name": "tom", "uid": 10006, "gid": 20000}
    user_ids.remember(made, users(eve, tom))
    user_ids.check(made, users(eve, groups=(PHYSICS,)))
