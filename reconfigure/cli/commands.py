"""What each command of `reconfigure` does: read, plan, show or apply, print the result."""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from kiwi.common.errors import FAILED, OK, UsageError
from reconfigure.cluster import inventory
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import lock, logs, paths
from reconfigure.clusterdir.paths import Home
from reconfigure.images import catalogue
from reconfigure.lifecycle import setup, teardown, welcome
from reconfigure.model import records
from reconfigure.planning import plan
from reconfigure.planning.plan import Plan
from reconfigure.providers.base import Provider
from reconfigure.providers.local import LocalProvider
from reconfigure.reports import explain as why
from reconfigure.reports import status
from reconfigure.rounds.round import Round
from reconfigure.site import data as site_data
from reconfigure.site.data import Site
from reconfigure.ssh import client_config
from reconfigure.worker import serve, supervisor

log = logging.getLogger(__name__)
Options = argparse.Namespace
CLEAR = "\033[H\033[2J"  # a terminal's screen, from its beginning
WATCH_PAUSE = 2.0  # seconds


def provider(home: Home, subnet: str) -> Provider:
    """The provider of a cluster (`provider` in the site data; only `local` so far)."""
    return LocalProvider(home=home.path, cluster=home.cluster, subnet=subnet, root=home.root)


def _home(wanted: str | None) -> Home:
    return paths.home(wanted or paths.default_cluster(os.environ))


def _cluster(wanted: str | None) -> Cluster:
    return Cluster(_home(wanted).require(), provider)


def _say(data: object) -> None:
    print(json.dumps(data, indent=1))


def _site(file: str | None, wanted: str | None) -> Site:
    """Checked site data, which must be that of the cluster that was asked for."""
    found = site_data.load(file, sys.stdin)
    if wanted and wanted != found.cluster_name:
        raise UsageError(f"cluster_name: found '{found.cluster_name}' in the site data; --cluster says '{wanted}'")
    return found


def check(options: Options, wanted: str | None) -> int:
    found = site_data.load(options.site)
    if options.print:
        if options.print not in found.data:
            raise UsageError(f"--print: found {options.print!r}; needs one of {', '.join(found.data)}")
        value = found.data[options.print]
        print(value if isinstance(value, str) else json.dumps(value))
    elif options.json:
        _say(found.data)
    elif not options.quiet:
        nodes = sum(partition.max_nodes for partition in found.partitions)
        print(f"the site data is sound: cluster {found.cluster_name}, up to {nodes} nodes and the login node")
    return OK


def initialise(options: Options, wanted: str | None) -> int:
    found = _site(options.site, wanted)
    home = paths.home(found.cluster_name)
    provider(home, found.subnet).check()
    changed = setup.init(home, found)
    baked = [image.data() for image in catalogue.images(home.root, found)]
    _say({"changed": changed, "cluster": home.cluster, "home": str(home.path), "images": baked})
    return OK


def image(options: Options, wanted: str | None) -> int:
    home = _home(wanted)
    found = site_data.freeze(paths.read_json(home.site)) if home.site.exists() else site_data.load(None)
    if options.action == "bake":
        _say({"changed": catalogue.bake(home, found, options.name)})
        return OK
    rows = catalogue.images(home.root, found)
    if options.json:
        _say([row.data() for row in rows])
    else:
        print("\n".join(f"{row.name}  {row.hash[:12]}  {'baked' if row.baked else 'not baked'}" for row in rows))
    return OK


def sync(options: Options, wanted: str | None) -> int:
    def decide(cluster: Cluster, observed: plan.Observed) -> Plan:
        return plan.sync(cluster.nodeset, observed, cluster.site.persistent())

    cluster = _cluster(wanted)
    if not options.dry_run:
        setup.refresh_images(cluster.home, cluster.site)
    return _change(cluster, decide, dry_run=options.dry_run, as_json=options.json)


def by_hand(options: Options, wanted: str | None) -> int:
    cluster = _cluster(wanted)
    names = records.expand(options.nodes)
    unknown = [name for name in names if name not in cluster.nodeset]
    if unknown or not names:
        found = records.fold(unknown) if unknown else "none"
        raise UsageError(f"nodes: found {found}; needs some of {records.fold(cluster.nodeset)}")
    wishes = dict.fromkeys(names, options.command)

    def decide(cluster: Cluster, observed: plan.Observed) -> Plan:
        return plan.plan(cluster.nodeset, observed, wishes, by_hand=True)

    return _change(cluster, decide, dry_run=options.dry_run, as_json=False)


def _change(cluster: Cluster, decide: Callable[[Cluster, plan.Observed], Plan], *, dry_run: bool, as_json: bool) -> int:
    """Observe, decide, show; under the lock and carried out unless it is a dry run."""
    if dry_run:
        _show(decide(cluster, cluster.observe()), as_json)
        return OK
    with lock.locked(cluster.home, lock.WAIT):
        cluster.terraform.mend()
        observed = cluster.observe()
        todo = decide(cluster, observed)
        outcome = Round(cluster, todo, observed).carry_out()
    if as_json:
        _say({"changed": outcome.changed, **asdict(todo), "failed": dict(outcome.failed)})
    else:
        _show(todo, as_json)
    for name, reason in todo.refused.items():
        print(f"reconfigure: {name}: refused: {reason}", file=sys.stderr)
    if "login" in todo.made and "login" not in outcome.failed:
        log.info("the login node is new: bin/up (main.yml) makes the machines a cluster")
    return FAILED if outcome.failed or todo.refused else OK


def _show(todo: Plan, as_json: bool) -> None:
    if as_json:
        _say(asdict(todo))
        return
    lines = []
    for what in ("create", "replace", "destroy", "configure", "register"):
        if names := getattr(todo, what):
            lines.append(f"{what}: {records.fold(names)}")
    lines += [f"clear: {name} (machine {instance})" for name, instance in todo.clear]
    lines += [f"down, its jobs are lost: {name} ({reason})" for name, reason in todo.lost.items()]
    lines += [f"power_down: {name} ({reason})" for name, reason in todo.power_down.items()]
    lines += [f"refused: {name} ({reason})" for name, reason in todo.refused.items()]
    print("\n".join(lines) or "nothing to do")


def show_status(options: Options, wanted: str | None) -> int:
    cluster = _cluster(wanted)
    if options.paths:
        written = logs.written(cluster.home)
        print(json.dumps([asdict(place) for place in written], indent=1) if options.json else logs.text(written))
        return OK
    while True:
        found = status.data(cluster)
        shown = json.dumps(found, indent=1) if options.json else status.text(found)
        print(f"{CLEAR}{shown}" if options.watch and sys.stdout.isatty() else shown, flush=True)
        if not options.watch:
            return OK
        time.sleep(WATCH_PAUSE)


def explain(options: Options, wanted: str | None) -> int:
    found = why.answer(_cluster(wanted), options.target)
    if options.json:
        _say(found)
    else:
        print(why.text(found))
    return OK


def work(options: Options, wanted: str | None) -> int:
    home = _home(wanted)
    if options.stop:
        stopped = supervisor.stop(home)
        print(f"the worker of {home.cluster} {'was stopped' if stopped else 'did not run'}")
        return OK
    home.require()
    if options.detach:
        started = supervisor.start(home)
        print(f"the worker of {home.cluster} {'was started' if started else 'runs already'}")
        return OK
    if options.log:
        logs.to_file(home.log / "serve.log")
    serve.Worker(home, lambda: Cluster(home, provider)).run()
    return OK


def remove(options: Options, wanted: str | None) -> int:
    home = _home(wanted)
    if not home.path.exists():
        print(f"there is no cluster {home.cluster} in {home.root}; nothing to remove")
        return OK
    teardown.down(home, provider, options.all)
    kept = "" if options.all else f"; data and keys are kept in {home.path}"
    print(f"the cluster {home.cluster} is removed{kept}")
    return OK


def show_inventory(options: Options, wanted: str | None) -> int:
    _say(inventory.load(_home(wanted)).data())
    return OK


def ssh_config(options: Options, wanted: str | None) -> int:
    cluster = _cluster(wanted)
    user = cluster.site.users[0].name if cluster.site.users else "root"
    home = cluster.home
    print(client_config.laptop(home.cluster, home.path, cluster.nodeset, user, socket.gethostname()))
    return OK


def greet(options: Options, wanted: str | None) -> int:
    return welcome.welcome(_cluster(wanted))


def completion(options: Options, wanted: str | None) -> int:
    text = (paths.REPO / "reconfigure" / "cli" / "completion.bash").read_text(encoding="utf-8")
    print(text.replace("@COMMANDS@", " ".join(COMMANDS)), end="")
    return OK


COMMANDS: dict[str, Callable[[Options, str | None], int]] = {
    "check": check,
    "init": initialise,
    "image": image,
    "sync": sync,
    "resume": by_hand,
    "suspend": by_hand,
    "status": show_status,
    "why": explain,
    "serve": work,
    "down": remove,
    "inventory": show_inventory,
    "ssh-config": ssh_config,
    "welcome": greet,
    "completion": completion,
}
