"""What a provider of machines offers the driver, beside its Terraform module.

Terraform makes and removes machines; it misses those that died. A Provider
sees them, and clears what Terraform does not know of. Seam 2 of docs/seams.md;
tests/contract/terraform/test_provider.py is what every provider must pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from reconfigure.model.node import Node

STATES = ("running", "stopped", "error")


@dataclass(frozen=True)
class Machine:
    """One machine as it really is.

    `instance` is the id of its Terraform resource and `image` the hash of the
    image it was made from. `state` is one of STATES: `stopped` ran and ended,
    `error` was never whole or was not wholly removed. `fault` is a sentence
    that says why it does not run, "" where it runs.
    """

    name: str
    instance: str
    image: str
    state: str
    fault: str


class Provider(Protocol):
    """Each method may be repeated, and finishes what an interrupted call began.

    All raise CommandError where a program of the host or the cloud fails.
    """

    def check(self) -> None:
        """Raise UsageError if machines cannot be here with this site data; change nothing."""

    def elsewhere(self) -> str:
        """Return what else of this name there is where its machines are, as a cluster of another root; "" if nothing.

        What has the name in common with it, such as the worker's unit, is that cluster's. Change nothing.
        """

    def prepare(self) -> tuple[str, ...]:
        """Make or mend what the machines of the cluster share, network and data, also while they run; return what."""

    def observe(self) -> tuple[Machine, ...]:
        """All machines and leftovers of machines of the cluster, by name."""

    def unreachable(self, address: str) -> str:
        """Return what is wrong on this side of the way to a machine's address; "" if nothing is. Change nothing."""

    def resource(self, node: Node, machine: Machine) -> dict[str, Any]:
        """Return a running machine as Terraform's state has one: `type`, `provider` and `attributes` of its resource.

        Raise KiwiError where what it was made from is not known any more.
        """

    def clear(self, name: str, instance: str | None = None) -> None:
        """Remove one instance of a node, or all of that name; nothing to do where there is none."""

    def teardown(self) -> None:
        """Remove all machines and the network, keep data."""
