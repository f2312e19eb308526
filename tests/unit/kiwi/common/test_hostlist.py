"""Names and sets of nodes on the command line."""

from __future__ import annotations

import pytest
from ClusterShell import NodeSet
from hypothesis import given
from hypothesis import strategies as st

from kiwi.common import hostlist
from kiwi.common.errors import UsageError


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        ([], ()),
        (["lab-1"], ("lab-1",)),
        (["lab-2,lab-1", "lab-2"], ("lab-2", "lab-1")),
        (["lab-[1-3]"], ("lab-1", "lab-2", "lab-3")),
        (["lab-[9-10],login"], ("lab-9", "lab-10", "login")),
    ],
)
def test_names(texts: list[str], names: tuple[str, ...]) -> None:
    assert hostlist.expand(texts) == names


@pytest.mark.parametrize("text", ["", ",", "lab-1,", "../x", "a b", "lab-[1-", "lab-[a]", "@all", "-x", "x" * 65])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        hostlist.expand([text])
    assert (caught.value.key, caught.value.needs) == ("nodes", hostlist.GOOD)


def test_too_many() -> None:
    for text, count in (("lab-[1-70000]", 70000), ("a[1-1000]b[1-1000]", 10**6), ("lab-[1-999999999]", 999999999)):
        with pytest.raises(UsageError, match=f"{count} nodes"):
            hostlist.expand(text)


def test_too_long() -> None:
    with pytest.raises(UsageError, match="nodes"):
        hostlist.expand(",".join(["lab-1"] * hostlist.LONGEST))


@given(st.text() | st.from_regex(r"[a-z@!&^%*\[\]0-9,-]{0,20}", fullmatch=True))
def test_a_text_is_names_or_refused(text: str) -> None:
    try:
        names = hostlist.expand(text)
    except UsageError as exc:
        assert exc.key == "nodes"
        return
    assert names and all(hostlist.PLAIN.fullmatch(name) for name in names)
    assert set(hostlist.expand(hostlist.fold(names))) == set(names)


NAMES = st.lists(
    st.builds(
        "{}{}".format,
        st.sampled_from(["cpu-", "lab-", "gpu2-n", "n", "n0", "a.b-"]),
        st.sampled_from([*map(str, range(13)), "98", "99", "100", "101", "00", "01", "007", ""]),
    ),
    min_size=1,
    max_size=14,
)


@given(NAMES)
def test_names_are_folded_as_clustershell_does(names: list[str]) -> None:
    plain = [name for name in sorted(set(names)) if hostlist.PLAIN.fullmatch(name)]
    expected = str(NodeSet.NodeSet.fromlist(plain, resolver=NodeSet.RESOLVER_NOGROUP))
    assert hostlist.fold(names) == expected
    assert set(hostlist.expand(expected)) == set(plain)
