"""Errors that a user can act on, and the exit codes of every command."""

from __future__ import annotations

OK = 0
FAILED = 1  # what was asked for did not happen
USAGE = 2  # bad arguments or bad site data; nothing was changed
BUSY = 3  # somebody else holds it
UNREACHABLE = 4  # share, agent, controller or cloud does not answer


class KiwiError(Exception):
    """Base of all errors shown to a user as one message.

    `hint` says what to do; `exit_code` is what the command ends with.
    """

    exit_code = FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
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
