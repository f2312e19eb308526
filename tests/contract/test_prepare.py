"""bin/prepare with real venv and pip, in a checkout whose one package has a build backend of its own (no index).

Guards: that a new environment is made beside the old one, which goes on working where pip fails or is killed, that two
at once wait for each other, and that who runs from an old one keeps it.
Cannot prove: Debian packages, and what real wheels do.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from kiwi.common import process, waiting
from reconfigure.clusterdir.paths import REPO

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as bin/prepare does")
PROJECT = """\
# {version}
[project]
name = "kiwi-cluster"
version = "{version}"
[project.optional-dependencies]
control = []
test = []
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
# A wheel with the one program `reconfigure`, which prints its version. `gate` (a FIFO) stops it half way.
BACKEND = """\
import os, tomllib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    version = tomllib.load(open("pyproject.toml", "rb"))["project"]["version"]
    print(version, file=open("built", "a"))
    if os.path.exists("gate"):
        open("gate").read()
    if os.path.exists("broken"):
        raise SystemExit("no such wheel")
    name = f"kiwi_cluster-{version}-py3-none-any.whl"
    info = f"kiwi_cluster-{version}.dist-info"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("kiwi_program.py", f"def main(): print({version!r})")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\\nName: kiwi-cluster\\nVersion: {version}\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\\nreconfigure = kiwi_program:main\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


class Checkout(NamedTuple):
    """A folder with bin/prepare and a package."""

    folder: Path

    def wants(self, version: str) -> None:
        (self.folder / "pyproject.toml").write_text(PROJECT.format(version=version))

    def prepare(self, check: bool = True) -> process.Result:
        return process.run([str(self.folder / "bin/prepare")], check=check, timeout=120)

    def start(self) -> process.Child[str]:
        return process.start([str(self.folder / "bin/prepare")], new_session=True)

    def runs(self) -> str:
        """What the program of the environment prints."""
        return process.run([str(self.folder / ".venv/bin/reconfigure")]).out.strip()

    def environments(self) -> list[str]:
        return sorted(path.name for path in (self.folder / ".venvs").iterdir() if path.is_dir())

    def built(self) -> list[str]:
        return (self.folder / "built").read_text().split()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    for name in ("bin/prepare", "bin/down", "bin/environment.sh", "reconfigure/clusterdir/environment.txt"):
        (made.folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPO / name, made.folder / name)
    (made.folder / "backend.py").write_text(BACKEND)
    (made.folder / "constraints.txt").touch()
    made.wants("1")
    made.prepare()
    return made


@pytest.fixture
def checkout(first: Checkout) -> Iterator[Checkout]:
    """The checkout with the environment of version 1 and no other. Each costs seconds: only the last test makes one."""
    first.wants("1")
    first.prepare()
    (first.folder / "built").write_text("")
    assert (first.runs(), len(first.environments())) == ("1", 1)
    yield first
    for name in ("broken", "gate"):
        (first.folder / name).unlink(missing_ok=True)


def wait_for(what: Callable[[], object]) -> None:
    assert waiting.until(what, 60)


def test_the_second_time_nothing_is_done(checkout: Checkout) -> None:
    assert checkout.prepare() == (0, "", "")
    assert checkout.built() == []


def test_a_failing_pip_leaves_the_old_environment(checkout: Checkout) -> None:
    checkout.wants("2")
    (checkout.folder / "broken").touch()
    done = checkout.prepare(check=False)
    assert done.code == 2
    assert done.err.endswith("bin/prepare: pip could not make the Python environment; what was there stays\n")
    assert checkout.runs() == "1"


def test_a_folder_of_an_older_version_becomes_a_link(checkout: Checkout) -> None:
    link = checkout.folder / ".venv"
    link.unlink()
    (link / "bin").mkdir(parents=True)
    checkout.prepare()
    assert link.is_symlink()
    assert (checkout.runs(), len(checkout.environments()), checkout.built()) == ("1", 1, [])


def test_down_takes_what_is_there(checkout: Checkout) -> None:
    checkout.wants("2")
    assert process.run([str(checkout.folder / "bin/down")]).out == "1\n"
    assert checkout.built() == []


def test_killed_half_way_and_two_at_once_and_somebody_runs_from_the_old_one(checkout: Checkout) -> None:
    (old,) = checkout.environments()
    python = str(checkout.folder / ".venvs" / old / "bin/python")
    worker = process.start([python, "-c", "input(); import kiwi_program; kiwi_program.main()"], stdin=process.PIPE)
    checkout.wants("2")
    os.mkfifo(checkout.folder / "gate")
    victim = checkout.start()
    wait_for(checkout.built)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    assert checkout.runs() == "1"
    one = checkout.start()
    wait_for(lambda: len(checkout.built()) == 2)
    other = checkout.start()
    assert other.stdout is not None
    assert other.stdout.readline() == "waiting for another bin/prepare\n"
    assert checkout.runs() == "1"
    (checkout.folder / "gate").write_text("")
    for child in (one, other):
        said = child.communicate(timeout=60)
        assert child.returncode == 0, said
    assert checkout.built() == ["2", "2"], "the second one found it made"
    assert (checkout.runs(), len(checkout.environments())) == ("2", 2)
    assert worker.communicate("go on\n")[0] == "1\n"
    checkout.prepare()
    assert len(checkout.environments()) == 1
