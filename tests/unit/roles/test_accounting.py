"""What starts slurmdbd: its database is there before it looks, and the port of one that is gone is not waited for."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir.paths import REPO

ROLE = REPO / "roles" / "accounting"
SERVER = "#!/bin/sh\ncat >{0}/statements\n"


def start_post() -> list[str]:
    """The command that waits for slurmdbd's port, as systemd hands it to bash."""
    text = (ROLE / "files/slurmdbd.conf").read_text()
    match = re.search(r"(?m)^ExecStartPost=/bin/bash -c '(.*)'$", text)
    assert match
    return ["/bin/bash", "-c", match[1].replace("$$", "$")]


def test_the_database_is_made_with_the_server(tmp_path: Path) -> None:
    """Debian 13's slurmdbd dies of having to make it (error 5027)."""
    (tmp_path / "mariadbd").write_text(SERVER.format(tmp_path))
    (tmp_path / "mariadbd").chmod(0o755)
    script = str(ROLE / "files/make-database")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    process.run(["sh", script, str(tmp_path / "state/database")], check=False, env=environment)
    assert not (tmp_path / "statements").exists(), "the folder above is slurmctld's, mounted: never made here"
    (tmp_path / "state").mkdir()
    process.run(["sh", script, str(tmp_path / "state/database")], env=environment)
    (name,) = re.findall(r"(?m)^StorageLoc=(\w+)$", (ROLE / "templates/slurmdbd.conf.j2").read_text())
    assert f"create database {name};\n" in (tmp_path / "statements").read_text()
    assert (tmp_path / "state/database").is_dir()


@pytest.mark.parametrize("pid", ["", "4194305"], ids=["gone for systemd", "no such process"])
def test_the_port_of_a_slurmdbd_that_is_gone_is_not_waited_for(pid: str) -> None:
    argv = ["unshare", "--net", "--map-root-user", *start_post()]  # where nobody listens
    assert process.run(argv, check=False, timeout=10, env={"PATH": "/usr/bin:/bin", "MAINPID": pid}).code == 1


def test_a_port_that_answers_is_enough() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        (_, _, command) = start_post()
        command = command.replace("/6819", f"/{server.getsockname()[1]}")
        process.run(["/bin/bash", "-c", command], timeout=10, env={"PATH": "/usr/bin:/bin", "MAINPID": ""})
