"""`reconfigure why` and `status`: what is said, from what was read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kiwi.common.errors import UnreachableError, UsageError
from kiwi.common.process import CommandError, Result
from reconfigure.clusterdir import journal
from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.model.node import Node
from reconfigure.planning import cooldown
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import Machine
from reconfigure.reports import explain, status
from reconfigure.reports.history import History, last_change
from reconfigure.site import data as site_data
from reconfigure.slurm.nodes import SlurmNode
from reconfigure.terraform.events import Instance
from tests.unit.reconfigure.reports.test_history import ASKED, FAILED, GONE, ONE, UP, event

CPU = Node("cpu-2", "slurm", "cpu", "198.18.4.2", "i", "small", ())
LAB = Node("lab-1", "booking", "lab", "198.18.8.1", "i", "small", ())
SITE = site_data.load(None)
CONTEXT = explain.Context((), True, 0, SITE, SITE.persistent())


def seen(state: str = "", reason: str = "", machine: str = "", fault: str = "") -> Observed:
    base, *flags = state.split("+")
    slurm = {"cpu-2": SlurmNode("cpu-2", base, frozenset(flags), reason)} if state else None
    machines = (Machine("cpu-2", "x", "", machine, fault),) if machine else ()
    return Observed({"cpu-2": Instance("x", "a")} if machine else {}, machines, slurm)


@pytest.mark.parametrize(
    ("observed", "headline", "todo"),
    [
        (seen("IDLE+CLOUD", machine="running"), "is up, and idle", "suspend_time"),
        (seen("MIXED+CLOUD", machine="running"), "a job runs there", "squeue -w cpu-2"),
        (seen("IDLE+CLOUD+POWERED_DOWN"), "is powered down: no job needs it", "reconfigure resume cpu-2"),
        (
            seen("IDLE+CLOUD+POWERED_DOWN", machine="running"),
            "is not used: Slurm has it powered down, though its machine runs",
            "the worker removes the machine within a minute; at once, to use it: reconfigure resume cpu-2",
        ),
        (seen("IDLE+CLOUD+POWERING_DOWN"), "is being powered down", "SuspendTimeout"),
        (seen("ALLOCATED+CLOUD+POWERING_UP", machine="running"), "is being powered up", "ResumeTimeout"),
        (seen("DOWN+CLOUD+POWERED_DOWN", "ResumeTimeout reached"), "powered down, and down", "power_down_force"),
        (seen("DOWN+CLOUD", "by hand", "running"), "is down: no job", "state=resume"),
        (seen("IDLE+CLOUD+DRAIN", "slow", "running"), "is drained", "state=undrain"),
        (seen("IDLE+CLOUD+NOT_RESPONDING", machine="running"), "does not answer Slurm", "suspend_time"),
        (seen("ALLOCATED+CLOUD"), "is lost: Slurm has a job there, and it has no machine", "reconfigure sync: "),
        (seen("IDLE+CLOUD", machine="stopped"), "is lost: Slurm counts on it, and its machine", "reconfigure sync: "),
        (seen(machine="stopped", fault="it ended"), "its machine does not run", "reconfigure resume cpu-2, or bin/up"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_state_is_explained_with_what_to_do(observed: Observed, headline: str, todo: str) -> None:
    found = explain.explain_node(CPU, History(), observed, CONTEXT)
    assert headline in found.headline
    assert todo in found.next


def test_a_failure_is_explained_with_its_cause_until_the_node_is_up() -> None:
    history = last_change("cpu-2", [ASKED, *FAILED, *GONE])
    found = explain.explain_node(CPU, history, seen("IDLE+CLOUD+POWERED_DOWN", "the host\n  is full"), CONTEXT)
    assert found.headline.endswith(": the host is full")
    assert "is not up: what was last asked for it failed at " in found.headline
    assert found.next.startswith("free some, or wait")
    assert "Slurm's reason" not in found.now
    up = explain.explain_node(CPU, history, seen("IDLE+CLOUD", machine="running"), CONTEXT)
    assert up.headline == "cpu-2 is up, and idle"


def test_a_node_that_is_left_alone_says_until_when() -> None:
    reason = f"the host is full{cooldown.MARK}17:55 UTC"
    found = explain.explain_node(CPU, History(), seen("IDLE+CLOUD+DRAIN+POWERED_DOWN", reason), CONTEXT)
    assert found.now["Slurm's reason"] == reason
    assert "tried again after that time" in found.next


def test_whoever_set_a_reason_is_named_and_its_words_stay_one_line() -> None:
    node = SlurmNode("cpu-2", "IDLE", frozenset({"DRAIN"}), "fan\n\x1b[2J  machine: none", "root", 1795852661.0)
    found = explain.explain_node(CPU, History(), Observed({}, (), {"cpu-2": node}), CONTEXT)
    assert found.now["Slurm's reason"].startswith("fan [2J machine: none [root, 2026-11-2")


def test_without_a_worker_nothing_else_matters() -> None:
    halted = explain.Context((), False, 3, SITE, SITE.persistent())
    assert (
        "the worker does not run" in explain.explain_node(CPU, History(), seen("IDLE+CLOUD+POWERING_UP"), halted).next
    )
    assert "worker" not in explain.explain_node(LAB, History(), Observed({}, ()), halted).next


def test_what_is_done_now_is_part_of_it() -> None:
    busy = explain.Context([{"step": "playbook", "nodes": ["cpu-2"], "since": 0.0}], True, 1, SITE, SITE.persistent())
    found = explain.explain_node(CPU, last_change("cpu-2", [ASKED, *UP[:2]]), seen("IDLE+POWERING_UP"), busy)
    assert found.now["at this moment"].startswith("playbook, for ")
    assert "it is being worked on" in found.next


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cluster whose Slurm says what `says` holds, with an empty journal."""
    clusterdir = ClusterDir(tmp_path, "kiwi")
    clusterdir.log.mkdir(parents=True)
    says: list[Any] = []

    def call(argv: list[str], timeout: float) -> Result:
        if isinstance(says[0], Exception):
            raise says[0]
        return Result(0, says[0], "")

    controller = SimpleNamespace(call=call, nodes=lambda timeout: {"cpu-2": SlurmNode("cpu-2", "IDLE", frozenset())})
    provider = SimpleNamespace(
        observe=lambda: (Machine("login", "1", "", "running", ""),),
        unreachable=lambda address: "there is no bridge kw-kiwi on this host; bin/up makes it anew",
    )
    nodeset = {"login": Node("login", "login", "", "198.18.0.10", "i", "small", ()), "cpu-2": CPU}
    monkeypatch.setattr(explain.snapshot.Terraform, "instances", lambda self: {"login": Instance("1", "a")})
    return SimpleNamespace(
        clusterdir=clusterdir,
        site=SITE,
        nodeset=nodeset,
        controller=controller,
        provider=provider,
        has_slurm=True,
        persistent=SITE.persistent,
        says=says,
    )


def test_a_job_that_was_put_back_names_the_node_that_failed(cluster: Any) -> None:
    for old in (ASKED, *FAILED):
        journal.write(
            cluster.clusterdir, **{key: value for key, value in old.items() if key not in ("version", "time")}
        )
    cluster.controller.nodes = lambda timeout: {"cpu-2": SlurmNode("cpu-2", "IDLE", frozenset({"POWERED_DOWN"}))}
    cluster.says.append("7|PENDING|BeginTime|alice|cpu|1|||2026-11-21T17:41:10|(null)\n")
    found = explain.explain(cluster, "7")
    text = explain.text(found)
    assert "job 7 of alice, pending: it must not begin before 2026-11-21 17:41:10" in text
    assert "\n  cpu-2 is not up: what was last asked for it failed" in text
    assert "the host is full" in text
    assert "starttime=now" in text


def test_each_part_of_a_job_is_told(cluster: Any) -> None:
    part = "17+{}|PENDING|{}|alice|cpu|1||cpu-2|N/A|(null)\n"
    cluster.says.append(part.format(1, "Resources") + part.format(0, "JobHeldUser"))
    found = explain.explain(cluster, "17")
    assert found["job"]["id"] == "17+0"
    assert found["others"][0]["headline"].startswith("job 17+1 of alice, pending: it is next in line")
    assert "scontrol release 17\njob 17+1" in explain.text(found)
    assert explain.explain(cluster, "17+1")["others"] == []


@pytest.mark.parametrize("target", ["nosuch", "cpu-9", ""])
def test_an_unknown_node_is_refused(cluster: Any, target: str) -> None:
    with pytest.raises(UsageError, match=r"needs a node of cpu-2,login, or the number of a job"):
        explain.explain(cluster, target)


def test_an_unknown_job_is_refused(cluster: Any) -> None:
    cluster.says.append(CommandError(["squeue"], 1, "slurm_load_jobs error: Invalid job id specified"))
    with pytest.raises(UsageError, match="found 99, which Slurm does not know"):
        explain.explain(cluster, "99")


def test_a_site_without_slurm_has_no_jobs(cluster: Any) -> None:
    cluster.has_slurm = False
    with pytest.raises(UsageError, match="without a Slurm partition there are no jobs"):
        explain.explain(cluster, "42")


def test_a_controller_that_does_not_answer_is_named(cluster: Any) -> None:
    cluster.says.append(UnreachableError("the controller does not answer: no end after 3.0 s"))
    with pytest.raises(UnreachableError) as caught:
        explain.explain(cluster, "99")
    assert caught.value.hint == "there is no bridge kw-kiwi on this host; bin/up makes it anew"


def test_the_history_of_a_node_is_printed_with_times(cluster: Any) -> None:
    for old in (ASKED, *UP):
        journal.write(
            cluster.clusterdir, **{key: value for key, value in old.items() if key not in ("version", "time")}
        )
    found = explain.explain(cluster, "cpu-2")
    assert list(found) == ["kind", "node", "headline", "now", "story", "next"]  # what --json prints
    assert list(found["story"][0]) == ["time", "event", "text", "seconds"]
    text = explain.text(found)
    assert "Terraform made its machine (1.0 s)" in text
    assert text.splitlines()[-1].startswith("next: ")
    assert "the journal has nothing about it" in explain.text(explain.explain(cluster, "login"))


def test_status_shows_queue_failures_and_what_is_done(cluster: Any) -> None:
    journal.write(cluster.clusterdir, "failed", ["cpu-2"], step="terraform", reason="the host\n  is full")
    found = status.data(cluster)
    assert (found["queue"], found["oldest"], found["doing"], found["slurm"]) == (0, None, None, True)
    assert [row[0] for row in status.cells(found)] == ["login", "cpu-2"]
    assert status.cells(found)[1][2:6] == ("198.18.4.2", "-", "-", "idle")
    doing = {"step": "playbook", "nodes": ["cpu-2"], "since": 0.0}
    text = "\n".join(status.summary({**found, "doing": doing, "slurm": False}))
    assert "queue: 0 requests; worker: does not run" in text
    assert "now: playbook of cpu-2, since " in text
    assert "cpu-2: the host is full" in text
    assert "Slurm does not answer" in text


def test_only_the_last_failures_are_shown() -> None:
    events = [event(n, "failed", reason=str(n), step="x") for n in range(9)] + [event(10, "done", requests=[ONE])]
    assert [row["reason"] for row in status.failures(events)] == ["4", "5", "6", "7", "8"]
