"""The last change of a node, step by step, from the event journal. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reconfigure.clusterdir.journal import Event

KINDS = {
    "resume": "Slurm asked for it",
    "suspend": "Slurm asked to have it removed",
    "resume_fail": "Slurm gave it up: it did not register within ResumeTimeout",
    "reboot": "somebody asked for it to be made anew (scontrol reboot)",
}


@dataclass(frozen=True)
class Step:
    """One step: when it ended (unix s), its event, the same in words, how long it took (s; None: not measured)."""

    time: float
    event: str
    text: str
    seconds: float | None = None


@dataclass(frozen=True)
class History:
    """The last change of a node: its steps, the event of its failure (None: it did not fail), whether it has ended."""

    steps: tuple[Step, ...] = ()
    failure: Event | None = None
    over: bool = True


def last_change(node: str, events: Iterable[Event]) -> History:
    """Return the last change of a node; if that removed it after a failure, with the change that failed."""
    mine = [event for event in events if node in event["nodes"]]
    last = _last(mine)
    found = list(last)
    if last and _kind(last) == "suspend":
        before = _last(mine[: mine.index(last[0])])
        if _failure(before):
            found = [event for event in mine if event in before or event in last]
    over = not found or found[-1]["event"] in ("done", "refused", "nothing", "cleanup")
    return History(tuple(_step(node, event) for event in found if event["event"] in WORDS), _failure(found), over)


def _last(mine: Sequence[Event]) -> list[Event]:
    """Return the events of the newest change: its requests, and the round that carried them out."""
    for event in reversed(mine):
        if event["event"] == "request" or event.get("round") or event.get("requests"):
            ids = {event["request"]} if event["event"] == "request" else set(event.get("requests") or ())
            number = event.get("round")
            return [e for e in mine if e.get("request") in ids or _of_round(e, number, ids)]
    return []


def _of_round(event: Event, number: str | None, ids: set[str]) -> bool:
    """Return whether an event belongs to a round or to one that some of the same requests led to."""
    if number is not None and event.get("round") == number:
        return True
    return bool(ids & set(event.get("requests") or ()))


def _kind(events: Sequence[Event]) -> str:
    """Return the kind of the last request; "" if there is none."""
    return next((str(event["kind"]) for event in reversed(events) if event["event"] == "request"), "")


def _failure(events: Sequence[Event]) -> Event | None:
    """Return the last failure or refusal."""
    return next((event for event in reversed(events) if event["event"] in ("failed", "refused")), None)


def _step(node: str, event: Event) -> Step:
    return Step(event["time"], event["event"], WORDS[event["event"]](node, event), event.get("seconds"))


def _request(node: str, event: Event) -> str:
    jobs = ", ".join(event.get("jobs") or ())
    return f"{KINDS.get(event['kind'], event['kind'])}{', for job ' if jobs else ''}{jobs}"


def _round(node: str, event: Event) -> str:
    count = len(event["nodes"])
    what = "the worker began with it" if event.get("requests") else f"`{event['command']}` began with it"
    return f"{what} and {count - 1} more" if count > 1 else what


def _slurm(node: str, event: Event) -> str:
    reason = textwrap.shorten(event.get("reason") or "", 60, placeholder=" …")
    return f"Slurm was given the state {event['state']}{': ' if reason else ''}{reason}"


def _terraform(node: str, event: Event) -> str:
    if node in (event.get("failed") or ()):
        return "Terraform could not do it"
    if node in event.get("replace", ()):
        return "Terraform made its machine anew"
    return "Terraform removed its machine" if node in event.get("destroy", ()) else "Terraform made its machine"


def _playbook(node: str, event: Event) -> str:
    failed = node in (event.get("failed") or ())
    return "the playbook ran on it, and failed" if failed else "the playbook made it a node"


def _fixed(text: str) -> Callable[[str, Event], str]:
    return lambda node, event: text


WORDS: dict[str, Callable[[str, Event], str]] = {
    "request": _request,
    "stray": _fixed("it ran while Slurm had it powered down, and is removed"),
    "round": _round,
    "slurm": _slurm,
    "clear": _fixed("a machine that Terraform did not know of was removed"),
    "terraform": _terraform,
    "machines": _fixed("waited for its machine to answer on SSH"),
    "playbook": _playbook,
    "register": _fixed("its slurmd was restarted, so that it registers"),
    "failed": lambda node, event: f"FAILED: {' '.join(event['reason'].split())}",
    "dropped": _fixed("its bring-up was ended: it is to be removed"),
    "batch failed": lambda node, event: f"its bring-up was broken off, and is tried again: {event['reason']}",
    "refused": lambda node, event: f"refused: {' '.join(event['reason'].split())}",
    "nothing": _fixed("nothing had to be done"),
    "cleanup": _fixed("what was left of it was removed"),
    "done": _fixed("the change was over"),
}
