"""The hooks as slurmctld calls them: no PATH, no HOME, perhaps no descriptors."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kiwi.common import process

SCRIPTS = Path(__file__).resolve().parents[3] / "slurmscripts"
HOOKS = ("resume", "suspend", "resume_fail", "reboot")


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "requests"
    folder.mkdir(mode=0o700)
    return folder


def hook(spool: Path, *argv: str, **environ: str) -> process.Result:
    return process.run([str(SCRIPTS / argv[0]), *argv[1:]], check=False, env={"KIWI_SPOOL": str(spool), **environ})


def records(spool: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(spool.iterdir())]


@pytest.mark.parametrize("kind", HOOKS)
def test_a_hook_leaves_one_private_record(spool: Path, kind: str) -> None:
    assert hook(spool, kind, "cpu-[2-3],gpu-1.x") == (0, "", "")
    (path,) = spool.iterdir()
    record = json.loads(path.read_text())
    assert list(record) == ["version", "id", "kind", "nodes", "time", "detail"]
    assert (record["version"], record["kind"], record["nodes"]) == (1, kind, "cpu-[2-3],gpu-1.x")
    assert re.fullmatch(r"\d{19}-\d+", record["id"]) and path.name == record["id"] + ".json"
    assert record["time"] == int(record["id"][:10]) and record["detail"] is None
    assert path.stat().st_mode & 0o777 == 0o600


def test_slurms_resume_file_is_copied(spool: Path, tmp_path: Path) -> None:
    detail = {"all_nodes_resume": "cpu-2", "jobs": [{"job_id": 7, "extra": 'a "quoted" \\ %s\n', "features": None}]}
    resume_file = tmp_path / "resume"
    resume_file.write_text(json.dumps(detail, indent=1))
    assert hook(spool, "resume", "cpu-2", SLURM_RESUME_FILE=str(resume_file)).code == 0
    assert records(spool)[0]["detail"] == detail


def test_a_resume_file_that_is_gone_loses_no_request(spool: Path, tmp_path: Path) -> None:
    assert hook(spool, "resume", "cpu-2", SLURM_RESUME_FILE=str(tmp_path / "gone")).code == 0
    assert records(spool)[0]["detail"] is None


def test_closed_descriptors_do_no_harm(spool: Path) -> None:
    command = f"exec <&- >&- 2>&-; '{SCRIPTS}/resume' cpu-2"
    assert process.run(["/bin/sh", "-c", command], env={"KIWI_SPOOL": str(spool)}).code == 0
    assert records(spool)[0]["nodes"] == "cpu-2"


BAD = ["", "cpu 1", "cpu-1;reboot", 'cpu"', "cpu\n", "../x", "$(x)", "cpu-1\\", "é"]


@pytest.mark.parametrize("nodes", BAD)
def test_bad_node_names_are_refused(spool: Path, nodes: str) -> None:
    assert hook(spool, "resume", nodes).code == 1
    assert records(spool) == []


def test_a_burst_has_as_many_records_as_calls(spool: Path) -> None:
    with ThreadPoolExecutor(30) as pool:
        done = list(pool.map(lambda n: hook(spool, "resume", f"cpu-{n}").code, range(30)))
    assert done == [0] * 30
    assert sorted(str(r["nodes"]) for r in records(spool)) == sorted(f"cpu-{n}" for n in range(30))


def test_a_spool_that_is_missing_is_an_error(tmp_path: Path) -> None:
    assert hook(tmp_path / "none", "resume", "cpu-1").code == 1
