"""Real clusters for all tests of this folder; removed with everything at the end.

`cluster` (ktest) serves nearly all tests; `second` (ktwo) is made where a test first asks for it; klab,
two machines without Slurm, is one module's own. KIWI_KEEP=1 keeps them (and their images) for the
next run. KIWI_TEST_SLOT=1 to 3 gives them names and subnets of their own (k1test, k1two, k1lab), so
that lanes of several checkouts run side by side. Each track of a lane (tests/tracks.py) but the first one
has its own, too: kbtest, k1btest.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from bench import whole
from kiwi.common import process
from kiwi.common.errors import BusyError
from reconfigure.clusterdir import lock
from reconfigure.site import data as site_data
from tests import tracks

REPO = Path(__file__).resolve().parents[2]
ROOT = Path(os.environ.get("KIWI_ROOT", "/var/lib/kiwi"))
SLOT, TRACK = os.environ.get("KIWI_TEST_SLOT", ""), os.environ.get(tracks.TRACK, min(tracks.TRACKS))
NUMBER = sorted(tracks.TRACKS).index(TRACK)
FIRST, SECOND, LAB = (f"k{SLOT}{TRACK if NUMBER else ''}{name}" for name in ("test", "two", "lab"))
LOCKS = Path("/run/lock")


def _site(name: str, file: str, subnet: str) -> Path:
    """The site file of a cluster; in a slot, or in another track than the first one, a copy of its own."""
    shipped = REPO / "tests" / "cluster" / file
    if not SLOT and not NUMBER:
        return shipped
    text = re.sub(r"(?m)^cluster_name: .*", f"cluster_name: {name}", shipped.read_text())
    path = Path(tempfile.gettempdir()) / f"kiwi-site-{name}.yml"
    path.write_text(re.sub(r"(?m)^subnet: .*", f"subnet: {subnet}", text))
    return path


def _subnets() -> Iterator[str]:
    """The subnets of this slot and track: of the first cluster, the second one and the one without Slurm."""
    place = 16 * int(SLOT or 0)
    if NUMBER:
        return (f"10.{210 + 10 * NUMBER + kind}.{place}.0/20" for kind in range(3))
    return iter((f"198.18.{place}.0/20", f"198.18.{128 + place}.0/20", f"10.209.{place}.0/20"))


FILES = {FIRST: "site.yml", SECOND: "second.yml", LAB: "lab.yml"}
SITES = {name: _site(name, file, subnet) for (name, file), subnet in zip(FILES.items(), _subnets())}


@dataclass(frozen=True)
class Cluster:
    """The commands that people use, with this cluster's name."""

    name: str

    @property
    def clusterdir(self) -> Path:
        return ROOT / "clusters" / self.name

    @property
    def subnet(self) -> str:
        return str(yaml.safe_load(SITES[self.name].read_text())["subnet"])

    def command(
        self, *argv: str, check: bool = True, timeout: float = 300, stdin: str = "", env: dict[str, str] | None = None
    ) -> process.Result:
        """Run a program of the checkout: up, down, login or reconfigure; `env` is added to the environment."""
        program = REPO / ".venv/bin/reconfigure" if argv[0] == "reconfigure" else REPO / "bin" / argv[0]
        environment = {**os.environ, "KIWI_CLUSTER": self.name, **(env or {})}
        return process.run(
            [str(program), *argv[1:]], check=check, timeout=timeout, env=environment, cwd="/", stdin=stdin
        )

    def up(self, site: Path | None = None, env: dict[str, str] | None = None) -> process.Result:
        """`bin/up`, with another site file than the cluster's own or with `env` added to the environment."""
        return self.command("up", "--site", str(site or SITES[self.name]), timeout=900, env=env)

    def ssh(self, target: str, command: str, *, check: bool = True, timeout: float = 120) -> process.Result:
        return self.command("login", target, command, check=check, timeout=timeout)

    @contextmanager
    def child(self, target: str, command: str) -> Iterator[process.Child[str]]:
        """An SSH session that goes on beside the test; ended with the block."""
        with process.start([str(REPO / "bin/login"), "--cluster", self.name, target, command]) as session:
            try:
                yield session
            finally:
                process.stop(session)

    def kiwi(self, user: str, arguments: str, *, node: str = "login", check: bool = True) -> process.Result:
        return self.ssh(f"{user}@{node}", f"kiwi {arguments}", check=check)

    def bookings(self) -> dict[str, dict[str, Any]]:
        """`kiwi info --json` by node."""
        return {row["node"]: row for row in json.loads(self.kiwi("alice", "info --json").out)}

    def instances(self) -> dict[str, str]:
        """Running machines: instance id by name, as the provider's folders have it."""
        found = {}
        for file in self.clusterdir.glob("machines/*/instance.json"):
            record = json.loads(file.read_text())
            if Path(f"/proc/{record['pid']}").exists():
                found[record["name"]] = record["instance"]
        return found

    def record(self, node: str) -> dict[str, Any]:
        """instance.json of a node's machine."""
        (file,) = self.clusterdir.glob(f"machines/{node}.*/instance.json")
        return dict(json.loads(file.read_text()))

    def processes(self, node: str) -> list[psutil.Process]:
        """The processes of a node's machine, seen from this host; none where it is not there."""
        try:
            return psutil.Process(self.record(node)["pid"]).children(recursive=True)
        except (ValueError, psutil.NoSuchProcess):
            return []

    def slurm(self) -> dict[str, str]:
        """Slurm's state of each node, such as idle, idle~ or mixed#."""
        out = self.ssh("root@login", "sinfo -N -h -o '%N %T'").out
        return dict(line.split() for line in out.splitlines())

    def up_again(self, env: dict[str, str] | None = None) -> None:
        """bin/up has nothing to do, and nobody notices it."""
        ask = "systemctl show -p MainPID,ExecMainStartTimestamp slurmctld"
        before, controller = self.instances(), self.ssh("root@login", ask).out
        again = self.up(env=env)
        assert " changed" not in again.out, again.out
        assert self.instances() == before
        assert self.ssh("root@login", ask).out == controller

    def asleep(self) -> bool:
        """Of the Slurm nodes only cpu-1 is up, for Slurm and as a machine."""
        up = [name for name in self.instances() if name.startswith("cpu-")]
        off = dict.fromkeys(("cpu-2", "cpu-3", "cpu-4"), "idle~")
        return up == ["cpu-1"] and self.slurm() == {"cpu-1": "idle", **off}

    def rest(self) -> None:
        """Power all elastic nodes down and wait until nothing is left to do."""
        on = [name for name, state in self.slurm().items() if name != "cpu-1" and state != "idle~"]
        if on:
            self.ssh("root@login", f"scontrol update nodename={','.join(on)} state=power_down", check=False)
        wait_for("all is at rest", lambda: self.asleep() and whole.quiet(self), 120)


def wait_for(what: str, condition: Callable[[], object], seconds: float, pause: float = 0.5) -> float:
    """Wait until `condition()` is true; return the seconds it took, fail with `what` after `seconds`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(pause)
    return time.monotonic() - began


def host_state() -> dict[str, str]:
    """What a cluster may change on this host: links, rules, sysctls, mounts."""
    links = (p.name for p in Path("/sys/class/net").iterdir())
    rules = process.run(["nft", "list", "tables"]).out.splitlines()
    mounts = Path("/proc/mounts").read_text().splitlines()
    return {
        "links": "\n".join(sorted(filter(_is_ours, links))),
        "rules": "\n".join(filter(_is_ours, rules)),
        "mounts": "\n".join(filter(_is_ours, mounts)),
        **tracks.settings(),
    }


def _is_ours(line: str) -> bool:
    return any(name in line for name in SITES)


@pytest.fixture(scope="session")
def before() -> dict[str, str]:
    """The host's state before any cluster was made, by whichever track of this lane."""
    return {**host_state(), **json.loads(os.environ.get(tracks.BEFORE, "{}"))}


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse to use clusters that another run uses; `host_alone` waits for these locks."""
    if session.config.option.collectonly:
        return
    running = lock.hold(_running(TRACK), 0)
    try:
        running.__enter__()
    except BusyError:
        pytest.exit(f"another run uses {FIRST}; wait for its end, or take another KIWI_TEST_SLOT", 4)
    session.config.add_cleanup(lambda: running.__exit__(None, None, None))


def _running(track: str) -> Path:
    return LOCKS / f"kiwi-test-{SLOT}{track}.lock"


@pytest.fixture
def host_shared() -> Iterator[None]:
    """For a test that changes or compares what all clusters of this host share: one at a time, of all lanes."""
    with lock.hold(LOCKS / "kiwi-test-host.lock", 300):
        yield


@pytest.fixture
def host_alone() -> None:
    """For a test that no other cluster of this lane may be there for: it waits for the end of all other tracks."""
    for other in tracks.TRACKS.keys() - {TRACK}:
        with lock.hold(_running(other), 1200):
            pass


def _cluster(name: str) -> Iterator[Cluster]:
    made = Cluster(name)
    made.up()
    yield made
    if not os.environ.get("KIWI_KEEP"):
        made.command("down", "--all", "--force")


@pytest.fixture(scope="session")
def cluster(before: dict[str, str]) -> Iterator[Cluster]:
    yield from _cluster(FIRST)


def _bake(name: str) -> None:
    made, site = Cluster(name), site_data.load(str(SITES[name])).data
    made.command("reconfigure", "init", "--site", str(SITES[name]))  # an image depends on the site data, too
    for image in sorted({node["image"] for node in (site["login"], *site["partitions"])}):
        made.command("reconfigure", "image", "bake", image, timeout=900)


@pytest.fixture(scope="session", autouse=True)
def baked(request: pytest.FixtureRequest) -> Iterator[Future[None] | None]:
    """The second cluster's images, baked beside the first one's tests where any test will ask for it."""
    if not any("second" in item.fixturenames for item in request.session.items):
        yield None
        return
    request.getfixturevalue("cluster")
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(_bake, SECOND)


@pytest.fixture(scope="session")
def second(baked: Future[None]) -> Iterator[Cluster]:
    """Another cluster beside the first one, on another release."""
    baked.result()
    yield from _cluster(SECOND)
