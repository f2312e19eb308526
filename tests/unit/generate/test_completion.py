"""Completion as a shell runs it: what it offers, of whom it asks it, and that it runs nothing that it was answered.

bash runs it for real; what zsh and fish would do is read in their scripts, and both judge the
syntax where they are installed. Fake programs stand on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from generate.outputs import PROGRAMS, REPO
from kiwi.common import process
from kiwi.common.commandline import SHELLS

EVIL = ["$(touch${IFS}pwned)", "`touch${IFS}pwned`", "a;touch${IFS}pwned", "a|b", "a'b", 'a"b', "a&b", "-x", "*"]
INFO = "NODE   PARTITION  STATE\nlab-1  lab        free\nlab-2  lab        free\n"
RUN = """\
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"_shtab_${1##*/}"
[ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where everything happens; bin/ is first on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("KIWI_ROOT", str(tmp_path / "root"))
    rows = "".join(f"{name}  {name}  free\n" for name in EVIL)
    answers(tmp_path, "kiwi", INFO + rows)
    answers(tmp_path, "squeue", "42\n43_[1-5%2]\n44_7\n" + "".join(f"{name}\n" for name in EVIL))
    nodes = dict.fromkeys(("login", "cpu-1", "cpu-2", *EVIL), 0)
    (tmp_path / "nodeset.json").write_text(json.dumps({"nodes": nodes}))
    inventory = f"import json; print(json.dumps({{'variables': {{'cluster_home': {str(tmp_path)!r}}}}}))"
    images = f"import json; print(json.dumps([{{'name': name}} for name in {['debian13', *EVIL]!r}]))"
    (tmp_path / "inventory.py").write_text(inventory)
    (tmp_path / "image.py").write_text(images)
    (tmp_path / "json.py").write_text("open('pwned', 'w')")  # of whoever owns the folder that one is in
    fake = 'echo "$*" >>asked\nfor word; do [ ! -e "$word.py" ] || exec python3 -I "$word.py"; done\n'
    executable(tmp_path / "bin" / "reconfigure", fake)
    return tmp_path


def executable(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def answers(here: Path, name: str, text: str) -> None:
    (here / f"{name}.txt").write_text(text)
    executable(here / "bin" / name, f"cat '{here}/{name}.txt'\n")


def offered(here: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words; nothing else may come of it."""
    program = next(program for program in PROGRAMS if program.name == words[0].rpartition("/")[2])
    script = REPO / program.package / "completion" / f"{program.name}.bash"
    done = process.run(["bash", "-c", RUN, "bash", str(script), *words], cwd=here)
    assert done.err == ""
    assert not (here / "pwned").exists()
    return done.out.splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kiwi al", ["alloc"]),
        ("kiwi alloc -w ", ["lab-1", "lab-2"]),
        ("kiwi alloc --worker lab-2", ["lab-2"]),
        ("kiwi alloc -w lab-1,lab", ["lab-1,lab-1", "lab-1,lab-2"]),
        ("kiwi -p lab kill -w ", ["lab-1", "lab-2"]),
        ("kiwi -p ", ["all", "lab"]),
        ("kiwi alloc -u roo", ["root"]),
        ("kiwi clean roo", ["root"]),
        ("kiwi why ", ["lab-1", "lab-2", "42", "43", "44_7"]),
        ("kiwi why 4", ["42", "43", "44_7"]),
        ("kiwi completion ", ["bash", "zsh", "fish"]),
        ("kiwi alloc --d", ["--dry-run"]),
        ("kiwi alloc -t ", []),
        ("reconfigure wh", ["why"]),
        ("reconfigure why ", ["login", "cpu-1", "cpu-2"]),
        ("reconfigure resume --dry-run cpu-1,c", ["cpu-1,cpu-1", "cpu-1,cpu-2"]),
        ("reconfigure image ", ["list", "bake"]),
        ("reconfigure image bake ", ["debian13"]),
        ("reconfigure status --", ["--help", "--json", "--watch", "--paths"]),
    ],
)
def test_what_bash_offers(here: Path, line: str, expected: list[str]) -> None:
    assert offered(here, *line.split(" ")) == expected


def test_options_are_offered_where_nothing_else_can_stand(here: Path) -> None:
    assert {"--worker", "-t", "--dry-run", "--user"} <= set(offered(here, "kiwi", "alloc", ""))


def test_the_cluster_and_the_program_of_the_line_are_asked(here: Path) -> None:
    offered(here, str(here / "bin" / "reconfigure"), "--cluster", "two", "why", "")
    offered(here, "reconfigure", "--cluster", "$(touch${IFS}pwned)", "why", "")
    assert (here / "asked").read_text() == "--cluster two inventory\ninventory\n"


def test_clusters_are_the_folders_that_are_there(here: Path) -> None:
    assert offered(here, "reconfigure", "--cluster", "") == []
    for name in ("kiwi", "two", *EVIL):
        (here / "root" / "clusters" / name).mkdir(parents=True)
    assert offered(here, "reconfigure", "--cluster", "") == ["kiwi", "two"]


def test_files_are_offered_as_they_are_called(here: Path) -> None:
    (here / "my lab.yml").touch()
    (here / "my-$(touch${IFS}pwned).yml").touch()
    expected = ["my lab.yml", "my-$(touch${IFS}pwned).yml"]
    assert sorted(offered(here, "reconfigure", "check", "--site", "my")) == expected
    assert sorted(offered(here, "kiwi", "metrics", "--to", "my")) == expected


@pytest.mark.parametrize("answer", ["echo broken >&2; exit 4\n", "echo broken\n", ""])
def test_nobody_hears_of_it_where_nobody_answers(here: Path, answer: str) -> None:
    for name in ("kiwi", "squeue", "reconfigure"):
        executable(here / "bin" / name, answer)
    assert offered(here, "kiwi", "alloc", "-w", "l") == []
    assert offered(here, "kiwi", "why", "4") == []
    assert offered(here, "reconfigure", "why", "c") == []
    assert offered(here, "reconfigure", "image", "bake", "d") == []


def test_both_live_in_one_shell(here: Path) -> None:
    """Helpers that shtab gives the same name in every script have names of their own here."""
    scripts = [str(REPO / program.package / "completion" / f"{program.name}.bash") for program in PROGRAMS]
    defined = [set(re.findall(r"^(\w+)\(\)", Path(script).read_text(), re.MULTILINE)) for script in scripts]
    assert defined[0] & defined[1] == set()


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_script_is_sound_and_waits_for_nobody(program, shell: str) -> None:
    path = REPO / program.package / "completion" / f"{program.name}.{shell}"
    text = path.read_text(encoding="utf-8")
    assert "not to be edited" in text
    if shell == "zsh":
        assert text.startswith(f"#compdef {program.name}\n")
    asks = [line for line in text.splitlines() if re.search(r"\btimeout\b", line)]
    assert asks and all(re.search(r"timeout [12] .*2>/dev/null", line) for line in asks)
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert not re.search(r"(?m)^\s*eval\s|compgen -W [^-]*\$\(|compgen -W [^-]*\$words", code)
    if shutil.which(shell):
        assert process.run([shell, "-n", str(path)]).err == ""


NPOS = "and test $_shtab_{}_npos -eq 0' -ka"
ASKED = {
    "kiwi.zsh": [
        "]:NODES:_kiwi_nodes",
        "]:partition:_kiwi_partitions",
        "or a node such as lab-1:_kiwi_targets",
        "]:user:_kiwi_users",
        "]:FILE:_kiwi_file",
    ],
    "kiwi.fish": [
        """_shtab_kiwi_using alloc' -s w -l worker -xka "(_kiwi_nodes)\"""",
        """_shtab_kiwi_using -s p -l partition -xka "(_kiwi_partitions)\"""",
        f"""_shtab_kiwi_using why; {NPOS.format("kiwi")} "(_kiwi_targets)\"""",
        f"""_shtab_kiwi_using clean; {NPOS.format("kiwi")} "(_kiwi_users)\"""",
    ],
    "reconfigure.zsh": [
        "]:NAME:_reconfigure_clusters",
        "]:FILE:_reconfigure_file",
        "or the number of a job:_reconfigure_nodes",
        ":a key of images in the site data:_reconfigure_images",
    ],
    "reconfigure.fish": [
        """_shtab_reconfigure_using -l cluster -xka "(_reconfigure_clusters)\"""",
        """_shtab_reconfigure_using check' -l site -xka "(_reconfigure_file)\"""",
        f"""_shtab_reconfigure_using image bake; {NPOS.format("reconfigure")} "(_reconfigure_images)\"""",
    ],
}


@pytest.mark.parametrize("name", ASKED)
def test_zsh_and_fish_ask_the_same(name: str) -> None:
    text = (REPO / name.partition(".")[0] / "cli" / "completion" / name).read_text(encoding="utf-8")
    assert [part for part in ASKED[name] if part not in text] == []


@pytest.mark.parametrize("shell", SHELLS)
def test_python_takes_nothing_from_the_folder_that_one_is_in(shell: str) -> None:
    text = (REPO / "reconfigure" / "cli" / "completion" / f"reconfigure.{shell}").read_text(encoding="utf-8")
    assert text.count("python3 ") == text.count("python3 -I ") > 0


@pytest.mark.parametrize("name", ["kiwi", "reconfigure"])
def test_zsh_and_fish_offer_plain_names_only(name: str) -> None:
    """Where bash's functions are tried above, theirs have the same filter."""
    plain = "[A-Za-z0-9][A-Za-z0-9._-]*"
    for shell in ("zsh", "fish"):
        text = (REPO / "generate" / "shells" / f"{name}.{shell}").read_text(encoding="utf-8")
        assert plain in text
        for line in text.splitlines():
            if "python3 -I -c" in line:
                assert "_reconfigure_plain" in line
