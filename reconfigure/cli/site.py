"""Commands about a whole cluster: its site data, its folder, its beginning and its end."""

from __future__ import annotations

import argparse
import json
import socket
import sys

from kiwi.common.commandline import BY_HAND, CALLED, EVERY_DAY, complete
from kiwi.common.errors import BUSY, OK, UsageError
from reconfigure.cli.common import FORCE, SITE, Commands, Options, add, cluster, folder, print_json
from reconfigure.cluster import inventory
from reconfigure.cluster.cluster import Cluster
from reconfigure.clusterdir import orphans, paths, waiting_edit
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.images import catalogue
from reconfigure.lifecycle import edits, mending, setup, teardown, wake, welcome
from reconfigure.providers import registry
from reconfigure.site import data as site_data
from reconfigure.site import written
from reconfigure.ssh import client_config


def declare(commands: Commands[argparse.ArgumentParser]) -> None:
    """Declare check, init, down, inventory, ssh-config, wake and welcome."""
    command = add(commands, "check", check, "check the site data as a whole", "check --site my-lab.yml", EVERY_DAY)
    complete(command.add_argument("--site", metavar="FILE", help=SITE), "_reconfigure_file")
    command.add_argument("--quiet", action="store_true", help="print faults only")
    command.add_argument("--print", metavar="KEY", help="print the value of one key, such as users")
    command.add_argument(
        "--json", action="store_true", help="print it as JSON (all, without --print), paths of roles absolute"
    )
    command.add_argument("--schema", action="store_true", help="print the JSON Schema of site files, for editors")
    text = "print what of the site data can be applied now: an edit that takes nodes from jobs or bookings waits"
    command = add(commands, "accept", accept, text, "accept --site my-lab.yml", CALLED)
    complete(command.add_argument("--site", metavar="FILE", help=SITE), "_reconfigure_file")
    command.add_argument("--force", action="store_true", help=FORCE)
    text = "write the cluster's folder from checked site data"
    command = add(commands, "init", init, text, "init --site my-lab.yml", CALLED)
    text = f"{SITE}; - reads JSON on standard input"
    complete(command.add_argument("--site", metavar="FILE", help=text), "_reconfigure_file")
    command.add_argument("--force", action="store_true", help=FORCE)
    command = add(commands, "down", down, "remove the machines and what was changed on this host", "down", BY_HAND)
    command.add_argument("--all", action="store_true", help="remove data, keys and unused images, too")
    command.add_argument("--force", action="store_true", help="also where jobs run or somebody holds a node")
    add(commands, "inventory", show_inventory, "print Ansible's inventory as JSON", "inventory", CALLED)
    text = "print what the ssh of a laptop needs"
    add(commands, "ssh-config", show_ssh_config, text, "ssh-config >> ~/.ssh/config", EVERY_DAY)
    text = "restart a slurmctld that runs and does not answer; jobs go on"
    add(commands, "wake", wake_slurmctld, text, "wake", CALLED)
    add(commands, "welcome", greet, "run a job, or book a node, and say what to try next", "welcome", CALLED)


def check(options: Options) -> int:
    """Check the site data and print what was asked of it: what is given, or what the cluster named has in force."""
    if options.schema:
        return print_schema()
    found = site_data.load(options.site)
    if options.cluster and options.cluster != found.cluster_name and not options.site:
        found = site_data.check(written.read(paths.of(options.cluster).require()).data)
    if options.print is not None:
        if options.print not in found.data:
            raise UsageError(f"--print: found {options.print!r}; needs one of {', '.join(found.data)}")
        value = found.data[options.print]
        print(value if isinstance(value, str) and not options.json else json.dumps(value))
    elif options.json:
        print_json(found.data)
    elif not options.quiet:
        nodes = sum(partition.max_nodes for partition in found.partitions)
        print(f"the site data is sound: cluster {found.cluster_name}, up to {nodes} nodes and the login node")
    return OK


def print_schema() -> int:
    """Print the JSON Schema of site files."""
    from reconfigure.site import schema  # noqa: PLC0415 - as in site_data.check

    print_json(schema.schema())
    return OK


def accept(options: Options) -> int:
    """Print the site data that can be applied now."""
    found = site_data.load(options.site)
    clusterdir = paths.of(found.cluster_name)
    registry.provider(clusterdir, found.subnet).check()
    if not mending.mend(clusterdir):  # written last: a first bin/up that was killed has no machines, and begins again
        if not options.force:
            _require_beginning(clusterdir)
        print_json(found.data)
        return OK
    accepted = edits.accept(Cluster(clusterdir, registry.provider), found, force=options.force)
    print_json(accepted.data)
    lines = [*accepted.lost, *(waiting_edit.sentences(accepted.waits))]
    print("".join(f"reconfigure: {line}\n" for line in lines), end="", file=sys.stderr)
    return BUSY if accepted.waits else OK


def _require_beginning(clusterdir: ClusterDir) -> None:
    """Raise BusyError if machines of a cluster run whose site data is lost: an edit may take any of them away."""
    why = f"{clusterdir.site} and its copy {clusterdir.kept_site.name} are lost or broken; nothing was changed"
    hint = "put the file back from a backup; --force applies the site data that is given, whoever has the nodes"
    edits.require_none_runs(clusterdir, registry.provider, why, hint)


def init(options: Options) -> int:
    """Write the folder of a cluster."""
    found = site_data.load(options.site, sys.stdin)
    if options.cluster and options.cluster != found.cluster_name:
        mismatch = f"found '{found.cluster_name}' in the site data; --cluster says '{options.cluster}'"
        raise UsageError(f"cluster_name: {mismatch}")
    clusterdir = paths.of(found.cluster_name)
    registry.provider(clusterdir, found.subnet).check()
    known = mending.mend(clusterdir)
    if known and not options.force:
        edits.require_free(Cluster(clusterdir, registry.provider), found)
    elif not options.force:
        _require_beginning(clusterdir)
    changed = setup.init(clusterdir, found)
    images = [image.data() for image in catalogue.images(clusterdir.root, found)]
    print_json({"changed": changed, "cluster": clusterdir.cluster, "home": str(clusterdir.path), "images": images})
    return OK


def down(options: Options) -> int:
    """Remove a cluster from this host."""
    clusterdir = folder(options)
    if not clusterdir.path.exists():
        print(f"there is no cluster {clusterdir.cluster} in {clusterdir.root}; nothing to remove")
        return OK
    if not options.force:
        edits.require_nobody(clusterdir, registry.provider)
    orphans.end(clusterdir)
    teardown.down(clusterdir, registry.provider, options.all)
    kept = "" if options.all else f"; data and keys are kept in {clusterdir.path}"
    print(f"the cluster {clusterdir.cluster} is removed{kept}")
    return OK


def show_inventory(options: Options) -> int:
    """Print Ansible's inventory."""
    print_json(inventory.load(folder(options)).data())
    return OK


def show_ssh_config(options: Options) -> int:
    """Print lines for ~/.ssh/config."""
    found = cluster(options)
    user = found.site.users[0].name if found.site.users else "root"
    clusterdir = found.clusterdir
    print(client_config.laptop(clusterdir.cluster, clusterdir.path, found.nodeset, user, socket.gethostname()))
    return OK


def wake_slurmctld(options: Options) -> int:
    """Restart a slurmctld that runs and does not answer; where there is no cluster yet, nothing is done."""
    if folder(options).site.exists() and wake.wake(cluster(options)):
        print("slurmctld ran and did not answer, so it was restarted; jobs go on")
    return OK


def greet(options: Options) -> int:
    """Run a job or book a node, and print what to try."""
    return welcome.welcome(cluster(options))
