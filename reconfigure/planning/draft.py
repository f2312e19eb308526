"""A plan while it is made: decisions by node, and what follows from them for the cluster as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from reconfigure.model.node import Node
from reconfigure.planning import cooldown, guard
from reconfigure.planning.actions import MADE, OF_BUSY, Action, Do, Plan, check
from reconfigure.planning.guard import Stop
from reconfigure.planning.observed import Observed
from reconfigure.slurm.nodes import SLURM_USER, Power, SlurmNode

Nodeset = Mapping[str, Node]
FORGOTTEN = "it is powered down, and Slurm waits for its slurmd all the same"  # after a drain was taken back (24.11)
HALF_MADE = "its machine was never wholly made"


class Draft:
    """Decisions about the nodes of one observation; the first decision of a kind for a node counts.

    `alone`: nobody runs main.yml afterwards, so that the login node is configured in the round, too. `later`: nodes
    that main.yml configures.
    """

    def __init__(
        self,
        nodeset: Nodeset,
        observed: Observed,
        *,
        force: bool = False,
        alone: bool = False,
        later: Collection[str] = (),
    ) -> None:
        self.nodeset, self.observed, self.force = nodeset, observed, force
        self._alone, self._later = alone, later
        self._actions: dict[tuple[str, Do, str], Action] = {}

    def add(self, name: str, do: Do, why: str, instance: str = "") -> None:
        """Decide to do something with a node, unless a batch brings it up."""
        if name in self.observed.busy and do not in OF_BUSY:
            return
        self._actions.setdefault((name, do, instance), Action(name, do, why, instance))

    def make(self, name: str, why: str) -> None:
        """Decide to make a node's machine, in place of the old one where Terraform has one."""
        self.add(name, Do.REPLACE if name in self.observed.state else Do.CREATE, why)

    def has(self, name: str, *dos: Do) -> bool:
        """Return whether one of these was decided for a node."""
        return any((name, do, "") in self._actions for do in dos)

    def may_keep(self, name: str) -> bool:
        """Return whether a node may be brought up without main.yml.

        Not one that is left alone, and not one that the controller does not know: its
        configuration may be an older one, if it is not made anew in the same round.
        """
        observed, controller = self.observed, self.observed.configured("login")
        if name in observed.held or (not controller and "login" in observed.held):
            return False
        return self.nodeset[name].role != "slurm" or not controller or observed.slurm_node(name) is not None

    def finish(self) -> Plan:
        """Return the plan: the decisions, and what killed runs left of any node. Raise PlanError if it is not sound."""
        self._left()
        self._guard()
        self._configure()
        self._return()
        self._cooldown()
        made, destroyed = self._names(*MADE), self._names(Do.DESTROY)
        state, written = self.observed.state.keys(), self.observed.written
        wanted = (state | made) - destroyed
        for name in self.observed.identities - state - made:
            if not self.observed.runs(name):
                self.add(name, Do.FORGET, "it has no machine")
        rewrite = written is not None and written != wanted and wanted == state
        order = list(Do)
        actions = sorted(self._actions.values(), key=lambda a: (order.index(a.do), a.node, a.instance))
        return check(Plan(tuple(actions), tuple(sorted(wanted)), rewrite))

    def _names(self, *dos: Do) -> set[str]:
        return {name for name, do, _ in self._actions if do in dos}

    def _left(self) -> None:
        """Decide about what nobody asks for: machines of no node, half-made ones, those that Terraform lost."""
        for name, entry in self.observed.state.items():
            if (name not in self.nodeset or entry.tainted) and not self.has(name, *MADE):
                self.add(name, Do.DESTROY, HALF_MADE if entry.tainted else "it is no longer in the nodeset")
        known = {entry.id for entry in self.observed.state.values()}
        for machine in self.observed.machines:
            if machine.instance not in known:
                self.add(machine.name, Do.CLEAR, "Terraform does not know its machine", machine.instance)

    def _guard(self) -> None:
        """Have every removal of a machine pass the guard: what is stopped is not done, nor is anything else there.

        Leftovers that do not run are cleared all the same.
        """
        running = {machine.instance for machine in self.observed.machines if machine.state == "running"}
        cleared = {name for name, do, instance in self._actions if do is Do.CLEAR and instance in running}
        lost = guard.unexplained(self.observed, cleared)
        for name in sorted(self._names(*MADE, Do.DESTROY) | cleared):
            found = Stop(lost) if lost and name in cleared else guard.stop(self.nodeset, self.observed, name)
            if found is not None and self.force:
                self.add(name, Do.FORCE, found.why)
            elif found is not None:
                self._actions = {k: a for k, a in self._actions.items() if a.node != name or _leftover(a, running)}
                self.add(name, Do.WAIT if found.passing else Do.REFUSE, found.why)

    def _configure(self) -> None:
        """Decide which machines are configured: where the login node is made anew, main.yml does it, if it is run."""
        made = self._names(*MADE)
        if not self._alone and ("login" in made or not self.observed.healthy("login")):
            self._actions = {key: action for key, action in self._actions.items() if action.do is not Do.CONFIGURE}
            return
        for name in made:
            self.add(name, Do.CONFIGURE, "its machine is new")
        for name in self.observed.new - self._names(Do.DESTROY) - made:
            if _half_configured(self.observed, name):
                self.add(name, Do.CONFIGURE, "slurmd registered before it was wholly configured")
        self._actions = {
            key: action
            for key, action in self._actions.items()
            if action.do is not Do.CONFIGURE or action.node not in self._later
        }

    def _return(self) -> None:
        """Decide which nodes that a crash set DOWN are in service again: Slurm brings back few of them by itself.

        One that is off and stays so is powered down once more: by `resume` alone Slurm (seen on 24.11) would wait for
        its slurmd, and give it no job for minutes.
        """
        for name, node in (self.observed.slurm or {}).items():
            off = node.power is Power.POWERED_DOWN
            well = node.power is Power.UP and node.responds and self.observed.configured(name)
            if _forgotten(node) and not self.has(name, Do.POWER_UP):
                self.add(name, Do.POWER_DOWN, FORGOTTEN)
            if not node.crashed or not (off or well) or self.has(name, Do.LOST, Do.POWER_DOWN):
                continue
            if well:
                self.add(name, Do.RETURN, "its machine runs again")
            else:
                again = Do.RETURN if self.has(name, Do.POWER_UP) else Do.POWER_DOWN
                self.add(name, again, "it is powered down, and may be made anew")

    def _cooldown(self) -> None:
        """Decide which nodes are left alone, and which are given back: only what the driver itself has drained.

        What a person had drained is drained again first, with their reason.
        """
        held = self.observed.held
        for name, why in self.observed.drains.items():
            if self.observed.slurm_node(name) is not None:
                self.add(name, Do.DRAIN_AGAIN, why)
        for name, why in held.items():
            if _may_drain(self.observed.slurm_node(name)) and not self.has(name, Do.DRAIN_AGAIN):
                self.add(name, Do.DRAIN, why)
        for name, node in (self.observed.slurm or {}).items():
            ours = node.reason_user == SLURM_USER and cooldown.MARK in node.reason
            if node.drained and ours and name not in held and not self.has(name, Do.DRAIN_AGAIN):
                self.add(name, Do.UNDRAIN, "its cooldown is over")


def _leftover(action: Action, running: Collection[str]) -> bool:
    """Return whether an action removes what is left of a machine that does not run."""
    return action.do is Do.CLEAR and action.instance not in running


def _forgotten(node: SlurmNode) -> bool:
    """Return whether Slurm waits for the slurmd of a node that is off, and gives it no job for that alone."""
    off = node.power is Power.POWERED_DOWN and not node.responds
    return off and not (node.down or node.drained or node.has_job)


def _half_configured(observed: Observed, name: str) -> bool:
    """Return whether slurmd registered but the driver was killed before configuration ended.

    Nobody would ask for it again. Not while it has a job: where its configuration fails, the node is given up.
    """
    node = observed.slurm_node(name)
    if node is None or not observed.healthy(name):
        return False
    return node.power is Power.UP and not node.down and not node.allocated


def _may_drain(node: SlurmNode | None) -> bool:
    """Return whether a drain lasts, and takes nothing of a person's away.

    Slurm forgets one that was set before powering down ended (seen on 24.11).
    """
    return node is not None and node.power is Power.POWERED_DOWN and not node.drained and not node.kept
