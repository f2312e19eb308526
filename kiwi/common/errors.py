"""Errors that a user can act on, the form of their messages, and the exit codes of every command.

A wrong value has one form of message everywhere: KEY: found VALUE; needs WHAT IS GOOD.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

OK = 0
FAILED = 1  # what was asked for did not happen
USAGE = 2  # bad arguments or bad site data; nothing was changed
BUSY = 3  # somebody else holds it
UNREACHABLE = 4  # share, agent, controller or cloud does not answer

MISSING = object()  # "found" for a key that is not there
LONGEST = 60  # characters of a value in a message


def shown(value: object) -> str:
    """Return a value as a message shows it: quoted and escaped, LONGEST characters at most.

    What is found may come from a stranger: the work is bounded, too, however long or deep the value is.
    """
    bounded = reprlib.Repr()
    bounded.maxstring = bounded.maxother = bounded.maxlong = LONGEST
    text = bounded.repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def fault(key: str, found: object, needs: str) -> str:
    """Return the sentence about one wrong value.

    `key` is a key, such as partitions[0].name, or an argument, such as
    --grace; `found` is the value, or MISSING; `needs` completes the sentence
    "it needs …" with what is good, and with an example where that is not obvious.
    """
    return f"{key}: {'missing' if found is MISSING else f'found {shown(found)}'}; needs {needs}"


def unknown(key: str, found: object, known: Iterable[str]) -> str:
    """Return the sentence about a key, with the value `found`, that must not be there; `known` are those that may."""
    return f"{key}: unknown key, found {shown(found)}; remove it, or use one of {', '.join(known)}"


class KiwiError(Exception):
    """Base of all errors shown to a user as one message: a sentence, or the fault of one value.

    Of a fault it keeps `key`, `found` and `needs` (see `fault`). `hint` says
    what to do; `exit_code` is what the command ends with.
    """

    exit_code = FAILED

    def __init__(
        self, message: str = "", *, key: str = "", found: object = MISSING, needs: str = "", hint: str = ""
    ) -> None:
        super().__init__(message or fault(key, found, needs))
        self.key = key
        self.found = found
        self.needs = needs
        self.hint = hint

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\n  {self.hint}" if self.hint else text


class UsageError(KiwiError):
    """An argument, a key or a value is wrong; nothing was changed."""

    exit_code = USAGE


class BusyError(KiwiError):
    """Another user, booking or run holds what was asked for."""

    exit_code = BUSY


class UnreachableError(KiwiError):
    """Something that must answer did not."""

    exit_code = UNREACHABLE
