"""The one form of a fault: key, found, needs."""

from __future__ import annotations

import pytest

from kiwi.common import errors
from kiwi.common.errors import MISSING, BusyError, KiwiError, UsageError


def deep(levels: int) -> list[object]:
    """A list in a list, and so on, as hostile JSON may have it."""
    found: list[object] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param("x", "--grace: found 'x'; needs seconds", id="text"),
        pytest.param(-1, "--grace: found -1; needs seconds", id="a number"),
        pytest.param(None, "--grace: found None; needs seconds", id="null is a value"),
        pytest.param(MISSING, "--grace: missing; needs seconds", id="missing"),
        pytest.param("\x1b[2J\n", r"--grace: found '\x1b[2J\n'; needs seconds", id="control characters"),
        pytest.param("x" * 999, f"--grace: found '{'x' * 27}...{'x' * 28}'; needs seconds", id="long"),
        pytest.param(["a"] * 9999, "--grace: found ['a', 'a', 'a', 'a', 'a', 'a', ...]; needs seconds", id="many"),
        pytest.param(deep(50_000), "--grace: found [[[[[[[...]]]]]]]; needs seconds", id="deep"),
    ],
)
def test_a_fault_is_one_sentence(found: object, sentence: str) -> None:
    error = UsageError(key="--grace", found=found, needs="seconds")
    assert str(error) == error.args[0] == errors.fault("--grace", found, "seconds") == sentence
    assert (error.key, error.found, error.needs) == ("--grace", found, "seconds")


def test_a_sentence_of_its_own_with_a_hint() -> None:
    error = BusyError("lab-1 is booked", hint="see: kiwi info")
    assert error.args[0] == "lab-1 is booked"
    assert str(error) == "lab-1 is booked\n  see: kiwi info"


def test_an_unknown_key_names_the_known_ones() -> None:
    assert errors.unknown("max_tyme", 60, ["max_time", "grace"]) == (
        "max_tyme: unknown key, found 60; remove it, or use one of max_time, grace"
    )


def test_exit_codes_are_the_same_for_both_forms() -> None:
    assert [UsageError("x").exit_code, UsageError(key="x", found=1, needs="2").exit_code] == [errors.USAGE] * 2
    assert KiwiError("x").exit_code == errors.FAILED
