"""The command `kiwi`: see, book and give back nodes."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from kiwi import __version__
from kiwi.cli import commands
from kiwi.common.errors import FAILED, OK, KiwiError

EXAMPLES = """\
examples:
  kiwi info                        who has which node, and until when
  kiwi alloc -w lab-1 -t 3:00:00   take lab-1 for three hours; then: ssh lab-1
  kiwi alloc -w lab-[1-4] -t 600   take four nodes for ten minutes, all or none
  kiwi kill -w lab-1               give it back now
  kiwi why 42                      why does Slurm's job 42 not run?
"""
TIME = "[[D:]H:]M:S or seconds (default: %(default)s)"
NODES = "nodes, such as lab-1,lab-2 or lab-[1-4]"
USER = "for this user (administrators only)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors are one message on standard error."""
    args = parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except KiwiError as exc:
        print(f"kiwi: {exc}", file=sys.stderr)
        return exc.exit_code
    except KeyboardInterrupt:
        return FAILED
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="kiwi",
        description="See, book and give back the nodes of a cluster.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("-p", "--partition", help="only this partition; `all` for info of all (the default)")
    sub = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_info(sub)
    _add_alloc(sub)
    _add_kill(sub)
    why = sub.add_parser("why", help="why a job waits, or a node cannot be had", epilog="example: kiwi why 42")
    why.add_argument("target", metavar="JOB|NODE", help="the number of a job of Slurm, or a node such as lab-1")
    why.set_defaults(run=commands.why)
    _add_clean(sub)
    sub.add_parser("version", help="print the version").set_defaults(run=_version)
    completion = sub.add_parser("completion", help="print the completion for a shell")
    completion.add_argument("shell", choices=["bash"])
    completion.set_defaults(run=commands.completion)
    metrics = sub.add_parser("metrics", help="print metrics for Prometheus (login node)")
    metrics.add_argument("--to", metavar="FILE", help="replace this file instead; the timer does so")
    metrics.set_defaults(run=commands.metrics)
    sub.add_parser("agent", help="serve this machine (root; started by systemd)").set_defaults(run=_agent)
    return top


Commands = argparse._SubParsersAction  # the type has no public name


def _add_info(sub: Commands[argparse.ArgumentParser]) -> None:
    info = sub.add_parser("info", help="who has which node, and until when")
    info.add_argument("--json", action="store_true", help="print a list of objects")
    info.set_defaults(run=commands.info)


def _add_alloc(sub: Commands[argparse.ArgumentParser]) -> None:
    alloc = sub.add_parser(
        "alloc", help="take nodes", epilog="example: kiwi alloc -w lab-1 -t 3:00:00", allow_abbrev=False
    )
    alloc.add_argument("-w", "--worker", action="append", required=True, metavar="NODES", help=NODES)
    alloc.add_argument("-t", "--time", default="3600", help=TIME)
    alloc.add_argument("-u", "--user", help=USER)
    alloc.add_argument("--json", action="store_true", help="print a list of objects")
    alloc.add_argument("--dry-run", action="store_true", help="say whether it would succeed; change nothing")
    alloc.set_defaults(run=commands.alloc)


def _add_kill(sub: Commands[argparse.ArgumentParser]) -> None:
    kill = sub.add_parser("kill", help="give nodes back now", epilog="example: kiwi kill -w lab-1", allow_abbrev=False)
    kill.add_argument("-w", "--worker", action="append", default=[], metavar="NODES", help=NODES + " (default: all)")
    kill.add_argument("-u", "--user", help=USER)
    kill.set_defaults(run=commands.kill)


def _add_clean(sub: Commands[argparse.ArgumentParser]) -> None:
    clean = sub.add_parser(
        "clean", help="end all that a user runs on this machine (root)", epilog="example: kiwi clean carol"
    )
    clean.add_argument("user", metavar="USER", help="name, or number of one who is gone")
    clean.add_argument(
        "--grace", type=float, default=5.0, metavar="S", help="seconds after TERM (default: %(default)s)"
    )
    clean.set_defaults(run=_clean)


def _version(_: argparse.Namespace) -> int:
    print(f"kiwi {__version__}")
    return OK


def _agent(_: argparse.Namespace) -> int:
    """Become the agent, whose modules no other command needs to load."""
    code: int = importlib.import_module("kiwi.agent.main").run()
    return code


def _clean(args: argparse.Namespace) -> int:
    """Clean this machine, with modules that only root's commands need to load."""
    code: int = importlib.import_module("kiwi.node.clean_command").clean(args.user, args.grace)
    return code
