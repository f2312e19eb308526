"""Whatever is booked, waited for, given back, made longer, cleaned: a machine of states over the rules, with a model.

The nodes here do what kiwi/node does: they confirm a clean-up for a booking and its end. The model keeps who may be
on each node second by second, from what the rules answered alone.
"""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kiwi.booking import rules, wishes
from kiwi.booking.document import Booking, Document, NodeEntry, Wish, by_node, overlap
from kiwi.booking.seen import Report, Seen
from kiwi.common.errors import BusyError, KiwiError

NAMES = [f"lab-{n}" for n in range(1, 4)]
USERS = ["alice", "bob", "carol"]
ASKED = st.lists(st.sampled_from(NAMES), unique=True, min_size=1)
USER = st.sampled_from(USERS)
FLEET: dict[str, tuple[str, ...]] = {"lab-1": ("gpu",), "lab-2": (), "lab-3": ()}


class Lab(RuleBasedStateMachine):
    """Three nodes and three users; `now` is in whole seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.document = Document(0, {})
        self.now = 1000
        self.made = 0
        self.reports = {name: Report(name, "free", "boot") for name in NAMES}
        self.ages = dict.fromkeys(NAMES, 1.0)
        self.promised: dict[tuple[str, int], str] = {}  # who was promised a node in which second
        self.left: dict[str, set[str]] = {name: set() for name in NAMES}  # users whose processes may be there

    def seen(self) -> dict[str, Seen]:
        return {name: Seen(self.reports[name], self.ages[name]) for name in NAMES}

    def settled(self) -> Document:
        return rules.settle(self.document, self.seen(), self.now)

    @rule(names=ASKED, user=USER, ahead=st.sampled_from([0, 0, 1, 3, 6]), length=st.integers(1, 8))
    def book(self, names: list[str], user: str, ahead: int, length: int) -> None:
        start, before = self.now + ahead, self.settled()
        wanted = Booking(f"b{self.made}", user, 1, tuple(names), start, start + length, made=self.now)
        self.made += 1
        seconds = [(name, second) for name in names for second in range(start, start + length)]
        try:
            new = self.take(before, wanted, Wish("", user, 1, length, 0, 0, tuple(names)))
        except KiwiError:
            return
        self.none_before_is_passed_over(before, new, list(before.waiting))
        assert not self.promised.keys() & set(seconds), "nobody was promised any of it"
        assert all(before.nodes.get(name, NodeEntry()).admin == "open" for name in names)
        if not ahead:
            assert not any(self.left[name] for name in names), "nobody's processes are there"
        assert new.bookings == {**before.bookings, wanted.id: wanted}
        self.promised.update(dict.fromkeys(seconds, user))
        self.follow(new)

    @rule(
        names=ASKED,
        size=st.integers(0, 3),
        labels=st.sampled_from([(), ("gpu",)]),
        user=USER,
        length=st.sampled_from([2, 5, 90]),
    )
    def wish_for(self, names: list[str], size: int, labels: tuple[str, ...], user: str, length: int) -> None:
        """Begin to wait for nodes by name, or for a number of them."""
        what = ((), size, labels) if size else (tuple(names), 0, ())
        self.ask(Wish(f"w{self.made}", user, USERS.index(user), length, 0, 0, *what))
        self.made += 1

    @precondition(lambda self: self.document.waiting)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        wish = data.draw(st.sampled_from(self.document.waiting))
        self.ask(wish._replace(made=0, until=0))

    @precondition(lambda self: self.document.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        wish = data.draw(st.sampled_from(self.document.waiting))
        self.document = wishes.forget(self.settled(), wish.id, wish.user, self.now)
        assert wish.id not in [w.id for w in self.document.waiting]

    def ask(self, wish: Wish) -> None:
        """Ask as the engine does: it is booked, or stands in the document."""
        before = self.settled()
        until = self.now + wish.seconds
        wanted = Booking(wish.id, wish.user, 1, wish.nodes, self.now, until, made=self.now)
        try:
            new = self.take(before, wanted, wish)
        except BusyError:
            try:
                renewed = wishes.renew(before, wish, self.now)
            except KiwiError:
                assert len(before.waiting) >= wishes.OWN
                return
            old = [w.id for w in before.waiting]
            assert [w.id for w in (renewed or before).waiting] == (old if wish.id in old else [*old, wish.id])
            self.document = renewed or self.document
            return
        except KiwiError:
            return
        ids = [w.id for w in before.waiting]
        mine = ids.index(wish.id) if wish.id in ids else len(ids)
        self.none_before_is_passed_over(before, new, list(before.waiting[:mine]))
        assert [w.id for w in new.waiting] == [i for i in ids if i != wish.id]
        booking = new.bookings[wish.id]
        assert len(booking.nodes) == (wish.size or len(wish.nodes))
        assert all(set(wish.labels) <= set(FLEET[name]) and not self.left[name] for name in booking.nodes)
        seconds = [(name, second) for name in booking.nodes for second in range(self.now, int(until))]
        assert not self.promised.keys() & set(seconds)
        self.promised.update(dict.fromkeys(seconds, wish.user))
        self.follow(new)

    def take(self, document: Document, wanted: Booking, wish: Wish) -> Document:
        return wishes.allocate(document, wanted, wish, self.seen(), self.now, FLEET)

    def none_before_is_passed_over(self, before: Document, new: Document, earlier: list[Wish]) -> None:
        """Whoever came before and could have had all of it at this moment still can."""
        assert self.served(before, earlier) <= self.served(new, earlier)

    def served(self, document: Document, earlier: list[Wish]) -> set[str]:
        found = set()
        for wish in earlier:
            wanted = Booking(wish.id, wish.user, 1, wish.nodes, self.now, self.now + wish.seconds, made=self.now)
            with contextlib.suppress(KiwiError):
                document = self.take(document, wanted, wish)
                found.add(wish.id)
        return found

    @rule(names=st.lists(st.sampled_from(NAMES), unique=True), user=USER)
    def give_back(self, names: list[str], user: str) -> None:
        before = self.settled()
        try:
            ended = rules.release(before, names, user, self.now)
        except KiwiError:
            held = {name for (name, second), who in self.promised.items() if who == user and second >= self.now}
            assert not held or not set(names) <= held or not names, "who holds a node may give it back"
            return
        given = {name for b in ended.bookings for name in b.nodes}
        assert given == set(names) or not names
        assert all(b.user == user for b in ended.bookings)
        for name in given:
            whole = next(b for b in by_node(before)[name] if b.user == user and not b.over(self.now))
            for second in range(max(self.now, int(whole.start)), int(whole.until)):
                del self.promised[name, second]
        self.follow(ended.document)

    @rule(names=st.lists(st.sampled_from(NAMES), unique=True, max_size=2), user=USER, more=st.integers(-1, 10))
    def make_longer(self, names: list[str], user: str, more: int) -> None:
        before = self.settled()
        try:
            kept = wishes.kept(before, FLEET, self.seen(), self.now)
            new = rules.extend(before, names, user, self.now + more, self.now, kept)
        except KiwiError:
            return
        self.none_before_is_passed_over(before, new, list(before.waiting))
        for change in new.changes:
            old = before.bookings[change.booking.id]
            seconds = [(n, s) for n in old.nodes for s in range(int(old.until), self.now + more)]
            assert old.user == user
            assert seconds
            assert not self.promised.keys() & set(seconds)
            self.promised.update(dict.fromkeys(seconds, user))
        self.follow(new)

    @rule(name=st.sampled_from(NAMES), admin=st.sampled_from(["open", "open", "open", "drained", "blocked"]))
    def administer(self, name: str, admin: str) -> None:
        self.document = self.document._replace(nodes={**self.document.nodes, name: NodeEntry(admin=admin)})

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds: int) -> None:
        """Let time pass. Who holds a node leaves something there, unless its gate is closed: it was cleaned."""
        for name, held in by_node(self.document).items():
            for b in held:
                if b.start < self.now + seconds and b.until > self.now and not self.reports[name].confirms(b):
                    self.left[name].add(b.user)
        self.now += seconds

    @rule(name=st.sampled_from(NAMES), early=st.sampled_from([0, 0, 1, 3, 6]))
    def clean(self, name: str, early: int) -> None:
        """Clean up after what is over, by a node's clock that may be some seconds fast."""
        held = by_node(self.document).get(name, [])
        over = [b for b in held if b.over(self.now + early)]
        self.reports[name] = self.reports[name]._replace(
            state="free", cleaned={**self.reports[name].cleaned, **{b.id: b.until for b in over}}
        )
        if not any(b.live(self.now) and not self.reports[name].confirms(b) for b in held):
            self.left[name].clear()

    @rule(
        name=st.sampled_from(NAMES),
        state=st.sampled_from(["free", "free", "dirty"]),
        age=st.sampled_from([1.0, 1.0, 99.0]),
    )
    def report(self, name: str, state: str, age: float) -> None:
        self.reports[name] = self.reports[name]._replace(state=state)
        self.ages[name] = age

    def follow(self, new: Document) -> None:
        assert new.generation == self.document.generation + 1
        assert new.changes
        self.document = new

    @invariant()
    def no_two_bookings_of_a_node_overlap(self) -> None:
        for held in by_node(self.document).values():
            for earlier, later in zip(held, held[1:]):
                assert earlier.until <= later.start or not overlap(earlier, later)

    @invariant()
    def none_is_lost(self) -> None:
        """Whoever was promised a second that is still to come has it in the document, and nobody else."""
        written = {
            (name, second): b.user
            for b in self.document.bookings.values()
            for name in b.nodes
            for second in range(max(self.now, int(b.start)), int(b.until))
        }
        assert written == {key: user for key, user in self.promised.items() if key[1] >= self.now}

    @invariant()
    def a_free_node_has_nobody(self) -> None:
        held = by_node(self.document)
        for name in NAMES:
            if rules.state_of(held.get(name, []), self.seen()[name], self.now) == "free":
                assert (name, self.now) not in self.promised
                assert not self.left[name], "what a user left there is cleaned up first"


TestLab = Lab.TestCase
TestLab.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, report_multiple_bugs=False)
