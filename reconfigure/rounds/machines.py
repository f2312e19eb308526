"""The step in which Terraform makes and removes machines."""

from __future__ import annotations

from collections.abc import Sequence

from kiwi.common.errors import KiwiError
from reconfigure.clusterdir import files
from reconfigure.planning.actions import Do
from reconfigure.rounds.context import Context, Result
from reconfigure.site import releases
from reconfigure.ssh import authority
from reconfigure.terraform import client as terraform
from reconfigure.terraform.client import Applied, TerraformError

ROOM = 64 << 20  # bytes that must be free on the control host's disk to make machines
LITTLE_ROOM = 4 << 20  # bytes for anything that Terraform does: its state is written anew


def make_and_remove(context: Context) -> Result:
    """Apply the plan's targets; a node that fails stops no other, what is no node's fault fails all of them."""
    plan, clusterdir = context.plan, context.cluster.clusterdir
    targets, stay = context.well(plan.targets), context.failed.keys() & set(plan.of(Do.DESTROY))
    if not targets:
        context.write_names({*plan.wanted, *stay})
        return Result()
    with context.step("terraform", targets) as notes:
        notes.update({do.value: context.well(plan.of(do)) for do in (Do.CREATE, Do.REPLACE, Do.DESTROY)})
        try:
            files.require_room(clusterdir.path, ROOM if plan.made else LITTLE_ROOM)
            context.write_names({*plan.wanted, *stay})
            _prepare(context)
            applied = _apply_targets(context, targets)
        except (KiwiError, OSError) as exc:
            applied = Applied(faults=(_sentence(exc),))
        notes["failed"] = applied.failed
    failed = dict(applied.failed)
    if applied.faults:
        failed = dict.fromkeys(targets, "; ".join(applied.faults)) | failed
    authority.forget(clusterdir, set(plan.of(Do.DESTROY)) - failed.keys() - stay)
    return Result(True, failed, applied.impossible)


def _prepare(context: Context) -> None:
    """Make this host and the identities of new machines ready."""
    clusterdir, made = context.cluster.clusterdir, context.well(context.plan.made)
    if made:
        context.cluster.provider.prepare()
    for name in made:
        authority.make_identity(clusterdir, context.cluster.nodeset[name])
        releases.note(clusterdir, context.cluster.nodeset[name])
        if context.observed.slurm is None:
            authority.mark_remade(clusterdir, name)
    if "login" in made and "login" not in context.plan.of(Do.CONFIGURE):  # main.yml configures all of them
        authority.mark_configured(clusterdir, authority.unconfigured(clusterdir))


def _apply_targets(context: Context, targets: Sequence[str]) -> Applied:
    """Apply these targets of the plan; nodes that cannot be planned for fail, the others go on."""
    try:
        return _apply(context, targets)
    except TerraformError:
        failed = {name: why for name in targets if (why := _why_not(context, name))}
        if not failed:
            raise
    others = [name for name in targets if name not in failed]
    applied = _apply(context, others) if others else Applied()
    return Applied({**applied.failed, **failed}, applied.faults, frozenset(failed))


def _why_not(context: Context, name: str) -> str:
    """Return why Terraform cannot plan for this node; empty where it can (its messages name no node)."""
    try:
        context.cluster.terraform.plan([name])
    except TerraformError as exc:
        return str(exc)
    return ""


def _apply(context: Context, targets: Sequence[str]) -> Applied:
    """Save a plan for some of the round's targets, check it, apply it."""
    plan, replaced = context.plan, set(context.plan.of(Do.REPLACE))
    addresses = [context.observed.state[name].address for name in targets if name in replaced]
    changes = context.cluster.terraform.plan(targets, addresses)
    terraform.check(changes, plan.made, plan.of(Do.REPLACE, Do.DESTROY))
    return context.cluster.terraform.apply(targets) if changes else Applied()


def _sentence(exc: KiwiError | OSError) -> str:
    """Return an error as one sentence of a reason."""
    return f"{exc.strerror} ({exc.filename})" if isinstance(exc, OSError) and exc.strerror else str(exc)
