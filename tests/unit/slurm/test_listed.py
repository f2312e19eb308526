"""Which tests of Slurm's suite are run, as whom, and for which of them the lane fails."""

from __future__ import annotations

import re

from tests.slurm.listed import LIST, Case, chosen, known

SMALL = known(
    """# words
alice 1.1 116_3
carol 2.16

never 1.48: it writes slurm.conf
not 1.3: another version word: 24.11
"""
)
THERE = {"1.1", "1.3", "1.10", "1.48", "2.16", "116_3", "9.9"}


def test_the_list_is_read() -> None:
    assert SMALL["116_3"] == Case("116_3", "alice") and SMALL["116_3"].kind == "python"
    assert SMALL["2.16"] == Case("2.16", "carol") and SMALL["2.16"].kind == "expect"
    assert SMALL["1.3"] == Case("1.3", "alice", "not: another version word: 24.11")
    assert list(SMALL) == ["1.1", "116_3", "2.16", "1.48", "1.3"]


def test_what_must_pass_is_run() -> None:
    assert [test.name for test in chosen(SMALL, THERE, [], full=False)] == ["1.1", "116_3", "2.16"]


def test_the_whole_suite_is_all_but_what_is_never_run() -> None:
    found = chosen(SMALL, THERE, [], full=True)
    assert [test.name for test in found] == ["1.1", "1.3", "1.10", "2.16", "9.9", "116_3"]
    assert [test.name for test in found if not test.why] == ["1.1", "2.16", "116_3"]


def test_what_is_asked_for_is_run_whatever_the_list_says() -> None:
    assert chosen(SMALL, THERE, ["1.48", "9.9", "2.16"], full=True) == [
        SMALL["1.48"],
        Case("9.9", "alice", "not in the list"),
        SMALL["2.16"],
    ]


def test_the_shipped_list_names_each_test_once_and_a_reason_for_each_exception() -> None:
    text = LIST.read_text(encoding="utf-8")
    listed = known(text)
    words = [word for line in text.splitlines() if not line.startswith("#") for word in line.partition(": ")[0].split()]
    assert sorted(listed) == sorted(word for word in words if re.fullmatch(r"\d+[._]\d+", word))
    assert {test.user for test in listed.values()} == {"alice", "carol"}
    assert all(len(test.why.partition(": ")[2]) > 10 for test in listed.values() if test.why)
