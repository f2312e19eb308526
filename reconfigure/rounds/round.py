"""Apply: a plan carried out on a cluster, step by step journaled."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kiwi.common.errors import KiwiError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import files, journal
from reconfigure.model import hostlist
from reconfigure.model.node import Node
from reconfigure.model.request import Request
from reconfigure.planning import cooldown
from reconfigure.planning.plan import Observed, Plan
from reconfigure.rounds import playbook, progress, wait_ssh
from reconfigure.site import releases
from reconfigure.slurm import controller
from reconfigure.ssh import authority
from reconfigure.terraform import client as terraform
from reconfigure.terraform.client import TerraformError

log = logging.getLogger(__name__)
ADDED_WAIT = 60.0  # seconds that a new machine has to answer on its SSH port
ROOM = 64 << 20  # bytes that must be free on the control host's disk to make machines
LITTLE_ROOM = 4 << 20  # bytes for anything that Terraform does: its state is written anew


@dataclass(frozen=True)
class Outcome:
    """What a round did: reason by node that failed, whether anything changed."""

    failed: Mapping[str, str] = field(default_factory=dict)
    changed: bool = False


class Round:
    """One plan carried out; use under the lock."""

    def __init__(self, cluster: Cluster, plan: Plan, observed: Observed, waiting: Sequence[Request] = ()) -> None:
        self.cluster, self.plan, self.observed, self.waiting = cluster, plan, observed, waiting
        self.requests = [request.id for request in waiting]
        self.id = journal.new_round()
        self.failed: dict[str, str] = {}
        self.requeued: set[int] = set()
        self.given_up: dict[str, str] = {}
        self.changed = False

    def carry_out(self) -> Outcome:
        """Do all of the plan; a node that fails stops no other. Returns what came of it."""
        began = time.monotonic()
        if self.plan.changes:
            self._journal("round", self.plan.touched, command=" ".join(["reconfigure", *sys.argv[1:]]))
        self._do()
        if self.plan.changes:
            seconds = round(time.monotonic() - began, 3)
            self._journal("done", self.plan.touched, seconds=seconds, failed=sorted(self.failed))
        return Outcome(dict(self.failed), self.changed)

    def _do(self) -> None:
        self._tell_all(self.plan.lost, "down")
        self._tell_all(self.plan.power_down, "power_down_force")
        self._tell_all(self.plan.drain, "drain")
        self._tell(self.plan.undrain, "undrain")
        self._clear(self.plan.clear)
        authority.forget(self.cluster.clusterdir, self.plan.forget)
        self._terraform()
        self._wait()
        self._configure()
        self._register()
        self._clean_up()
        self._give_up_jobs()
        if self.requeued:  # once more: one that ran already is requeued, and delayed, only when its processes are gone
            self.cluster.controller.start_now(self.requeued)
        if self.observed.slurm is not None:
            authority.told(self.cluster.clusterdir, self.observed.remade)

    def _journal(self, event: str, nodes: Iterable[str], **details: object) -> None:
        """Write an event of this round, which its id joins to the requests it is for."""
        journal.write(self.cluster.clusterdir, event, nodes, round=self.id, requests=self.requests, **details)

    @contextmanager
    def _step(self, event: str, nodes: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Journal a step with its duration; what the caller puts into the mapping goes along."""
        began, notes = time.monotonic(), dict[str, Any]()
        try:
            with progress.doing(self.cluster.clusterdir, event, nodes, self.id):
                yield notes
        finally:
            self._journal(event, nodes, seconds=round(time.monotonic() - began, 3), **notes)

    def _tell_all(self, reasons: Mapping[str, str], state: str) -> None:
        for why in sorted(set(reasons.values())):
            self._tell([name for name, told in reasons.items() if told == why], state, why)

    def _tell(self, names: Iterable[str], state: str, reason: str = "") -> None:
        names = self.cluster.slurm(names)
        if names and self.observed.slurm is not None:
            with self._step("slurm", names) as notes:
                notes.update(state=state, reason=reason)
                if state == "power_down_force":
                    self.given_up |= dict.fromkeys(names, reason)
                self.changed = self.cluster.controller.tell(names, state, reason) is None or self.changed

    def _clear(self, residue: Iterable[tuple[str, str]]) -> None:
        for name, instance in residue:
            with self._step("clear", [name]) as notes:
                notes["instance"] = instance
                self.cluster.provider.clear(name, instance)
                self.changed = True

    def _terraform(self) -> None:
        """Make and remove machines; what cannot even be planned is the fault of all targets."""
        plan, clusterdir = self.plan, self.cluster.clusterdir
        if not plan.targets:
            self._write_names(plan.wanted)
            return
        self.changed = True
        with self._step("terraform", plan.targets) as notes:
            notes.update(create=plan.create, replace=plan.replace, destroy=plan.destroy)
            try:
                files.require_room(clusterdir.path, ROOM if plan.made else LITTLE_ROOM)
                self._write_names(plan.wanted)
                self._prepare()
                applied = self._apply_targets()
            except (KiwiError, OSError) as exc:
                applied = terraform.Applied(faults=(_words(exc),))
            notes["failed"] = applied.failed
        self._note_failures(applied, plan.targets)
        authority.forget(clusterdir, set(plan.destroy) - self.failed.keys())

    def _prepare(self) -> None:
        """Make this host and the identities of new machines ready."""
        clusterdir, made = self.cluster.clusterdir, self.plan.made
        if made:
            self.cluster.provider.prepare()
        for name in made:
            authority.identity(clusterdir, self.cluster.nodeset[name])
            releases.note(clusterdir, self.cluster.nodeset[name])
            if self.observed.slurm is None:
                authority.remake(clusterdir, name)
        if "login" in made:  # main.yml configures all of them
            authority.known(clusterdir, authority.new(clusterdir))

    def _apply_targets(self) -> terraform.Applied:
        """Apply the plan's targets; nodes that cannot be planned for fail, the others go on."""
        try:
            return self._apply(self.plan.targets)
        except TerraformError as exc:
            failed = {name: why for name in self.plan.targets if (why := self._fault(name))}
            if not failed:
                raise exc
        others = [name for name in self.plan.targets if name not in failed]
        applied = self._apply(others) if others else terraform.Applied()
        return terraform.Applied({**applied.failed, **failed}, applied.faults, frozenset(failed))

    def _fault(self, name: str) -> str:
        """Why Terraform cannot plan for this node; empty where it can (its messages name no node)."""
        try:
            self.cluster.terraform.plan([name])
        except TerraformError as exc:
            return str(exc)
        return ""

    def _apply(self, targets: Sequence[str]) -> terraform.Applied:
        """Save a plan for some of the round's targets, check it, apply it."""
        replace = [self.observed.state[name].address for name in targets if name in self.plan.replace]
        changes = self.cluster.terraform.plan(targets, replace)
        terraform.check(changes, self.plan.made, (*self.plan.replace, *self.plan.destroy))
        return self.cluster.terraform.apply() if changes else terraform.Applied()

    def _note_failures(self, applied: terraform.Applied, targets: Iterable[str]) -> None:
        """Tell Slurm at once of nodes that could not be made; a fault of no node is all targets' fault."""
        failed = dict(applied.failed)
        if applied.faults:
            failed = {name: "; ".join(applied.faults) for name in targets} | failed
        impossible = {name: why for name, why in failed.items() if name in applied.impossible}
        self._fail("terraform", impossible, permanent=True)
        self._fail("terraform", failed)

    def _fail(self, step: str, reasons: Mapping[str, str], *, permanent: bool = False) -> None:
        """Note failures, those of one reason together, and tell Slurm of nodes it waits for."""
        fresh = {name: reason for name, reason in reasons.items() if name not in self.failed}
        self.failed |= fresh
        self._leave_alone(fresh, permanent)
        for reason in dict.fromkeys(fresh.values()):
            names = sorted(name for name in fresh if fresh[name] == reason)
            log.error("%s: failed: %s", hostlist.fold(names), reason)
            self._journal("failed", names, step=step, reason=reason)
            self._tell([n for n in names if n in self.plan.brought], "power_down_force", reason[:200].replace('"', "'"))
        self._start_jobs(fresh)

    def _leave_alone(self, fresh: Mapping[str, str], permanent: bool) -> None:
        """Begin or prolong the cooldown of Slurm nodes that did not come up, and of their like."""
        reasons = {name: fresh[name] for name in self.cluster.slurm(self.plan.brought & fresh.keys())}
        if permanent:
            reasons |= self._like(reasons)
        if reasons:
            cooldown.failed(self.cluster.clusterdir, reasons, time.time(), permanent=permanent)

    def _like(self, reasons: Mapping[str, str]) -> dict[str, str]:
        """Nodes without a machine that would be made in the same way as those that cannot be."""
        nodes, there = self.cluster.nodeset, self.observed.state.keys() | self.plan.brought
        causes = {_kind(nodes[name]): why for name, why in reasons.items()}
        return {n: causes[_kind(nodes[n])] for n in nodes.keys() - there if _kind(nodes[n]) in causes}

    def _start_jobs(self, failed: Iterable[str]) -> None:
        """Slurm delays a job that it requeues by a minute; what failed was a node, not the job."""
        names = set(self.cluster.slurm(self.plan.brought & set(failed)))
        if jobs := {job for request in self.waiting for job in request.jobs_waiting_for(names)}:
            with self._step("requeue", names) as notes:
                notes["jobs"] = sorted(jobs)
                self.cluster.controller.start_now(jobs)
            self.requeued |= jobs

    def _wait(self) -> None:
        """Wait until the new machines answer; one that stops fails at once with its fault."""
        there = [name for name in self.plan.made if name not in self.failed]
        if not there:
            return
        addresses = {name: self.cluster.nodeset[name].address for name in there}
        ids = {name: i.id for name, i in self.cluster.terraform.instances().items() if name in there}
        with self._step("machines", there):
            self._fail("machines", wait_ssh.wait(addresses, ids, self.cluster.provider.observe, ADDED_WAIT))

    def _configure(self) -> None:
        there = [name for name in self.plan.configure if name not in self.failed]
        if not there:
            return
        with self._step("playbook", there) as notes:
            variables = self.cluster.site.data
            run = playbook.run(self.cluster.clusterdir, "node.yml", variables, limit=",".join(there))
            notes["failed"] = run.failed
        lost = {n: run.failed.get("", "the playbook did not reach it") for n in set(there) - run.reached}
        self._fail("playbook", {name: why for name, why in {**lost, **run.failed}.items() if name})
        authority.known(self.cluster.clusterdir, set(there) - self.failed.keys())
        cooldown.well(self.cluster.clusterdir, set(there) - self.failed.keys())
        self.changed = True

    def _register(self) -> None:
        """Have slurmd of running nodes register anew."""
        for name in sorted(set(self.plan.register) - self.failed.keys()):
            with self._step("register", [name]):
                why = controller.register(self.cluster.clusterdir, self.cluster.nodeset[name])
            self.changed = True
            self._fail("register", {name: why} if why else {})

    def _clean_up(self) -> None:
        """Remove what failed to be made, so that the state holds whole machines only."""
        broken = sorted(self.failed.keys() & self.plan.brought)
        if not broken:
            return
        with self._step("cleanup", broken):
            state = self.cluster.terraform.instances()
            for name in broken:
                self.cluster.provider.clear(name, state[name].id if name in state else None)
            self._write_names(sorted(set(state) - set(broken)))
            there = [name for name in broken if name in state]
            if there:
                terraform.check(self.cluster.terraform.plan(there), (), there)
                self.cluster.terraform.apply()
            authority.forget(self.cluster.clusterdir, broken)

    def _give_up_jobs(self) -> None:
        """Have Slurm not wait for the end of jobs whose machine was removed: nobody is left to tell of it."""
        gone = self.given_up.keys() - (self.failed.keys() - self.plan.brought)  # of those the machine may be there
        nodes = (gone and self.cluster.controller.nodes()) or {}
        reasons = {name: self.given_up[name] for name in gone & nodes.keys() if nodes[name].completing}
        self._tell_all(reasons, "down")
        self._tell_all(reasons, "power_down_force")

    def _write_names(self, names: Iterable[str]) -> None:
        files.write_json(self.cluster.clusterdir.names, {"nodes": sorted(set(names) & self.cluster.nodeset.keys())})


def _kind(node: Node) -> tuple[str, str, str]:
    """What the making of a node's machine depends on."""
    return node.partition, node.image, node.flavor


def _words(exc: KiwiError | OSError) -> str:
    """An error as one sentence of a reason."""
    return f"{exc.strerror} ({exc.filename})" if isinstance(exc, OSError) and exc.strerror else str(exc)
