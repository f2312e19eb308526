"""A batch: what brings the nodes of one round up, outside the cluster's lock, under their own locks.

    wait for machines → configure → register → give the nodes back

Machines that boot together go this way together, as a wave; one that does not greet for longer is waited for while
the others are nodes already. What failed in a wave is cleaned up under the cluster's lock, which is taken once more
for it. Where the driver is killed the nodes' locks are free, and the next round does what is left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace

from reconfigure.clusterdir import batches, files, rivals
from reconfigure.planning.actions import Do
from reconfigure.rounds import failures, progress
from reconfigure.rounds.context import Context, Result
from reconfigure.rounds.steps import AFTER, WAVE, Step
from reconfigure.rounds.wait_ssh import Greetings, Settled

log = logging.getLogger(__name__)
ADDED_WAIT = 60.0  # seconds that a new machine has to answer on its SSH port
Lock = Callable[[], AbstractContextManager[None]]


class Batch:
    """The nodes that a round brings up. Begin it under the cluster's lock; `lock` takes that for a clean-up."""

    def __init__(self, context: Context, lock: Lock) -> None:
        self._context, self._lock, self._began = context, lock, time.monotonic()
        cluster, self.nodes = context.cluster, frozenset(context.well(context.plan.brought))
        self.claim = batches.claim(cluster.clusterdir, context.id, self.nodes)
        try:
            state = cluster.terraform.instances()
            # What its playbooks see: of others' nodes nothing, which may be removed meanwhile.
            seen = {name: asdict(i) for name, i in state.items() if name in self.nodes or name == "login"}
            files.write_json(self.claim.folder / batches.INSTANCES, seen)
        except BaseException:
            self.claim.close()
            raise
        self._ids = {name: instance.id for name, instance in state.items() if name in self.nodes}

    @property
    def id(self) -> str:
        """The id of the batch, which is that of its round."""
        return self.claim.id

    def carry_out(self) -> dict[str, str]:
        """Bring the nodes up and return why some failed; one that fails stops no other.

        Raise KiwiError or OSError where a step fails that is no node's, Abandoned where this process is about to end;
        the next round does what is left.
        """
        failed = dict[str, str]()
        try:
            for names, settled in self._waves():
                failed |= self._wave(names, settled)
        except BaseException:  # our own children must not go on without the nodes' locks
            rivals.end_batches(self.claim.clusterdir, [self.id])
            raise
        finally:
            self.claim.close()
        return failed

    def _waves(self) -> Iterator[tuple[set[str], Settled]]:
        """Yield nodes that are ready together, with what came of waiting for machines meanwhile."""
        cluster, plan = self._context.cluster, self._context.plan
        new = self.nodes & {*plan.made, *plan.of(Do.CONFIGURE)}  # of one that a killed run made nobody knows it yet
        addresses = {name: cluster.nodeset[name].address for name in sorted(new)}
        greetings = Greetings(addresses, self._ids, cluster.provider.observe, ADDED_WAIT)
        ready = set(self.nodes - new)
        while ready or greetings.silent:
            settled = self._await(greetings, others=bool(ready)) if greetings.silent else Settled()
            yield ready | settled.greeted, settled
            ready = set()

    def _await(self, greetings: Greetings, *, others: bool) -> Settled:
        began, context = time.monotonic(), self._context
        with progress.doing(self.claim.clusterdir, "machines", greetings.silent, self.id, batch=True):
            settled = greetings.next(self.claim.dropped, others=others)
        if names := settled.greeted | settled.failed.keys():
            seconds = round(time.monotonic() - began, 3)
            replace(context, claim=self.claim).write("machines", names, seconds=seconds)
        return settled

    def _wave(self, names: Collection[str], settled: Settled) -> Mapping[str, str]:
        """Make ready nodes nodes of the cluster, clean up after those that failed; then nobody waits for them here."""
        mine = {*names, *settled.failed}
        context = replace(
            self._context,
            plan=self._context.plan.only(mine),
            failed={},
            guarded=set(),
            given_up={},
            requeued=set(),
            claim=self.claim,
        )
        self._drop(context, settled.dropped)
        failures.note(context, "machines", Result(failed=settled.failed))
        for step in WAVE:
            _do(context, step)
        self.claim.release(context.well(mine))
        if context.failed:
            with self._lock():
                for step in AFTER:
                    _do(context, step)
        if mine:
            seconds = round(time.monotonic() - self._began, 3)
            context.write("done", mine, seconds=seconds, failed=sorted(context.failed))
        self.claim.release(mine)
        return context.failed

    def _drop(self, context: Context, names: Collection[str]) -> None:
        """Let nodes go that are to be removed: their machines stay as they are, for the round that does it."""
        if names:
            context.write("dropped", names)
            self.claim.release(names)


def _do(context: Context, step: Step) -> None:
    context.require()
    failures.note(context, step.name, step.run(context))
