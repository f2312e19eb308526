"""What to do, decided without doing it: wishes and what is observed become a frozen Plan."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from reconfigure.model import hostlist
from reconfigure.model.node import Node
from reconfigure.model.request import Request
from reconfigure.planning import cooldown
from reconfigure.providers.base import Machine
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.terraform.events import Instance

Nodeset = Mapping[str, Node]
DISK_FULL = "SlurmdSpoolDir is full"  # why slurmd drains its node; it does so again where it still is


@dataclass(frozen=True)
class Observed:
    """What is: Terraform's state, machines, Slurm's states (None: it does not answer).

    `new` are machines that were made and never configured, `remade` were
    made while Slurm was away; `running` are nodes that Slurm believes run a job.
    `identities` are nodes that have keys here, `written` the names that Terraform
    is told shall exist (None: the same as the state), `held` those that failed and
    are left alone (reason by name).
    """

    state: Mapping[str, Instance]
    machines: tuple[Machine, ...]
    slurm: Mapping[str, SlurmNode] | None = None
    new: frozenset[str] = frozenset()
    remade: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()
    written: frozenset[str] | None = None
    held: Mapping[str, str] = field(default_factory=dict)

    def healthy(self, name: str) -> bool:
        """In the state, whole, and its machine runs."""
        entry = self.state.get(name)
        return entry is not None and not entry.tainted and self._runs(name, entry.id)

    def _runs(self, name: str, instance: str) -> bool:
        return any(m.name == name and m.instance == instance and m.state == "running" for m in self.machines)

    def slurm_node(self, name: str) -> SlurmNode | None:
        return (self.slurm or {}).get(name)


@dataclass(frozen=True)
class Plan:
    """What a round will do; names are sorted. `refused` and `power_down` carry reasons.

    What brings a node up for Slurm is a slurmd that registers, also where Slurm had
    powered it down (seen on 24.11): one does when its machine is made and configured,
    one in `register` has to be restarted. `forget` are identities of no machine, `rewrite`
    says that the names Terraform is told are those of a run that was killed.
    """

    wanted: tuple[str, ...] = ()
    create: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    destroy: tuple[str, ...] = ()
    clear: tuple[tuple[str, str], ...] = ()
    configure: tuple[str, ...] = ()
    register: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    rewrite: bool = False
    lost: Mapping[str, str] = field(default_factory=dict)
    power_down: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    drain: Mapping[str, str] = field(default_factory=dict)
    undrain: tuple[str, ...] = ()

    @property
    def made(self) -> tuple[str, ...]:
        return tuple(sorted((*self.create, *self.replace)))

    @property
    def brought(self) -> frozenset[str]:
        """Nodes that shall be up after it."""
        return frozenset((*self.made, *self.configure, *self.register))

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(sorted((*self.made, *self.destroy)))

    @property
    def touched(self) -> frozenset[str]:
        """Nodes that something is done with."""
        cleared = (name for name, _ in self.clear)
        return frozenset(
            (*self.targets, *cleared, *self.brought, *self.lost, *self.power_down, *self.drain, *self.undrain)
        )

    @property
    def changes(self) -> bool:
        files = self.forget or self.rewrite
        return bool(self.touched or files)


@dataclass
class _Draft:
    """Sets that become a Plan."""

    make: set[str] = field(default_factory=set)
    destroy: set[str] = field(default_factory=set)
    configure: set[str] = field(default_factory=set)
    register: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    power_down: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    undrain: set[str] = field(default_factory=set)


def merge(requests: Iterable[Request]) -> dict[str, str]:
    """The last wish for each node, of requests in order."""
    wishes: dict[str, str] = {}
    for request in requests:
        wishes.update({name: request.kind for name in hostlist.expand(request.nodes)})
    return wishes


def plan(nodeset: Nodeset, observed: Observed, wishes: Mapping[str, str], *, by_hand: bool = False) -> Plan:
    """Decide about the wished nodes, and about what a killed run left of any.

    `by_hand`: the wishes are a person's, so Slurm has to be told of them.
    """
    draft = _Draft()
    for name, kind in sorted(wishes.items()):
        if name not in nodeset:
            draft.refused[name] = f"unknown node; nodes are {hostlist.fold(nodeset)}"
        elif kind == "resume":
            _resume(draft, nodeset, observed, name)
        elif kind in ("suspend", "resume_fail"):
            _remove(draft, nodeset, observed, name, kind, by_hand)
        else:
            _reboot(draft, nodeset, observed, name)
    for name in sorted((observed.slurm or {}).keys() & nodeset.keys() - wishes.keys()):
        if not by_hand and _waited_for(observed, name):
            _resume(draft, nodeset, observed, name)
    return _finish(draft, nodeset, observed)


def _waited_for(observed: Observed, name: str) -> bool:
    """Slurm powers it up, and it is not there: a wish that got lost (a full disk, a login node made anew), or comes."""
    node = observed.slurm_node(name)
    unready = name in observed.new or not observed.healthy(name)
    return node is not None and node.powering_up and not node.off and unready


def _resume(draft: _Draft, nodeset: Nodeset, observed: Observed, name: str) -> None:
    node = observed.slurm_node(name)
    if not observed.healthy("login") and nodeset[name].role != "login":
        draft.refused[name] = "the login node does not run; bin/up brings it back"
        return
    if not observed.healthy(name):
        draft.make.add(name)
        return
    if name in observed.new:
        draft.configure.add(name)
    if node is not None and node.powering_up:
        draft.register.add(name)  # also a new one's: it may have registered before Slurm asked for it


def _reboot(draft: _Draft, nodeset: Nodeset, observed: Observed, name: str) -> None:
    """`scontrol reboot`: a new machine from the newest image in place of the old one."""
    node = observed.slurm_node(name)
    if nodeset[name].role != "slurm":
        draft.refused[name] = "only nodes of Slurm partitions are made anew by a reboot"
    elif node is not None and node.allocated:
        draft.refused[name] = f"it is allocated to a job (Slurm has it {node.state}); end the job first"
    elif node is not None and node.off:
        draft.refused[name] = f"it is powered down (Slurm has it {node.state})"
    else:
        draft.make.add(name)


def _remove(draft: _Draft, nodeset: Nodeset, observed: Observed, name: str, kind: str, by_hand: bool) -> None:
    node = observed.slurm_node(name)
    if nodeset[name].role == "login":
        draft.refused[name] = "the login node stays as long as the cluster; see `reconfigure down`"
        return
    if _waited_for(observed, name) and not by_hand:
        _resume(draft, nodeset, observed, name)  # the wish before this one, which this one must not undo
    if node is not None and node.allocated:
        draft.refused[name] = f"it is allocated to a job (Slurm has it {node.state}); end the job first"
        return
    if node is not None and node.serving and not by_hand:
        draft.refused[name] = f"Slurm wants it up again (it has it {node.state})"
        return
    if name in observed.state:
        draft.destroy.add(name)
    if by_hand and kind == "suspend" and node is not None and not node.off:
        draft.power_down[name] = "suspended by hand (reconfigure suspend)"
    if kind == "resume_fail" and node is not None and node.stuck:
        draft.power_down[name] = "it did not come up within ResumeTimeout"


def sync(nodeset: Nodeset, observed: Observed, persistent: Iterable[str]) -> Plan:
    """Decide what makes Terraform, machines and Slurm agree."""
    draft, keep = _Draft(), set(persistent)
    for name in sorted(keep):
        node = observed.slurm_node(name)
        if not observed.healthy(name):
            draft.make.add(name)
            continue
        if name in observed.new:
            draft.configure.add(name)
        if node is not None and (node.asleep or node.powering_up):
            draft.register.add(name)
    draft.destroy |= {n for n in observed.state.keys() - keep if _unwanted(observed, n)}
    for name, node in (observed.slurm or {}).items():
        if name in nodeset and name not in keep and _waited_for(observed, name):
            _resume(draft, nodeset, observed, name)
        elif name in nodeset:
            _mend(draft, observed, name, node)
        if "DRAIN" in node.flags and node.reason.startswith(DISK_FULL):
            draft.undrain.add(name)
    draft.destroy -= draft.make
    return _finish(draft, nodeset, observed)


def _mend(draft: _Draft, observed: Observed, name: str, node: SlurmNode) -> None:
    """Have Slurm give up jobs whose machine is gone or was made anew, and nodes without a machine.

    A node that is set DOWN loses its jobs at once (man scontrol); power_down_force alone leaves them.
    """
    gone = name not in draft.make and (name in draft.destroy or name not in observed.state)
    lost = name in observed.running and (gone or name in draft.make or name in observed.remade)
    if lost or (gone and node.completing):
        draft.lost[name] = "its machine died (reconfigure sync)"
        if not gone and name not in draft.make:
            draft.register.add(name)
    if gone and (node.up or node.stuck or name in draft.lost):
        draft.power_down[name] = "its machine is gone (reconfigure sync)"


def _unwanted(observed: Observed, name: str) -> bool:
    """Whether a node beyond min_nodes is dead, or runs while Slurm has it powered down."""
    node = observed.slurm_node(name)
    return not observed.healthy(name) or (node is not None and node.asleep)


def strays(observed: Observed, persistent: Collection[str]) -> frozenset[tuple[str, str]]:
    """Nodes beyond min_nodes, with their instance, that Slurm has powered down and gives no job.

    Nobody asks for their end: a wish got lost, or slurmd registered while Slurm was powering the node down.
    """
    nodes = {name: observed.slurm_node(name) for name in observed.state.keys() - set(persistent)}
    left = (name for name, node in nodes.items() if node and node.asleep and node.base not in ("ALLOCATED", "MIXED"))
    return frozenset((name, observed.state[name].id) for name in left)


def _finish(draft: _Draft, nodeset: Nodeset, observed: Observed) -> Plan:
    left = {name for name, entry in observed.state.items() if name not in nodeset or entry.tainted}
    destroy = draft.destroy | (left - draft.make)
    made = draft.make
    login_new = "login" in made or not observed.healthy("login")
    ids = {entry.id for entry in observed.state.values()}
    half = {name for name in observed.new - destroy - made if _half_configured(observed, name)}
    wanted = (observed.state.keys() | made) - destroy
    return Plan(
        wanted=tuple(sorted(wanted)),
        create=tuple(sorted(made - observed.state.keys())),
        replace=tuple(sorted(made & observed.state.keys())),
        destroy=tuple(sorted(destroy)),
        clear=tuple(sorted((m.name, m.instance) for m in observed.machines if m.instance not in ids)),
        configure=() if login_new else tuple(sorted(draft.configure | made | half)),
        register=tuple(sorted(draft.register)),
        forget=tuple(sorted(observed.identities - observed.state.keys() - made)),
        rewrite=observed.written is not None and observed.written != wanted and wanted == observed.state.keys(),
        lost=draft.lost,
        power_down=draft.power_down,
        refused=draft.refused,
        drain={name: reason for name, reason in observed.held.items() if _may_drain(observed.slurm_node(name))},
        undrain=tuple(sorted(draft.undrain | (_drained_by_us(observed) - observed.held.keys()))),
    )


def _half_configured(observed: Observed, name: str) -> bool:
    """Up for Slurm, whose slurmd registered, but who made it so was killed: nobody would ask for it again.

    Not while it has a job: where its configuration fails, the node is given up.
    """
    node = observed.slurm_node(name)
    return node is not None and node.up and node.serving and not node.allocated and observed.healthy(name)


def _may_drain(node: SlurmNode | None) -> bool:
    """Only once it is off: what is set earlier is gone when its powering down ends (seen on 24.11)."""
    return node is not None and node.asleep and "DRAIN" not in node.flags


def _drained_by_us(observed: Observed) -> set[str]:
    """Nodes that were left alone; not those that an administrator drained."""
    return {n for n, node in (observed.slurm or {}).items() if "DRAIN" in node.flags and cooldown.MARK in node.reason}
