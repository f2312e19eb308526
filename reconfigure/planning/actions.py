"""A plan: what is to be done with which node, and why. Nothing here does anything.

An Action is one thing that is done with one node. A node may have several
actions (a machine is created and then configured), but they never contradict
each other: `check` says what that means, and refuses a plan that does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from kiwi.common.errors import KiwiError


class Do(Enum):
    """What may be done with a node, in the order in which a round does it.

    What brings a node up for Slurm is a slurmd that registers, once Slurm powers it up
    (POWER_UP where it does not by itself): one does when its machine is made and
    configured, one that runs already is restarted (REGISTER).
    """

    LOST = "lost"  # Slurm is told `down`: the node's jobs are gone
    POWER_DOWN = "power_down"  # Slurm is told `power_down_force`
    SUSPEND = "suspend"  # Slurm is told `power_down`: a job that got it in this moment keeps it
    RETURN = "return"  # Slurm is told `resume`: what a crash set DOWN is in service again
    POWER_UP = "power_up"
    DRAIN = "drain"  # Slurm is told `drain`: left alone for a while (cooldown)
    UNDRAIN = "undrain"
    DRAIN_AGAIN = "drain again"  # a person's drain, which Slurm forgot where a killed driver powered the node down
    CLEAR = "clear"  # a machine that Terraform does not know of is removed
    FORGET = "forget"  # keys of a node that has no machine are removed
    CREATE = "create"
    REPLACE = "replace"
    DESTROY = "destroy"
    CONFIGURE = "configure"
    REGISTER = "register"
    REFUSE = "refused"  # a wish is not followed; nothing is done
    WAIT = "waits"  # a wish cannot be followed yet: who has to agree does not answer; nothing is done
    QUEUE = "queued"  # a wish waits until the batch that brings the node up has ended; nothing is done
    DROP = "dropped"  # that batch is told to let the node go, where it still waits for its machine
    FORCE = "forced"  # a person had it done although this is lost by it


MADE = (Do.CREATE, Do.REPLACE)
BROUGHT = (*MADE, Do.CONFIGURE, Do.REGISTER)
_SAID = (Do.REFUSE, Do.WAIT, Do.FORCE, Do.QUEUE)
OF_BUSY = (Do.REFUSE, Do.QUEUE, Do.DROP)  # all that may be said of a node that a batch brings up
_NOT_TOUCHING = (Do.FORGET, Do.DROP, *_SAID)
_APART = (  # of each group a node has one at the most
    (Do.CREATE, Do.REPLACE, Do.DESTROY),
    (Do.DESTROY, Do.CONFIGURE),
    (Do.DESTROY, Do.REGISTER),
    (Do.DRAIN, Do.UNDRAIN, Do.DRAIN_AGAIN),
    (Do.POWER_DOWN, Do.SUSPEND, Do.POWER_UP),
    (Do.LOST, Do.RETURN),
)


@dataclass(frozen=True)
class Action:
    """One thing to do with one node; `instance` names the machine that is cleared."""

    node: str
    do: Do
    why: str
    instance: str = ""


class PlanError(KiwiError):
    """A plan contradicts itself: a fault of the planning. Nothing was done."""


@dataclass(frozen=True)
class Plan:
    """What a round will do; `wanted` are the nodes that Terraform is told shall exist afterwards.

    `rewrite` says that the names Terraform is told now are those of a run that was killed.
    """

    actions: tuple[Action, ...] = ()
    wanted: tuple[str, ...] = ()
    rewrite: bool = False

    def of(self, *dos: Do) -> tuple[str, ...]:
        """Return the names of the nodes with which one of these is done, sorted, each once."""
        return tuple(sorted({action.node for action in self.actions if action.do in dos}))

    def reasons(self, do: Do) -> Mapping[str, str]:
        """Return why by node, of one kind of action."""
        return {action.node: action.why for action in self.actions if action.do is do}

    @property
    def made(self) -> tuple[str, ...]:
        """Nodes that get a new machine."""
        return self.of(*MADE)

    @property
    def brought(self) -> frozenset[str]:
        """Nodes that shall be up afterwards."""
        return frozenset(self.of(*BROUGHT))

    @property
    def targets(self) -> tuple[str, ...]:
        """Nodes whose machines Terraform makes or removes."""
        return self.of(*MADE, Do.DESTROY)

    @property
    def touched(self) -> frozenset[str]:
        """Nodes with which something is done."""
        return frozenset(action.node for action in self.actions if action.do not in _NOT_TOUCHING)

    @property
    def changes(self) -> bool:
        """Whether there is anything to do at all."""
        return self.rewrite or any(action.do not in _SAID for action in self.actions)

    def only(self, names: Collection[str]) -> Plan:
        """Return the part of it that is about some nodes."""
        return replace(self, actions=tuple(action for action in self.actions if action.node in names))

    def data(self) -> dict[str, Any]:
        """Return the plan as plain JSON."""
        actions = [{"node": a.node, "do": a.do.value, "why": a.why, "instance": a.instance} for a in self.actions]
        return {"actions": actions, "wanted": list(self.wanted), "rewrite": self.rewrite}


def check(plan: Plan) -> Plan:
    """Return the plan. Raise PlanError if it contradicts itself.

    No node is both made and destroyed, none that is destroyed is configured or
    registered, none is drained and undrained, and what is made is wanted while what is destroyed is not.
    """
    done: dict[str, set[Do]] = {}
    for action in plan.actions:
        done.setdefault(action.node, set()).add(action.do)
    for name, dos in done.items():
        for group in _APART:
            if len(both := [do.value for do in group if do in dos]) > 1:
                raise PlanError(f"the plan contradicts itself: {' and '.join(both)} {name}; nothing was done")
    wrong = (set(plan.made) - set(plan.wanted)) | (set(plan.of(Do.DESTROY)) & set(plan.wanted))
    if wrong:
        raise PlanError(f"the plan contradicts itself about {', '.join(sorted(wrong))}; nothing was done")
    return plan
