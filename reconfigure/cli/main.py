"""The command `reconfigure`: makes a cluster what its site data, Slurm and people want.

Results go to standard output, logs to standard error; exit codes are in
kiwi/common/errors.py.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from kiwi.common.errors import FAILED, KiwiError
from reconfigure.cli import commands

log = logging.getLogger("reconfigure")
EXAMPLES = """\
examples:
  reconfigure check --site my-lab.yml
  reconfigure status
  reconfigure why cpu-2
  reconfigure resume --dry-run cpu-[2-3]
  reconfigure sync
  reconfigure --cluster kiwi serve --detach
"""
SITE = "YAML file laid over group_vars/all.yml: a key that it has replaces the whole value"


def parser() -> argparse.ArgumentParser:
    """All options, declared once."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser("reconfigure", description=__doc__, epilog=EXAMPLES, formatter_class=raw)
    top.add_argument("--cluster", metavar="NAME", help="default: $KIWI_CLUSTER, else cluster_name of the site data")
    top.add_argument("--debug", action="store_true", help="log every command, show tracebacks")
    of = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, example: str) -> argparse.ArgumentParser:
        epilog = f"example:\n  reconfigure {example}"
        return of.add_parser(name, help=text, description=text, epilog=epilog, formatter_class=raw)

    _site_commands(add("check", "check the site data as a whole", "check --site my-lab.yml"))
    command = add("init", "write the cluster's home from checked site data", "init --site my-lab.yml")
    command.add_argument("--site", metavar="FILE", help=f"{SITE}; - reads JSON on standard input")
    _image(add("image", "list or bake images", "image bake debian13"))
    command = add("sync", "make Terraform, machines and Slurm agree", "sync --dry-run")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    for name, text in (("resume", "make nodes"), ("suspend", "remove nodes that run no job")):
        command = add(name, text, f"{name} cpu-[2-3]")
        command.add_argument("nodes", metavar="NODES", help="names as Slurm writes them, such as cpu-[2-3],lab-1")
        command.add_argument("--dry-run", action="store_true", help="print the plan, change nothing")
    command = add("status", "show every node, the queue and the worker", "status --json")
    command.add_argument("--json", action="store_true", help="print it as JSON")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--watch", action="store_true", help="show it anew every two seconds, until interrupted")
    what.add_argument("--paths", action="store_true", help="list the logs and other things to read, with their sizes")
    command = add("why", "say what keeps a node or a job, and what to do", "why cpu-2")
    command.add_argument("target", metavar="NODE|JOB", help="a node such as cpu-2, or the number of a job")
    command.add_argument("--json", action="store_true", help="print it as JSON")
    _serve(add("serve", "run the worker that does what Slurm asks for", "serve --detach"))
    command = add("down", "remove the machines and what was changed on this host", "down")
    command.add_argument("--all", action="store_true", help="remove data, keys and unused images, too")
    add("inventory", "print Ansible's inventory as JSON", "inventory")
    add("ssh-config", "print what the ssh of a laptop needs", "ssh-config >> ~/.ssh/config")
    shell = add("completion", "print the completion for a shell", "completion bash >/etc/bash_completion.d/reconfigure")
    shell.add_argument("shell", choices=["bash"])
    add("welcome", "run a job and say what to try next", "welcome")
    return top


def _site_commands(command: argparse.ArgumentParser) -> None:
    command.add_argument("--site", metavar="FILE", help=SITE)
    command.add_argument("--quiet", action="store_true", help="print faults only")
    command.add_argument("--print", metavar="KEY", help="print the value of one key, such as cluster_name")
    command.add_argument("--json", action="store_true", help="print all of it as JSON, paths of roles absolute")


def _image(command: argparse.ArgumentParser) -> None:
    of = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = of.add_parser("list", help="print every image, its hash and whether it is baked")
    listing.add_argument("--json", action="store_true", help="print it as JSON")
    bake = of.add_parser("bake", help="bake an image where its tree is missing")
    bake.add_argument("name", metavar="NAME", help="a key of images in the site data")


def _serve(command: argparse.ArgumentParser) -> None:
    command.add_argument("--log", action="store_true", help="log to the cluster's log/serve.log, as --detach does")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--detach", action="store_true", help="start it in the background where none runs")
    how.add_argument("--stop", action="store_true", help="stop the one in the background")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
    level = logging.DEBUG if options.debug else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S", force=True)
    try:
        wanted = options.cluster or os.environ.get("KIWI_CLUSTER")
        return commands.COMMANDS[options.command](options, wanted)
    except KiwiError as exc:
        print(f"reconfigure: {exc}", file=sys.stderr)
        log.debug("traceback", exc_info=True)
        return exc.exit_code
    except BrokenPipeError:  # the reader has seen enough, as in `reconfigure status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        print("reconfigure: interrupted", file=sys.stderr)
        return FAILED
