"""The one connection to the controller: OpenSSH with a shared master (docs/seams.md, section 4).

`follow` is the session that holds the master; scontrol calls go through it
while it lives and make a connection of their own where it does not.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from kiwi.common import process
from kiwi.common.errors import KiwiError, UnreachableError, UsageError
from kiwi.common.process import Child, CommandError, Result
from reconfigure.clusterdir import ssh_options
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.slurm import exclusions, jobs
from reconfigure.slurm import nodes as slurm_nodes
from reconfigure.slurm.jobs import Job
from reconfigure.slurm.nodes import SLURM_USER, SlurmNode

log = logging.getLogger(__name__)
FOLLOW = ("python3", "/usr/lib/kiwi/slurmscripts/follow")
RESTART = "systemctl restart slurmd"
OPTIONS = """sed 's/"$/ -b"/' /etc/default/slurmd >/run/slurmd-booted.env"""  # gone when slurmd stops (role slurm)
BOOTED = f"systemctl stop slurmd; {OPTIONS} && systemctl start slurmd"
# Ends with JUST_BEGAN where slurmd began less than YOUNG seconds ago: it may be registering at this moment.
YOUNG, JUST_BEGAN = 10, 75
CHANGED = "systemctl show -P StateChangeTimestamp --timestamp=unix slurmd | tr -d @"
OLD = f"[ $(( $(date +%s) - $({CHANGED}) )) -ge {YOUNG} ] || exit {JUST_BEGAN}"
CONNECT_TIMEOUT = 5  # seconds
CALL_TIMEOUT = 20.0
LONGEST = 16 << 20  # bytes of an answer: some 6,000 nodes as JSON, or 100,000 jobs
AT_ONCE = 20  # nodes that are asked at a time


def _options(clusterdir: ClusterDir, name: str, **more: object) -> list[str]:
    """Return ssh options to a node as root, unattended: it fails rather than asks, and notices a silent peer."""
    unattended = {
        **ssh_options.ALIVE,
        "BatchMode": "yes",
        "ConnectTimeout": CONNECT_TIMEOUT,
        "ControlMaster": "no",
        "ControlPersist": "no",
        "IdentityFile": clusterdir.control_key,
        "LogLevel": "ERROR",
        "PreferredAuthentications": "publickey",
    }
    return ssh_options.arguments({**ssh_options.to_node(clusterdir, name), **unattended, **more})


class Registration(NamedTuple):
    """What came of `register`: why it failed, by node, and the nodes whose slurmd has just begun and was left alone."""

    failed: Mapping[str, str]
    just_began: frozenset[str]


def register(
    clusterdir: ClusterDir, nodes: Collection[Node], booted: Collection[str], *, young_too: bool = False
) -> Registration:
    """Restart slurmd of nodes, so that they register anew; their jobs go on, but not one that starts at this moment.

    AT_ONCE at a time: each may take CALL_TIMEOUT seconds to say nothing. `booted` say that they have booted now, which
    is what Slurm waits for while it powers a node up. One that began within YOUNG seconds is left, or `young_too`.
    """

    def restart(node: Node) -> int | str:
        command = BOOTED if node.name in booted else RESTART
        command = command if young_too else f"{OLD}; {command}"
        argv = ["ssh", "-F", "none", "-T", *_options(clusterdir, node.name), f"root@{node.address}", command]
        try:
            process.run(argv, timeout=CALL_TIMEOUT, limit=LONGEST)
        except CommandError as exc:
            return JUST_BEGAN if exc.code == JUST_BEGAN else f"its slurmd could not be restarted: {exc.stderr.strip()}"
        except OSError as exc:  # of this host; what became of the others is not lost
            return f"its slurmd could not be restarted: {exc.strerror}"
        return 0

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip((node.name for node in nodes), pool.map(restart, nodes)))
    failed = {name: why for name, why in found.items() if isinstance(why, str)}
    return Registration(failed, frozenset(name for name, code in found.items() if code == JUST_BEGAN))


class Controller:
    """The cluster's login node, as root."""

    def __init__(self, clusterdir: ClusterDir, login: Node) -> None:
        self.clusterdir = clusterdir
        self.address = login.address

    def options(self, master: str = "no") -> list[str]:
        """Return ssh options with the shared socket."""
        return _options(
            self.clusterdir, "login", ControlMaster=master, ControlPath=self.clusterdir.run / "controller.sock"
        )

    def argv(self, command: Sequence[str], master: str = "no") -> list[str]:
        """Return the ssh call that runs a command on the controller."""
        return ["ssh", "-F", "none", "-T", *self.options(master), f"root@{self.address}", shlex.join(command)]

    def call(self, command: Sequence[str], timeout: float = CALL_TIMEOUT) -> Result:
        """Run a command on the controller. Raise UnreachableError if SSH fails or is late, CommandError if it fails."""
        try:
            return process.run(self.argv(command), timeout=timeout, limit=LONGEST)
        except CommandError as exc:
            if exc.code in (255, 124):
                raise UnreachableError(f"the controller does not answer: {exc.stderr.strip()}") from exc
            raise

    def follow(self) -> Child[str]:
        """Start following the spool; this session is the master, an old socket is closed first."""
        self.clusterdir.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.close()
        argv = self.argv(FOLLOW, master="yes")
        return process.start(argv, stdin=process.PIPE, new_session=True)

    def close(self) -> None:
        """End the master that an earlier run left, if any."""
        process.run(
            ["ssh", "-F", "none", *self.options(), "-O", "exit", f"root@{self.address}"], check=False, timeout=10
        )
        (self.clusterdir.run / "controller.sock").unlink(missing_ok=True)

    def nodes(self, timeout: float = CALL_TIMEOUT) -> dict[str, SlurmNode] | None:
        """Return Slurm's nodes, powered-down ones too; None if a call takes more than `timeout` seconds."""
        try:
            return self._nodes(timeout)
        except (UnreachableError, CommandError) as exc:
            log.debug("Slurm does not answer: %s", exc)
        except KiwiError as exc:
            log.warning("%s", exc)
        return None

    def _nodes(self, timeout: float) -> dict[str, SlurmNode]:
        """Return Slurm's nodes: all states in a few lines, more of those alone that are not just off."""
        states = self.call(slurm_nodes.STATES, timeout).out
        try:
            off, others = slurm_nodes.parse_states(states)
        except KiwiError as exc:  # a release that prints it in another way
            log.debug("all nodes are asked for: %s", exc)
            return slurm_nodes.parse_nodes(self.call(slurm_nodes.SHOW, timeout).out)
        if not others:
            return off
        return off | slurm_nodes.parse_nodes(self.call([*slurm_nodes.SHOW, others], timeout).out)

    def running(self) -> dict[str, frozenset[int]]:
        """Return the ids of the jobs that Slurm believes to run, by node; none if Slurm does not answer."""
        try:
            return slurm_nodes.parse_running(self.call(slurm_nodes.JOBS).out)
        except (UnreachableError, CommandError, UsageError) as exc:
            log.debug("Slurm does not answer: %s", exc)
            return {}

    def jobs(self) -> tuple[Job, ...] | None:
        """Return Slurm's jobs, running and pending; None if Slurm does not answer, or not with jobs."""
        try:
            return jobs.parse(self.call(jobs.SQUEUE).out)
        except (UnreachableError, CommandError, ValueError) as exc:
            log.debug("Slurm does not answer: %s", exc)
            return None

    def set_state(self, names: Iterable[str], state: str, reason: str = "", *, as_user: str = SLURM_USER) -> str | None:
        """Set a state of nodes; return why Slurm refused, None where it did not.

        Slurm notes `as_user` beside the reason, which is how a person's is told from one of the driver's.
        """
        try:
            self.call(["runuser", "-u", as_user, "--", *slurm_nodes.update(names, state, reason)])
        except (UnreachableError, CommandError) as exc:
            log.warning("Slurm did not set %s for %s: %s", state, ",".join(names), exc)
            return str(exc)
        return None

    def excluded(self) -> str | None:
        """Return the nodes that Slurm never powers down, as SuspendExcNodes has them; None if it does not answer."""
        try:
            return exclusions.parse(self.call(exclusions.SHOW).out)
        except (UnreachableError, CommandError, ValueError) as exc:
            log.debug("Slurm does not answer: %s", exc)
            return None

    def exclude(self, nodes: str) -> bool:
        """Have Slurm never power down these nodes, also after its next start; return whether it takes that."""
        try:
            self.call([exclusions.SET, nodes])
        except (UnreachableError, CommandError) as exc:
            log.warning("Slurm does not take SuspendExcNodes=%s: %s", nodes, exc)
            return False
        return True

    def start_now(self, jobs: Iterable[int]) -> None:
        """Let requeued jobs start as soon as there are nodes; one that is gone or started meanwhile is no fault."""
        try:
            self.call(slurm_nodes.start_now(jobs))
        except (UnreachableError, CommandError) as exc:
            log.info("Slurm takes no new start time for jobs %s: %s", ",".join(map(str, jobs)), exc)
