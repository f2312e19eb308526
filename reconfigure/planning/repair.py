"""What makes Terraform, the machines and Slurm agree where nobody asked for anything. Pure."""

from __future__ import annotations

from collections.abc import Collection

from reconfigure.planning.actions import MADE, Do, Plan
from reconfigure.planning.draft import Draft, Nodeset
from reconfigure.planning.observed import Observed
from reconfigure.planning.plan import AWAITED, bring
from reconfigure.slurm.nodes import SLURM_USER, Power, SlurmNode

DISK_FULL = "SlurmdSpoolDir is full"  # why slurmd drains its node, all of it; it does so again where it still is
SLURMD = ("root", SLURM_USER)  # who set it then
NO_ANSWER = "Not responding"  # Slurm's own word: a node that is DOWN for it is in service when slurmd registers


def sync(
    nodeset: Nodeset, observed: Observed, persistent: Collection[str], *, force: bool = False, alone: bool = False
) -> Plan:
    """Decide about every node; `persistent` are those that are always up, the login node among them.

    `force`: also what somebody loses a job or a booking by (guard.py). `alone`: nobody runs main.yml
    afterwards, so that the round configures the login node, too, and makes only what Slurm knows of
    already; machines that run though Slurm has them powered down may still be registering, and stay (`strays`).
    """
    slurm = observed.slurm or {}
    later = () if alone else _unheard_of(nodeset, slurm)
    draft = Draft(nodeset, observed, force=force, alone=alone, later=later)
    for name in sorted({*persistent, *observed.state, *slurm}):
        node = slurm.get(name)
        off = node is not None and node.power is Power.POWERED_DOWN
        awaited = name in nodeset and name not in persistent and observed.awaited(name)
        if name in persistent:
            if not alone or draft.may_keep(name):
                _keep(draft, name, node)
        elif awaited:
            bring(draft, name, AWAITED)
        elif name in observed.state and (not observed.healthy(name) or (off and not alone)):
            # beyond min_nodes: dead, or it runs while Slurm has it powered down
            dead = not observed.healthy(name)
            draft.add(name, Do.DESTROY, "its machine does not run" if dead else "Slurm has it powered down")
        if node is not None and name in nodeset and not awaited:
            _agree(draft, name, node)
        full = node is not None and node.drained and node.reason == DISK_FULL and node.reason_user in SLURMD
        if full and name not in observed.drains:
            draft.add(name, Do.UNDRAIN, "slurmd drained it for a full disk, and does so again where it still is")
    return draft.finish()


def _unheard_of(nodeset: Nodeset, slurm: Collection[str]) -> Collection[str]:
    """Return the nodes that Slurm, which answers, does not know: no slurmd starts there before main.yml has told it."""
    return {name for name, node in nodeset.items() if slurm and node.role == "slurm" and name not in slurm}


def _keep(draft: Draft, name: str, node: SlurmNode | None) -> None:
    """Decide what has a node up that is always up; one that was taken out of service stays off where it is off."""
    observed = draft.observed
    ours = draft.nodeset[name].role == "slurm"  # whatever Slurm says of other nodes
    if ours and node is not None and node.power.off and (node.drained or node.kept):
        return
    if node is not None and node.power is Power.POWERED_DOWN:
        draft.add(name, Do.POWER_UP, "it is always up, and Slurm does not have it so")
    if not observed.healthy(name):
        draft.make(name, "it is always up, and has no machine that runs")
        return
    used = (node is not None and node.runs_job) or name in (observed.bookings or {})
    if name in observed.new and not used:  # where its configuration fails, its machine is given up
        draft.add(name, Do.CONFIGURE, "it was made and never configured")
    if node is not None and node.power not in (Power.UP, Power.POWERING_DOWN):
        draft.add(name, Do.REGISTER, "it is always up, and Slurm does not have it so")


def _agree(draft: Draft, name: str, node: SlurmNode) -> None:
    """Have Slurm give up jobs whose machine is gone or was made anew, and nodes without a machine.

    A node that is set DOWN loses its jobs at once (scontrol(1)); power_down_force alone leaves them.
    One that is made anew comes back by itself (NO_ANSWER).
    """
    observed, made = draft.observed, draft.has(name, *MADE)
    gone = not made and (draft.has(name, Do.DESTROY) or not (name in observed.state or observed.runs(name)))
    lost = name in observed.running and (gone or made or name in observed.remade)
    if lost or (gone and node.completing):
        draft.add(name, Do.LOST, NO_ANSWER)
        if not made and observed.healthy(name):
            draft.add(name, Do.REGISTER, "its machine was made anew while Slurm was away")
    if gone and (node.power is Power.UP or draft.has(name, Do.LOST)):
        draft.add(name, Do.POWER_DOWN, "its machine is gone (reconfigure sync)")


def strays(observed: Observed, persistent: Collection[str]) -> frozenset[tuple[str, str]]:
    """Return the nodes beyond min_nodes, with their instance, that Slurm has powered down and gives no job.

    Nobody asks for their end: a wish got lost, or slurmd registered while Slurm was powering the node down.
    """
    nodes = {name: observed.slurm_node(name) for name in observed.state.keys() - set(persistent) - observed.busy}
    left = (name for name, node in nodes.items() if node and node.power is Power.POWERED_DOWN and not node.has_job)
    return frozenset((name, observed.state[name].id) for name in left)
