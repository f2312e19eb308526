"""Define what `kiwi` asks of a partition, whoever answers: the bookings here, a scheduler elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol


class Node(NamedTuple):
    """One node as `kiwi info` shows it. `until` is in UTC seconds, `remaining` in seconds.

    `state` is one of kiwi.booking.rules. `booking` is the id of the last one, also
    after its end. `ready`: the node's own agent confirmed the present booking, so its holder can enter.
    `next_holder` has it from `next_start` until `next_until` (UTC seconds): the first booking that is to come.
    """

    node: str
    partition: str
    state: str
    holder: str | None
    until: float | None
    remaining: float | None
    booking: str | None
    ready: bool
    message: str
    next_holder: str | None = None
    next_start: float | None = None
    next_until: float | None = None
    labels: tuple[str, ...] = ()


class User(NamedTuple):
    """The one for whom a node is allocated."""

    name: str
    uid: int


class Waiting(NamedTuple):
    """What came of a wish: the nodes that were given, or none and the reason why it waits."""

    nodes: list[Node]
    reason: str


class Engine(Protocol):
    """A partition's own way to hand out its nodes. All methods raise KiwiError with what a user shall read."""

    def nodes(self, names: Iterable[str] = ()) -> list[Node]:
        """Return these nodes (none named: all of the partition)."""

    def allocate(
        self,
        names: Sequence[str],
        user: User,
        seconds: int,
        *,
        at: float | None = None,
        dry_run: bool = False,
        size: int = 0,
        labels: Collection[str] = (),
    ) -> list[Node]:
        """Give all of `names` to `user` for `seconds` from `at` (UTC seconds) or now, or none; return them as then.

        None named: give `size` nodes that have all of `labels`.
        """

    def release(self, names: Sequence[str], user: User) -> list[Node]:
        """End what `user` holds of `names` (none named: all); return the nodes concerned."""

    def extend(self, names: Sequence[str], user: User, until: float) -> list[Node]:
        """Let what `user` holds of `names` (none named: all) end at `until` (UTC seconds); return these nodes."""
