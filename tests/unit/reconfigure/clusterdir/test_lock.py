"""The lock of a cluster: one holder with a name, and no rival left by a killed one."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from kiwi.common import process
from kiwi.common.errors import BUSY, FAILED, BusyError
from reconfigure.clusterdir import lock, rivals
from reconfigure.clusterdir.paths import ClusterDir


@pytest.fixture
def clusterdir(tmp_path: Path) -> ClusterDir:
    return ClusterDir(tmp_path, "t")


def marked_child(clusterdir: ClusterDir, code: str) -> process.Child[str]:
    """A child with the mark of a change; returns once its program runs."""
    child = process.start([sys.executable, "-c", f"print(1, flush=True)\n{code}"], env=rivals.environment(clusterdir))
    assert child.stdout is not None
    child.stdout.readline()
    return child


def close(child: process.Child[str]) -> None:
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def test_the_busy_message_names_the_holder(clusterdir: ClusterDir) -> None:
    with lock.locked(clusterdir, wait=0), pytest.raises(BusyError) as caught, lock.locked(clusterdir, wait=0):
        pass
    assert f"process {os.getpid()}" in str(caught.value)
    assert "since " in str(caught.value)
    assert caught.value.exit_code == BUSY


def test_a_lock_that_cannot_be_written_is_named(clusterdir: ClusterDir) -> None:
    """With `ulimit -f 0` it was a traceback."""
    code = "from reconfigure.cli.main import commandline; from reconfigure.clusterdir import lock, paths; import sys; "
    code += "sys.exit(commandline.end('x', lambda: lock.hold(paths.Path(sys.argv[1]), 0).__enter__() or 0))"
    argv = ["bash", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-c", code, str(clusterdir.path / "lock")]
    done = process.run(argv, check=False)
    assert (done.code, done.err) == (FAILED, f"x: cannot write {clusterdir.path / 'lock'}: File too large\n")


def test_it_can_be_taken_again(clusterdir: ClusterDir) -> None:
    for _ in range(2):
        with lock.locked(clusterdir, wait=0):
            assert json.loads((clusterdir.path / "lock").read_text())["pid"] == os.getpid()


def test_a_removed_lock_file_is_noticed(clusterdir: ClusterDir) -> None:
    with lock.locked(clusterdir, wait=0):
        (clusterdir.path / "lock").unlink()
        with lock.locked(clusterdir, wait=0):
            assert (clusterdir.path / "lock").exists()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import time; time.sleep(600)", id="plain"),
        pytest.param("import os; os.setsid(); os.fork(); import time; time.sleep(600)", id="with a child of its own"),
    ],
)
def test_taking_it_ends_what_a_killed_run_left(clusterdir: ClusterDir, code: str) -> None:
    child = marked_child(clusterdir, code)
    with lock.locked(clusterdir, wait=0):
        assert rivals.marked(clusterdir) == []
    assert child.wait(10) != 0
    close(child)


def test_a_rival_that_ignores_signals_is_killed(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "INTERRUPT_GRACE", 0.1)
    monkeypatch.setattr(rivals, "TERM_GRACE", 0.1)
    stubborn = "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nprint(2, flush=True)\n"
    child = marked_child(clusterdir, f"{stubborn}time.sleep(600)")
    assert child.stdout is not None
    child.stdout.readline()
    with lock.locked(clusterdir, wait=0):
        assert rivals.marked(clusterdir) == []
    assert child.wait(10) == -9
    close(child)


def test_a_rival_that_ignores_an_interrupt_is_asked_otherwise(clusterdir: ClusterDir) -> None:
    """As all do that a script began with &; it used to cost the whole grace."""
    child = marked_child(
        clusterdir, "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint(2, flush=True)\ntime.sleep(600)"
    )
    assert child.stdout is not None
    child.stdout.readline()
    rivals._end(lambda entry: rivals._is_marked(clusterdir, entry), signal.SIGINT, 10)
    assert child.wait(1) == -signal.SIGTERM
    close(child)


def test_another_cluster_is_left_alone(clusterdir: ClusterDir) -> None:
    other = marked_child(ClusterDir(clusterdir.root, "other"), "import time; time.sleep(600)")
    with lock.locked(clusterdir, wait=0):
        assert other.poll() is None
    process.stop(other)
    close(other)


def test_an_error_inside_leaves_no_child(clusterdir: ClusterDir) -> None:
    child = None
    with pytest.raises(RuntimeError), lock.locked(clusterdir, wait=0):
        child = marked_child(clusterdir, "import time; time.sleep(600)")
        raise RuntimeError
    assert child is not None
    assert child.wait(10) != 0
    close(child)


def test_a_marked_ancestor_is_no_rival(clusterdir: ClusterDir) -> None:
    code = (
        "import sys; from pathlib import Path; from reconfigure.clusterdir import lock; "
        "from reconfigure.clusterdir.paths import ClusterDir\n"
        f"with lock.locked(ClusterDir(Path({str(clusterdir.root)!r}), 't'), wait=0): print('held')"
    )
    wrapped = ["sh", "-c", 'echo 1; "$@"; echo ended', "sh", sys.executable, "-c", code]
    done = process.run(wrapped, env={**rivals.environment(clusterdir), "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.out.split() == ["1", "held", "ended"]


def test_a_rival_that_does_not_end_is_named(clusterdir: ClusterDir, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs in the kernel; waiting for it for ever would hold every later change."""
    child = marked_child(clusterdir, "import time; time.sleep(60)")
    monkeypatch.setattr(rivals, "KILL_GRACE", 0.2)
    monkeypatch.setattr(rivals, "INTERRUPT_GRACE", 0.1)
    monkeypatch.setattr(rivals, "TERM_GRACE", 0.1)
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda descriptor, number: None)
    with pytest.raises(BusyError, match=str(child.pid)), lock.locked(clusterdir, wait=0):
        pass
    child.kill()
    child.wait()
    close(child)
