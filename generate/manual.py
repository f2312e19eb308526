"""The man page of a program, with the examples of its commands, which argparse-manpage leaves out."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NamedTuple

from argparse_manpage.manpage import Manpage

from generate import tree
from kiwi import __version__
from kiwi.common import errors
from kiwi.common.commandline import Parser

COMMAND = re.compile(r"^\.SS \\fB(.*?)\\fR$", re.MULTILINE)
CODES = {
    errors.OK: "It is done.",
    errors.FAILED: "What was asked for did not happen.",
    errors.USAGE: "An argument or the site data is wrong; nothing was changed.",
    errors.BUSY: "Somebody else holds it.",
    errors.UNREACHABLE: "Share, agent, controller or cloud does not answer.",
}


class Page(NamedTuple):
    """What a man page says that no parser knows; `files` and `environment` are names with their meaning."""

    section: int
    title: str
    environment: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, str]]
    also: str


KIWI = Page(
    1,
    "see, book and give back the nodes of a cluster",
    (),
    (("/run/kiwi/agent.sock", "where the agent of this machine answers"),),
    "reconfigure(8), sinfo(1), squeue(1)",
)
RECONFIGURE = Page(
    8,
    "make a cluster what its site data, Slurm and people want",
    (
        ("KIWI_CLUSTER", "the cluster that is meant where --cluster is not given"),
        ("KIWI_ROOT", "the folder of all clusters and images (/var/lib/kiwi)"),
    ),
    (("/var/lib/kiwi/clusters/NAME", "all that belongs to a cluster on the control host"),),
    "kiwi(1), ansible-playbook(1), slurm.conf(5)",
)


def text(parser: ArgumentParser, page: Page) -> str:
    """Return the page in roff. It has no date: the same parsers make the same page on any day."""
    commands = {command.prog: command for command in tree.commands(parser)}
    for command in commands.values():
        command.description = None  # the line that the list of commands has
    assert isinstance(parser, Parser)
    made = Manpage(parser, format="single-commands-section")
    made.date, made.section, made.source, made.manual = "", page.section, f"kiwi {__version__}", "Kiwi"
    made.description = page.title
    for heading, content in _sections(parser, page):
        made.add_section(heading, "=", content)
    parts = COMMAND.split(str(made).replace(".SH\nCOMMANDS", ".SH COMMANDS"))
    found = [parts[0]]
    for name, body in zip(parts[1::2], parts[2::2]):
        body, heading, rest = body.partition("\n.SH ")
        end = _end(commands[name.replace("\\", "")])
        found.append(f".SS \\fB{name}\\fR{_body(body)}\n{end}{heading}{rest}")
    return "\n".join(line for line in "".join(found).splitlines() if line.strip()) + "\n"


def _body(body: str) -> str:
    """Return the text of a command, with its usage, its arguments and its options in paragraphs of their own."""
    body = re.sub(r"^(arguments|options):$", r".PP\n\1:", body, flags=re.MULTILINE)
    return re.sub(r"^usage: (.*(?:\n .*)*)", lambda found: _literal(found[1]), body, count=1, flags=re.MULTILINE)


def _end(command: Parser) -> str:
    epilog = f"{_literal(command.epilog)}\n" if command.epilog else ""
    return f"{epilog}.PP\nExample:\n{_literal(_escape(chr(10).join(command.examples)))}\n"


def _literal(block: str) -> str:
    """Return lines that stay as they are, indented."""
    return f".PP\n.RS 4\n.nf\n{block.strip()}\n.fi\n.RE"


def _sections(parser: Parser, page: Page) -> list[tuple[str, str]]:
    found = [("examples", _literal(_escape("\n".join(parser.examples))))]
    if page.environment:
        found.append(("environment", _terms(page.environment)))
    found.append(("files", _terms(page.files)))
    found.append(("exit status", _terms([(str(code), meaning) for code, meaning in CODES.items()])))
    return [*found, ("see also", _escape(page.also))]


def _terms(terms: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f".TP\n\\fB{_escape(name)}\\fR\n{_escape(meaning)}" for name, meaning in terms)


def _escape(plain: str) -> str:
    return plain.replace("\\", "\\\\").replace("-", "\\-")
