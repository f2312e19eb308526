"""machine.sh ends whatever it hangs on: here another change of the same machine, which holds its lock for ever.

Cannot prove: that it ends while the kernel hangs; then the driver goes on without it (Terraform.apply).
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kiwi.common import process, waiting
from reconfigure.clusterdir.paths import REPO

SCRIPT = REPO / "terraform" / "local" / "machine.sh"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "machine-a.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield {"PATH": "/usr/bin:/bin", "KIWI_HOME": str(tmp_path), "KIWI_CLUSTER": "kx", "KIWI_NAME": "a"}


def test_it_gives_up_and_says_so(environment: dict[str, str]) -> None:
    began = time.monotonic()
    done = process.run(["bash", str(SCRIPT), "clear"], check=False, env={**environment, "KIWI_DEADLINE": "1"})
    assert (done.code, time.monotonic() - began < 10) == (124, True)
    assert done.err.splitlines()[-1] == "machine a of cluster kx: not done within 1 s, or told to end"


def test_who_kills_it_kills_the_script(environment: dict[str, str]) -> None:
    """Terraform kills the process that it started, and that alone; nothing may go on making a machine then."""
    with process.start(["bash", str(SCRIPT), "clear"], env=environment) as child:
        watched = psutil.Process(child.pid)
        (script,) = waiting.until(lambda: [p for p in watched.children() if p.name() == "bash"], 10)
        child.kill()
        assert psutil.wait_procs([script], timeout=10)[1] == []
