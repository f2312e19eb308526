"""What of a caller's environment reaches children: TF_DATA_DIR or LC_ALL=C of an admin's shell once failed nodes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kiwi.common import process
from reconfigure.clusterdir import environment, rivals
from reconfigure.clusterdir.paths import REPO, ClusterDir
from reconfigure.rounds import playbook
from reconfigure.worker import supervisor

HOSTILE = {
    "TF_DATA_DIR": "/nonexistent",
    "TF_CLI_ARGS": "-destroy",
    "TF_CLI_ARGS_apply": "-destroy",
    "TF_WORKSPACE": "x",
    "TF_VAR_nodes": "[]",
    "ANSIBLE_STDOUT_CALLBACK": "nonsense",
    "ANSIBLE_INVENTORY": "/x",
    "ANSIBLE_CONFIG": "/x",
    "LC_ALL": "xx_YY",
    "LC_MESSAGES": "xx_YY",
    "LANGUAGE": "xx",
    "PYTHONSTARTUP": "/x",
    "PYTHONHOME": "/x",
    "BASH_ENV": "/x",
    "KIWI_NAME": "cpu-1",
    "KIWI_INSTANCE": "x",
    "LD_PRELOAD": "/x",
    "SSH_AUTH_SOCK": "/x",
}
KEPT = {
    "PATH": "/bin",
    "HOME": "/root",
    "TERM": "xterm",
    "KIWI_ROOT": "/srv/kiwi",
    "KIWI_CLUSTER": "lab",
    "https_proxy": "http://proxy:3128",
    "NO_PROXY": "localhost",
    "SSL_CERT_FILE": "/etc/ssl/own.pem",
    "OS_CLOUD": "lab",
    "OS_AUTH_URL": "http://cloud",
}
SHOW = "#!/bin/bash -p\n. {}\nenv\ntype -t cd\n"


def test_what_is_let_through() -> None:
    assert environment.ours({**HOSTILE, **KEPT}) == {**KEPT, **environment.LOCALE}


def test_there_is_always_a_path() -> None:
    assert environment.ours({}) == {"PATH": environment.PATH, **environment.LOCALE}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("given", [rivals.environment, playbook.environment, supervisor.settings])
def test_children_get_nothing_else(given, tmp_path: Path) -> None:
    found = given(ClusterDir(tmp_path, "kiwi"))
    assert not {(name, value) for name, value in HOSTILE.items()} & set(found.items())
    assert (found["LANG"], found["LC_ALL"]) == ("C.UTF-8", "C.UTF-8")


@pytest.mark.usefixtures("hostile")
def test_a_process_takes_its_own_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    environment.take_over()
    assert not os.environ.keys() & (HOSTILE.keys() - environment.LOCALE.keys())
    assert os.environ["LC_ALL"] == "C.UTF-8"


def test_the_program_is_started_with_ours_alone() -> None:
    """The first command that a program starts has what the program has; ansible-runner copies that as well."""
    code = "import sys, os; from reconfigure.cli import main; sys.argv[1:] = ['--version']\n"
    code += "try: main.main()\nfinally: print(sorted(os.environ))"
    names = HOSTILE.keys() - {"PYTHONHOME", "LD_PRELOAD"}  # which no interpreter outlives
    env = {**os.environ, **{name: HOSTILE[name] for name in names}}
    done = process.run([sys.executable, "-c", code], env=env, check=False)
    assert not [name for name in names - {"LC_ALL"} if repr(name) in done.out], done.out
    assert "'LC_ALL'" in done.out


def test_scripts_and_python_let_the_same_through(tmp_path: Path) -> None:
    script, trap = tmp_path / "show", tmp_path / "trap"
    script.write_text(SHOW.format(REPO / "bin" / "environment.sh"))
    script.chmod(0o755)
    trap.write_text("echo TRAPPED\n")
    env = {**HOSTILE, **KEPT, "BASH_ENV": str(trap), "CDPATH": "/", "SHELLOPTS": "noexec", "IFS": "/"}
    env |= {"BASH_FUNC_cd%%": "() { echo TRAPPED; }", "GREP_OPTIONS": "-v", "OS_TWO": "a\nb c", "LANG": "xx"}
    del env["LD_PRELOAD"]  # is the loader's own
    lines = process.run([str(script)], env=env).out.splitlines()
    assert lines[-1] == "builtin" and "TRAPPED" not in lines
    shown = dict(line.split("=", 1) for line in lines[:-1] if "=" in line)
    assert shown == {
        **environment.ours(env),
        "OS_TWO": "a",
        "PWD": shown["PWD"],
        "SHLVL": shown["SHLVL"],
        "_": shown["_"],
    }


@pytest.mark.parametrize("name", ["up", "down", "login", "prepare"])
def test_scripts_begin_with_it(name: str) -> None:
    lines = (REPO / "bin" / name).read_text().splitlines()
    assert lines[0] == "#!/bin/bash -p"
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands[1] == '. "$(dirname "$0")/environment.sh"'
