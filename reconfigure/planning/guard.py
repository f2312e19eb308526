"""What every removal of a machine passes, whoever asks: nothing allocated, booked or unexplained goes. Pure.

A machine that does not run has nothing to lose. Of one that runs, the scheduler
that hands it out is asked: Slurm, or the bookings. One that does not answer has
not agreed. Only a person's `--force` goes past this, and is told what is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kiwi.common import hostlist
from reconfigure.model.node import Node
from reconfigure.planning.observed import Observed
from reconfigure.slurm.nodes import SlurmNode

HANDFUL = 3  # machines that ran as nodes and that Terraform does not know of: more of them are a lost state
SILENT = "Slurm does not answer, so a job may run there; when it answers again (bin/up brings it back), try again"
UNASKED = "its bookings cannot be asked for, so somebody may hold it; when the login node answers again, try again"


@dataclass(frozen=True)
class Stop:
    """Why a machine stays. `passing`: only until its scheduler answers, so the wish waits."""

    why: str
    passing: bool = False


def stop(nodeset: Mapping[str, Node], observed: Observed, name: str) -> Stop | None:
    """Return why the machine of a node must not be removed or replaced; None where it may be.

    A node that is no longer in the nodeset may have been any scheduler's, so each of them is asked.
    """
    if not observed.runs(name) or _never_used(observed, name):
        return None
    out = name not in nodeset  # it goes when it is free, and nobody has to ask again
    roles = {nodeset[name].role} if name in nodeset else {node.role for node in nodeset.values()}
    found = _jobs(observed, name) if "slurm" in roles else None
    found = found or (_bookings(observed, name) if "booking" in roles else None)
    return replace(found, passing=found.passing or out) if found else None


def _never_used(observed: Observed, name: str) -> bool:
    """Return whether the making of its machine was killed before it could become a node."""
    entry = observed.state.get(name)
    return name in observed.new and (entry is None or entry.tainted)


def _jobs(observed: Observed, name: str) -> Stop | None:
    node = observed.slurm_node(name)
    if not observed.slurm:  # an answer that names no node at all says nothing of this one
        return Stop(SILENT, passing=True)
    return Stop(allocated(node)) if node is not None and node.runs_job else None


def _bookings(observed: Observed, name: str) -> Stop | None:
    if observed.bookings is None:
        return Stop(UNASKED, passing=True)
    if name in observed.bookings:
        return Stop(f"{observed.bookings[name]}; they give it back with: kiwi kill -w {name}")
    return None


def allocated(node: SlurmNode) -> str:
    """Return what is said of a node that has a job."""
    return f"it is allocated to a job (Slurm has it {node.state}); end the job first"


def unexplained(observed: Observed, names: Iterable[str]) -> str:
    """Return why none of these machines is cleared, that run and that Terraform does not know; "" where they may be.

    Machines that never became nodes are what a killed run left. Where the state names no machine at all, or more than
    a handful are missing from it, it is the state that was lost.
    """
    lost = sorted({name for name in names if observed.runs(name) and name not in observed.new})
    if not lost or (observed.state and len(lost) <= HANDFUL):
        return ""
    what = "does not name them" if observed.state else "names no machine"
    return (
        f"{hostlist.fold(lost)} run, and Terraform's state {what}: was terraform.tfstate lost? "
        "`reconfigure sync --adopt` writes them into it again, `reconfigure sync --force` removes them"
    )
