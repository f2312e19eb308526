"""Names and sets of nodes on the command line."""

from __future__ import annotations

import pytest

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
    with pytest.raises(UsageError, match="20000 nodes"):
        hostlist.expand(["lab-[1-20000]"])
