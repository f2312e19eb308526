"""What is remembered of jobs: by slurmdbd on the second cluster, by a file on the first one."""

from __future__ import annotations

import json
import os
import signal

from tests.cluster.conftest import Cluster, wait_for


def remembered(cluster: Cluster, user: str, name: str) -> list[str]:
    """`sacct` of a user: account and state of the jobs of this name."""
    out = cluster.ssh(f"{user}@login", f"sacct -X -n -P --name={name} --format=account,state").out
    return out.split()


def test_a_user_sees_a_finished_job(second: Cluster) -> None:
    second.ssh("alice@login", "srun --job-name=done true", timeout=180)
    second.ssh("bob@login", "srun --job-name=broken false", check=False, timeout=180)
    wait_for("alice's job is remembered", lambda: remembered(second, "alice", "done") == ["optics|COMPLETED"], 30)
    wait_for("bob's job is remembered", lambda: remembered(second, "bob", "broken") == ["physics|FAILED"], 30)


def test_accounts_are_what_the_site_says(second: Cluster) -> None:
    show = f"sacctmgr -n -P show associations cluster={second.name} format=account,parentname,user"
    before = second.ssh("root@login", show).out
    assert set(before.split()) == {
        "root||",
        "root||root",
        "physics|root|",
        "optics|physics|",
        "optics||alice",
        "physics||alice",
        "physics||bob",
        "physics||carol",
    }
    levels = second.ssh("root@login", "sacctmgr -n -P show users format=user,adminlevel").out.split()
    assert set(levels) == {"root|Administrator", "alice|None", "bob|None", "carol|Administrator"}
    hold = "job=$(squeue -h -n held -o %i) && scontrol hold $job && scontrol release $job && scancel $job"
    second.ssh("alice@login", "sbatch -J held -b now+1hour -o /dev/null --wrap true")
    for user, code in (("bob", 1), ("carol", 0)):  # as themselves, without sudo
        assert second.ssh(f"{user}@login", hold, check=False).code == code, user
    second.ssh("root@login", "sacctmgr -i add account stray && systemctl restart slurm-accounts")
    assert second.ssh("root@login", show).out == before
    second.ssh("root@login", "systemctl restart slurm-accounts")
    last = "journalctl --unit=slurm-accounts --output=cat | tac | sed '/^Starting/q'"
    assert "sacctmgr" not in second.ssh("root@login", last).out, "nothing to change"


def test_jobs_run_while_slurmdbd_is_down_and_are_remembered_later(second: Cluster) -> None:
    second.ssh("root@login", "systemctl stop slurmdbd slurm-database")
    second.ssh("alice@login", "srun --job-name=meanwhile true", timeout=180)
    second.ssh("root@login", "systemctl start slurmdbd slurm-accounts")
    wait_for("it is remembered", lambda: remembered(second, "alice", "meanwhile") == ["optics|COMPLETED"], 60)


def test_no_password_and_no_port(second: Cluster) -> None:
    second.ssh("root@login", "! grep -i pass /etc/slurm/slurmdbd.conf")
    listening = second.ssh("root@login", "ss -Hltn").out
    assert ":3306" not in listening
    refused = second.ssh("alice@login", "cat /etc/slurm/slurmdbd.conf", check=False)
    assert refused.code != 0


def test_history_outlives_the_login_machine(second: Cluster) -> None:
    before = second.instances()["login"]
    (record,) = second.clusterdir.glob("machines/login.*/instance.json")
    os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    second.up()
    assert second.instances()["login"] != before
    assert remembered(second, "alice", "done") == ["optics|COMPLETED"]


def test_without_accounting_a_file_has_a_line_for_each_job(cluster: Cluster) -> None:
    cluster.ssh("alice@login", "srun --job-name=logged true", timeout=180)
    log = cluster.clusterdir / "data" / "slurmctld" / "jobs"
    wait_for("it is logged", lambda: log.exists() and "Name=logged " in log.read_text(), 30)
    line = next(line for line in log.read_text().splitlines() if "Name=logged " in line)
    assert "JobState=COMPLETED" in line
    assert "UserId=10001 User=alice " in line
