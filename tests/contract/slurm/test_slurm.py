"""What real Slurms wrote (`record` says how) goes through what the driver reads it with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kiwi.common import hostlist
from kiwi.common.errors import KiwiError, UsageError
from reconfigure.model.request import parse_request
from reconfigure.slurm import nodes as slurm_nodes
from reconfigure.slurm.nodes import Power

HERE = Path(__file__).parent
VERSIONS = sorted(path for path in HERE.iterdir() if path.name[0].isdigit())

UP = "IDLE+CLOUD"
OFF = "IDLE+CLOUD+POWERED_DOWN"
GOING = "IDLE+CLOUD+POWERING_DOWN"
COMING = "IDLE+CLOUD+NOT_RESPONDING+POWERING_UP"
AWAITED = "MIXED+CLOUD+NOT_RESPONDING+POWERING_UP"
TAKEN = "ALLOCATED+CLOUD"
FAILED = "DOWN+CLOUD+POWERED_DOWN"
STATES = {
    "powered-down": (UP, OFF, OFF, OFF),
    "mixed": ("MIXED+CLOUD", OFF, OFF, OFF),
    "allocated": (TAKEN, OFF, OFF, OFF),
    "hostile": (f"{TAKEN}+DRAIN", OFF, f"{OFF}+DRAIN", OFF),
    "powering-up-for-a-job": (TAKEN, AWAITED, AWAITED, OFF),
    "powering-up-by-hand": (TAKEN, AWAITED, AWAITED, COMING),
    "forced-down": (TAKEN, COMING, GOING, COMING),
    "powering-down": (TAKEN, COMING, GOING, GOING),
    "drained": ("IDLE+CLOUD+DRAIN", COMING, GOING, GOING),
    "down": ("DOWN+CLOUD+DRAIN", COMING, GOING, GOING),
    "rebooting": ("DOWN+CLOUD+DRAIN+REBOOT_ISSUED", COMING, GOING, GOING),
    "resume-timeout": ("DOWN+CLOUD+DRAIN+REBOOT_ISSUED", FAILED, FAILED, OFF),
}
OF_VERSION = {"22.05.8": {FAILED: f"{FAILED}+NOT_RESPONDING"}}  # the same with more words
UNDRAINED = ("24.11.5", "powering-up-for-a-job", "cpu-1")  # it was, just before: this release waits for its answer
KEYS = {"22.05.8": ("all_nodes", "nodes"), "24.11.5": ("all_nodes_resume", "nodes_resume")}  # of the resume file


def nodes(version: Path, state: str) -> dict[str, slurm_nodes.SlurmNode]:
    return slurm_nodes.parse_nodes((version / f"nodes-{state}.json").read_text(encoding="utf-8", errors="replace"))


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_every_recording_is_expected(version: Path) -> None:
    assert {path.name for path in version.glob("nodes-*")} == {f"nodes-{state}.json" for state in STATES}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_states(version: Path, state: str) -> None:
    found = nodes(version, state)
    assert list(found) == ["cpu-1", "cpu-2", "cpu-3", "cpu-4"]
    for node, expected in zip(found.values(), STATES[state]):
        base, *flags = OF_VERSION.get(version.name, {}).get(expected, expected).split("+")
        flags += ["NOT_RESPONDING"] if (version.name, state, node.name) == UNDRAINED else []
        assert (node.base, node.flags) == (base, frozenset(flags)), node.name


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_a_reason_with_blanks_and_signs_is_kept(version: Path) -> None:
    found = nodes(version, "forced-down")["cpu-3"]
    assert found.reason == "no machine: the host is full (found 5 of 5)"
    assert found.reason_user == "root" and found.reason_time > 1795000000
    without = nodes(version, "forced-down")["cpu-2"]
    assert (without.reason, without.reason_user, without.reason_time) == ("", "", 0.0)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_words_of_a_reason_or_comment_are_no_state(version: Path) -> None:
    """Each says State=IDLE+CLOUD+POWERED_DOWN, ends the JSON by itself, and names other nodes."""
    found = nodes(version, "hostile")
    assert found["cpu-1"].allocated and found["cpu-1"].power is Power.UP
    assert found["cpu-1"].reason.startswith('saw State=IDLE+CLOUD+POWERED_DOWN in log "q" \\ |\nNodeName=cpu-2')
    assert found["cpu-1"].reason.endswith('}],"nodes":[{\n\ufffd\x01 end')
    assert found["cpu-2"] == nodes(version, "allocated")["cpu-2"] and not found["cpu-2"].down
    assert found["cpu-3"].reason == "NodeName=cpu-2 State=DOWN: fan"


@pytest.mark.parametrize(
    "wrong",
    ["", "slurm_load_node: no contact", "[]", '{"nodes": {}}', '{"nodes": [1]}', "[" * 100000]
    + [
        json.dumps({"nodes": [{"name": name, "state": state}]})
        for name, state in [(1, ["IDLE"]), ("cpu-1", []), ("cpu-1", [1])]
    ],
)
def test_what_is_no_answer_is_none(wrong: str) -> None:
    with pytest.raises(KiwiError, match="cannot be read"):
        slurm_nodes.parse_nodes(wrong)


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_requests_of_its_hooks(version: Path) -> None:
    found = [parse_request(line) for line in (version / "requests.jsonl").read_text().splitlines()]
    by_node = {name: [r.kind for r in found if name in hostlist.expand(r.nodes)] for name in nodes(version, "mixed")}
    assert by_node == {
        "cpu-1": ["reboot"],
        "cpu-2": ["resume", "resume_fail"],
        "cpu-3": ["resume", "suspend", "resume", "resume_fail"],
        "cpu-4": ["resume", "suspend"],
    }
    of_all, of_job = KEYS[version.name]
    assert found[0].detail and found[0].detail[of_all] == "cpu-[2-3]"
    assert found[0].detail["jobs"][0][of_job] == "cpu-[2-3]" and found[1].detail and not found[1].detail["jobs"]


def test_nodes_of_running_jobs() -> None:
    text = "RUNNING 7 cpu-[1-2]\nCONFIGURING 8 cpu-4\nPENDING 9 \nRUNNING 10 gpu-1\nRUNNING 11 gpu-1\n"
    assert slurm_nodes.parse_running(text) == {"cpu-1": {7}, "cpu-2": {7}, "gpu-1": {10, 11}}
    assert slurm_nodes.parse_running("") == {}
    with pytest.raises(UsageError, match="nodes"):
        slurm_nodes.parse_running("RUNNING 7 cpu-[\n")


@pytest.mark.parametrize(
    ("state", "name", "expected"),
    [
        ("powered-down", "cpu-1", (Power.UP, set())),
        ("powered-down", "cpu-2", (Power.POWERED_DOWN, set())),
        ("powering-up-by-hand", "cpu-4", (Power.POWERING_UP, set())),
        ("allocated", "cpu-1", (Power.UP, {"allocated"})),
        ("forced-down", "cpu-3", (Power.POWERING_DOWN, set())),
        ("down", "cpu-1", (Power.UP, {"down", "drained"})),
        ("resume-timeout", "cpu-2", (Power.POWERED_DOWN, {"down"})),
    ],
)
@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_what_the_states_mean(version: Path, state: str, name: str, expected: tuple[Power, set[str]]) -> None:
    node = nodes(version, state)[name]
    meanings = {"down": node.down, "allocated": node.allocated, "drained": node.drained, "completing": node.completing}
    assert (node.power, {meaning for meaning, holds in meanings.items() if holds}) == expected


def test_what_slurm_is_told() -> None:
    assert slurm_nodes.update(["cpu-2", "cpu-1"], "power_down_force", "the host is full") == [
        "scontrol",
        "update",
        "nodename=cpu-[1-2]",
        "state=power_down_force",
        "reason=the host is full",
    ]
