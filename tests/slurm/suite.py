"""Run Slurm's own test-suite on a cluster, as users of it.

    bin/test slurm                all that tests/slurm/list.txt says must pass
    bin/test slurm TEST...        such as 1.1 or 116_3
    bin/test slurm --full         the whole suite, but what writes slurm.conf

Takes the suite from Debian's source package of the Slurm that the login node has, makes the
cluster of tests/slurm/site.yml and runs the tests one after the other, each with a deadline. Prints
what did not pass, and how many passed, failed and were skipped. KIWI_KEEP=1 leaves the cluster,
KIWI_TEST_SLOT=1 to 3 gives it a name and a subnet of its own. Ends with 1 where a test that must pass did not.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from bench.cluster import say
from kiwi.common import process
from tests.slurm.listed import LIST, Case, chosen, known

REPO = Path(__file__).resolve().parents[2]
SITE = REPO / "tests/slurm/site.yml"
SLOT = os.environ.get("KIWI_TEST_SLOT", "")
NAME = f"k{SLOT}slurm"
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
TOOLS = "bc expect file gcc libc6-dev libslurm-dev make python3-pexpect python3-pytest python3-requests"
TESTS = re.compile(r"test_?(\d+[._]\d+)(?:\.py)?")
LIMIT, GRACE = 300, 60  # seconds for one test, and for what it left behind
CONF = "SlurmSourceDir={place}\nSlurmBuildDir={place}\nSlurmInstallDir=/usr\nSlurmConfigDir=/etc/slurm\n"
LOCAL = "set slurm_dir /usr\nset mpicc /usr/bin/mpicc\nset partition cpu\nset testsuite_colorize false\n"
# A test's own code, then the end of what it said. What a test leaves running does not meet the next one.
RUN = (
    "cd ~/testsuite/{folder} && timeout --kill-after=10 {limit} {command} >~/testsuite/{test}.log 2>&1 </dev/null; "
    "echo $?; grep -v ^=== ~/testsuite/{test}.log | tail -n 4; scancel --user=$USER; "
    'for i in $(seq {grace}); do [ -n "$(squeue --noheader --user=$USER)" ] || break; sleep 1; done'
)
COMMANDS = {
    "expect": ("expect", "./test{test}"),
    "python": (
        "python/tests",
        "env PYTEST_DEBUG_TEMPROOT=$HOME/testsuite python3 -m pytest -q -rs --color=no --no-color --local-config "
        "-p no:cacheprovider test_{test}.py",
    ),
}


def command(*argv: str, timeout: float = 900) -> str:
    """Return the output of a program of the checkout. Raise CommandError where it fails or takes longer (s)."""
    environment = {**os.environ, "KIWI_CLUSTER": NAME}
    return process.run([str(REPO / argv[0]), *argv[1:]], env=environment, timeout=timeout).out


def site(folder: Path) -> Path:
    """Return the site file; in a slot a copy with its own name and subnet."""
    if not SLOT:
        return SITE
    text = re.sub(r"(?m)^cluster_name: .*", f"cluster_name: {NAME}", SITE.read_text(encoding="utf-8"))
    path = folder / "site.yml"
    path.write_text(re.sub(r"(?m)^subnet: .*", f"subnet: 198.19.{192 + 16 * int(SLOT)}.0/20", text), encoding="utf-8")
    return path


def source(folder: Path, version: str, release: str) -> Path:
    """Fetch Slurm's source by an apt of its own, which leaves the host's as it is; return the suite in it."""
    host = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    text = SOURCES.read_text().replace("Types: deb\n", "Types: deb-src\n")
    (folder / "own.sources").write_text(re.sub(rf"\b{host['VERSION_CODENAME']}\b", release, text))
    for place in ("lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True)
    places = {"Dir::Etc::sourcelist": folder / "own.sources", "Dir::Etc::sourceparts": "-"}
    places |= {"Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache", "APT::Sandbox::User": "root"}
    options = [word for key, value in places.items() for word in ("-o", f"{key}={value}")]
    process.run(["apt-get", *options, "update"], timeout=300)
    process.run(["apt-get", *options, "source", "--download-only", "--tar-only", "slurm-wlm"], cwd=folder, timeout=300)
    (archive,) = folder.glob(f"slurm-wlm_{version}.orig.tar.*")
    process.run(["tar", "--extract", f"--file={archive}", "--wildcards", "*/testsuite/*"], cwd=folder)
    (suite,) = folder.glob("*/testsuite")
    return suite


def install(suite: Path, users: set[str]) -> None:
    """Put the suite into the users' homes and what it needs onto the login node."""
    homes = Path(os.environ.get("KIWI_ROOT", "/var/lib/kiwi")) / "clusters" / NAME / "data/home"
    (suite / "expect/globals.local").write_text(LOCAL)
    for user in sorted(users):
        (suite / "testsuite.conf").write_text(CONF.format(place=f"/home/{user}"))
        process.run(["cp", "--recursive", "--no-target-directory", str(suite), str(homes / user / "testsuite")])
        command("bin/login", "root@login", f"chown -R {user}: /home/{user}/testsuite")
    get = f"apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends {TOOLS}"
    command("bin/login", "root@login", get)


def run(test: Case) -> tuple[str, str]:
    """Run one test; return whether it passed, failed or was skipped, and the end of what it said."""
    folder, line = COMMANDS[test.kind]
    whole = RUN.format(folder=folder, command=line.format(test=test.name), test=test.name, limit=LIMIT, grace=GRACE)
    try:
        code, *said = command("bin/login", f"{test.user}@login", whole, timeout=LIMIT + 2 * GRACE).splitlines()
    except process.CommandError as error:
        return "failed", str(error)
    words = " ".join(said)
    if test.kind == "python" and re.match(r"\d+ skipped", said[-1] if said else ""):
        code = "255"
    return {"0": "passed", "255": "skipped", "124": "failed (deadline)"}.get(code, "failed"), words


def prepare(folder: Path, users: set[str]) -> set[str]:
    """Make the cluster and have the suite on it; return the names of its tests. Raise CommandError."""
    command("bin/up", "--site", str(site(folder)))
    version = command("bin/login", "root@login", "sinfo --version").split()[-1]
    release = command("bin/login", "root@login", ". /etc/os-release; echo $VERSION_CODENAME").strip()
    say(f"the suite of Slurm {version}, from {release}")
    suite = source(folder, version, release)
    install(suite, users)
    return {found[1] for path in suite.rglob("test*") if (found := TESTS.fullmatch(path.name))}


def run_all(tests: list[Case], *, say_all: bool) -> int:
    """Run tests one after the other, say what did not pass (or all); return 1 where one that must pass did not."""
    counts, missed = {"passed": 0, "failed": 0, "skipped": 0}, 0
    for test in tests:
        began = time.monotonic()
        what, words = run(test)
        counts[what.split()[0]] += 1
        missed += what != "passed" and not test.why
        if what != "passed" or say_all:
            took, why = f"{time.monotonic() - began:.0f} s", f" ({test.why})" if test.why else ""
            print(f"{test.name}: {what}, {took}{why}: {words}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in counts.items()) + f"; {missed} that must pass did not")
    return int(missed > 0)


def main() -> int:
    """Make the cluster, run the tests, remove the cluster; return the exit code."""
    parser = argparse.ArgumentParser(prog="bin/test slurm", description="Run Slurm's own test-suite on a cluster.")
    parser.add_argument("tests", nargs="*", metavar="TEST", help="such as 1.1 or 116_3")
    parser.add_argument("--full", action="store_true", help="the whole suite, hours")
    asked, listed = parser.parse_args(), known(LIST.read_text(encoding="utf-8"))
    try:
        with tempfile.TemporaryDirectory() as folder:
            there = prepare(Path(folder), {test.user for test in listed.values()})
        if unknown := set(asked.tests) - there:
            parser.error(f"no such test: {' '.join(sorted(unknown))}")
        return run_all(chosen(listed, there, asked.tests, asked.full), say_all=bool(asked.tests or asked.full))
    except process.CommandError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        if not os.environ.get("KIWI_KEEP"):
            command("bin/down", "--all", "--force")


if __name__ == "__main__":
    sys.exit(main())
