"""What only root can try: files, processes and disks of others."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from kiwi.common import files, process
from reconfigure.clusterdir import rivals
from reconfigure.clusterdir.paths import ClusterDir

SCRIPTS = Path(__file__).resolve().parents[2] / "slurmscripts"


def test_a_file_is_given_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.replace(path, "new\n", 0o640, owner=(10001, 10002))
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (10001, 10002, 0o640)


def test_processes_of_a_container_are_not_rivals(tmp_path: Path) -> None:
    """A host sees what runs in its containers; one of them may be a control host with the same paths."""
    clusterdir = ClusterDir(tmp_path, "t")
    inner = [sys.executable, "-c", "import sys; print(1, flush=True); sys.stdin.read()"]
    argv = ["unshare", "--pid", "--fork", *inner]
    with process.start(argv, env=rivals.environment(clusterdir), stdin=process.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == "1\n"
        assert rivals.marked(clusterdir) == [child.pid]
        child.communicate(timeout=10)


def test_a_process_of_another_user_is_no_rival(tmp_path: Path) -> None:
    """Anybody may put the mark into an environment."""
    clusterdir = ClusterDir(tmp_path, "t")
    argv = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", "echo 1; sleep 60"]
    with process.start(argv, env=rivals.environment(clusterdir)) as child:
        assert child.stdout is not None and child.stdout.readline() == "1\n"
        assert rivals.marked(clusterdir) == []
        child.kill()


def test_a_full_disk_is_an_error_of_a_hook_and_leaves_nothing(tmp_path: Path) -> None:
    fill = f"mount -t tmpfs -o size=4k,nr_inodes=20 none {tmp_path} && head -c 4096 /dev/zero >{tmp_path}/full"
    call = f"KIWI_SPOOL={tmp_path} {SCRIPTS}/resume cpu-1; echo $?; ls -A {tmp_path}"
    line = f"{fill}; {call}"
    assert process.run(["unshare", "--mount", "sh", "-c", line]).out.split() == ["1", "full"]
