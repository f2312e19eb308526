"""What to do about wishes: requests of Slurm's hooks, or a person's. Pure.

The rules of one kind of wish are one function each (`_RULES`); what killed runs
left of any node is decided in draft.py, what nobody wishes in repair.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kiwi.common import hostlist
from reconfigure.model.request import Request
from reconfigure.planning import guard
from reconfigure.planning.actions import Do, Plan
from reconfigure.planning.draft import Draft, Nodeset
from reconfigure.planning.observed import Observed
from reconfigure.slurm.nodes import Power

ASKED = "Slurm asked for it"
AWAITED = "Slurm is powering it up, and it is not there"
UNDONE = (Do.REFUSE, Do.WAIT)  # a wish that is not followed, or not yet
BUSY = "it is being brought up"
REMOVED = ("suspend", "resume_fail")
UNHEARD = "Slurm does not answer, so it cannot be told; nothing was made (bin/up brings Slurm back)"
NO_LOGIN = "the login node does not run; bin/up brings it back"


def merge(requests: Iterable[Request]) -> dict[str, str]:
    """Return the last wish for each node, of requests in order."""
    wishes: dict[str, str] = {}
    for request in requests:
        wishes.update({name: request.kind for name in hostlist.expand(request.nodes)})
    return wishes


def plan(
    nodeset: Nodeset, observed: Observed, wishes: Mapping[str, str], *, by_hand: bool = False, force: bool = False
) -> Plan:
    """Decide about the wished nodes, and about what a killed run left of any.

    `wishes` are kinds of requests by node. `by_hand`: they are a person's, so
    Slurm has to be told of them, and what Slurm waits for is left to it. `force`: they are
    followed although somebody loses a job or a booking by it (guard.py).
    """
    draft = Draft(nodeset, observed, force=force)
    for name, kind in sorted(wishes.items()):
        if name in observed.busy:
            _queue(draft, name, kind, by_hand)
        elif name in nodeset:
            _RULES[kind](draft, name, kind, by_hand)
        else:
            draft.add(name, Do.REFUSE, f"unknown node; nodes are {hostlist.fold(nodeset)}")
    for name in sorted((observed.slurm or {}).keys() & nodeset.keys() - wishes.keys()):
        if not by_hand and observed.awaited(name):
            bring(draft, name, AWAITED)
    return draft.finish()


def _queue(draft: Draft, name: str, kind: str, by_hand: bool) -> None:
    """Have a wish about a node wait until its batch has ended, which the wish to remove it hastens."""
    draft.add(name, Do.QUEUE, BUSY)
    node = draft.observed.slurm_node(name)
    if by_hand:
        goes = draft.force or node is None or not node.allocated
    else:
        goes = node is not None and (node.down or node.power.off) and not node.allocated
    if kind in REMOVED and goes:
        draft.add(name, Do.DROP, "it is to be removed")


def bring(draft: Draft, name: str, why: str, *, power_up: bool = False) -> None:
    """Decide what brings a node up: a machine, its configuration, a slurmd that registers.

    `power_up`: the wish is not Slurm's own, so that Slurm has to be told to power it up.
    """
    observed, node = draft.observed, draft.observed.slurm_node(name)
    if not observed.healthy("login") and draft.nodeset[name].role != "login":
        draft.add(name, Do.REFUSE, NO_LOGIN)
    elif not observed.healthy(name):
        draft.make(name, why)
    else:
        if name in observed.new:
            draft.add(name, Do.CONFIGURE, "it was made and never configured")
        if node is not None and (node.power.rising or (power_up and node.power.off)):
            # also a new one: it may have registered before Slurm asked for it
            draft.add(name, Do.REGISTER, "Slurm waits for its slurmd")
    if power_up and node is not None and node.power is Power.POWERED_DOWN and not draft.has(name, Do.REFUSE):
        draft.add(name, Do.POWER_UP, why)


def _resume(draft: Draft, name: str, kind: str, by_hand: bool) -> None:
    if by_hand and _unheard(draft, name):
        draft.add(name, Do.WAIT, UNHEARD)
    else:
        bring(draft, name, "asked for by hand" if by_hand else ASKED, power_up=by_hand)


def _unheard(draft: Draft, name: str) -> bool:
    """Return whether Slurm, which would have to be told of a node, should answer and does not."""
    observed = draft.observed
    return draft.nodeset[name].role == "slurm" and observed.configured("login") and observed.slurm is None


def _reboot(draft: Draft, name: str, kind: str, by_hand: bool) -> None:
    """`scontrol reboot`: a new machine from the newest image in place of the old one."""
    node = draft.observed.slurm_node(name)
    if draft.nodeset[name].role != "slurm":
        draft.add(name, Do.REFUSE, "only nodes of Slurm partitions are made anew by a reboot")
    elif node is not None and node.allocated:
        draft.add(name, Do.REFUSE, guard.allocated(node))
    elif node is not None and node.power.off:
        draft.add(name, Do.REFUSE, f"it is powered down (Slurm has it {node.state})")
    else:
        draft.make(name, "asked for by scontrol reboot")


def _remove(draft: Draft, name: str, kind: str, by_hand: bool) -> None:
    """`suspend` and `resume_fail`: the machine goes, unless a job has the node or Slurm wants it up again."""
    observed, node = draft.observed, draft.observed.slurm_node(name)
    if draft.nodeset[name].role == "login":
        draft.add(name, Do.REFUSE, "the login node stays as long as the cluster; see `reconfigure down`")
        return
    awaited = observed.awaited(name) and not by_hand
    if awaited:
        bring(draft, name, AWAITED)  # the wish before this one, which this one must not undo
    if node is not None and node.allocated and not draft.force:
        draft.add(name, Do.REFUSE, guard.allocated(node))
    elif node is not None and not by_hand and (awaited or (not node.down and not node.power.off)):
        draft.add(name, Do.REFUSE, f"Slurm wants it up again (it has it {node.state})")
    else:
        _destroy(draft, name, kind, by_hand)


def _destroy(draft: Draft, name: str, kind: str, by_hand: bool) -> None:
    node = draft.observed.slurm_node(name)
    if name in draft.observed.state:
        given_up = "it did not come up within ResumeTimeout"
        draft.add(name, Do.DESTROY, given_up if kind == "resume_fail" else "asked to be removed")
    if by_hand and kind == "suspend" and node is not None and not node.power.off:
        draft.add(name, Do.POWER_DOWN if draft.force else Do.SUSPEND, "suspended by hand (reconfigure suspend)")
    if kind == "resume_fail" and node is not None and node.down and node.power is Power.POWERED_DOWN:
        draft.add(name, Do.POWER_DOWN, "it did not come up within ResumeTimeout")


_RULES: Mapping[str, Callable[[Draft, str, str, bool], None]] = {
    "resume": _resume,
    "suspend": _remove,
    "resume_fail": _remove,
    "reboot": _reboot,
}
