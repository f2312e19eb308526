"""Restart a slurmctld that runs and says nothing: stopped (state T), or stuck. Jobs survive that."""

from __future__ import annotations

from kiwi.common import waiting
from kiwi.common.errors import UnreachableError
from kiwi.common.process import CommandError
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import journal
from reconfigure.planning.observed import Observed

PATIENCE = 15.0  # seconds that it has to answer before it is restarted
BACK = 30.0  # seconds that it has to answer after that
ACTIVE = ("systemctl", "is-active", "--quiet", "slurmctld")
# Killed where it does not end by itself within 20 s: what it knows is on disk (StateSaveLocation).
STOP = "timeout 20 systemctl stop slurmctld || systemctl kill --signal=KILL slurmctld"
RESTART = ("sh", "-c", f"{STOP}; timeout 30 systemctl start slurmctld")


def wake(cluster: Cluster) -> bool:
    """Restart slurmctld if it runs and does not answer for PATIENCE seconds; return whether it was restarted.

    One that does not run, or whose machine cannot be reached, is what main.yml mends. Raise UnreachableError if it does
    not answer BACK seconds after the restart.
    """
    controller = cluster.controller
    machines = Observed({}, tuple(cluster.provider.observe()))
    if not cluster.has_slurm or not machines.runs("login") or controller.nodes(PATIENCE) is not None:
        return False
    try:
        controller.call(ACTIVE)
        controller.call(RESTART, timeout=90)
    except (UnreachableError, CommandError):
        return False
    journal.write(cluster.clusterdir, "slurmctld restarted", ["login"])
    if waiting.until(controller.nodes, BACK, done=lambda found: found is not None, pause=1) is None:
        raise UnreachableError(
            f"slurmctld did not answer for {PATIENCE:.0f} s, was restarted, and does not answer still",
            hint="see its journal on the login node: journalctl -u slurmctld",
        )
    return True
