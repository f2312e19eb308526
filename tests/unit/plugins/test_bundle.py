"""The bundle module, run as Ansible runs it: arguments in, JSON out; systemctl is a fake that logs."""

import base64
import fcntl
import json
import os
import stat

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args

from plugins.module_utils import units as systemd
from plugins.modules import bundle

ME = {"owner": str(os.getuid()), "group": str(os.getgid())}
FAKE = """\
#!/bin/sh
echo "$*" >>{folder}/log
case $1 in
  show) shift 2; for unit; do
    echo LoadState=loaded; echo "ActiveState=$(cat {folder}/$unit.active 2>/dev/null || echo inactive)"
    echo "UnitFileState=$(cat {folder}/$unit.enabled 2>/dev/null || echo disabled)"; echo; done ;;
  disable) rm -f {folder}/$3.active {folder}/$3.enabled ;;
  enable) [ "$SYSTEMCTL_SKIP_SYSV$SYSTEMD_OFFLINE$2" = 11--no-reload ] || exit 1; shift 2
    for unit; do echo enabled >{folder}/$unit.enabled; done ;;
  start | restart)
    [ ! -e {folder}/$2.broken ] || {{ echo "Job for $2 failed" >&2; exit 1; }}
    echo active >{folder}/$2.active ;;
esac
"""


class Machine:
    """A folder as a machine's root, and the units of its fake systemd."""

    def __init__(self, root, capsys):
        self.root, self.capsys, self.units = root, capsys, root / "fake"

    def call(self, *, check=False, diff=False, fails=False, **arguments):
        """The module's answer."""
        arguments |= {"_ansible_check_mode": check, "_ansible_diff": diff}
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            bundle.main()
        self.shown = self.capsys.readouterr().out
        assert bool(ended.value.code) == fails, self.shown
        return json.loads(self.shown)

    def file(self, name, content="hello\n", **more):
        return {"path": str(self.root / name), "content": content, **ME, **more}

    def log(self):
        """What systemctl was asked to change, since the last call of this."""
        path = self.units / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in lines if not line.startswith("show")]


@pytest.fixture
def machine(tmp_path, capsys, monkeypatch):
    (tmp_path / "fake").mkdir()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemctl"
    program.write_text(FAKE.format(folder=tmp_path / "fake"))
    program.chmod(0o755)
    words = tmp_path / "bin" / "journalctl"
    words.write_text("#!/bin/sh\necho its last words\n")
    words.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "runs", lambda: True)
    monkeypatch.setattr(bundle, "OWED", tmp_path / "owed.json")
    monkeypatch.setattr(systemd, "UNIT_FOLDERS", (f"{tmp_path}/units/",))
    return Machine(tmp_path, capsys)


def test_second_call_changes_nothing(machine):
    arguments = {
        "directories": [{"path": str(machine.root / "d"), **ME, "mode": "0750"}],
        "files": [machine.file("d/f", mode="0600", units=["a.service"])],
        "units": ["a.service", "b.service"],
    }
    first = machine.call(**arguments)
    assert first["changed_files"] == [str(machine.root / "d"), str(machine.root / "d/f")]
    assert first["enabled"] == first["started"] == ["a.service", "b.service"]
    assert machine.log() == ["enable --no-reload a.service b.service", "start a.service", "start b.service"]
    assert (machine.root / "d/f").read_text() == "hello\n"
    assert stat.S_IMODE((machine.root / "d/f").stat().st_mode) == 0o600
    assert stat.S_IMODE((machine.root / "d").stat().st_mode) == 0o750

    second = machine.call(**arguments)
    assert not second["changed"]
    assert machine.log() == []


def test_changed_file_restarts_its_running_units_only(machine):
    machine.call(units=["a.service"])
    machine.log()
    answer = machine.call(files=[machine.file("f", units=["a.service", "idle.service"])], units=["a.service"])
    assert answer["restarted"] == ["a.service"]
    assert machine.log() == ["restart a.service"]


def test_mode_alone_is_a_change(machine):
    machine.call(files=[machine.file("f", mode="0644")])
    assert machine.call(files=[machine.file("f", mode="0600")])["changed_files"] == [str(machine.root / "f")]


def test_unit_file_makes_systemd_read_again(machine):
    (machine.root / "units").mkdir()
    machine.call(files=[machine.file("units/a.service", "[Service]\n")], units=["a.service"])
    assert machine.log() == ["daemon-reload", "enable --no-reload a.service", "start a.service"]


def test_a_running_unit_is_seen_as_enabled_afterwards(machine):
    (machine.units / "a.service.active").write_text("active")
    assert machine.call(units=["a.service", "b.service"])["enabled"] == ["a.service", "b.service"]
    assert machine.log() == ["enable --no-reload a.service b.service", "daemon-reload", "start b.service"]


def test_check_mode_tells_and_does_nothing(machine):
    answer = machine.call(
        check=True,
        files=[machine.file("f")],
        directories=[{"path": str(machine.root / "d"), **ME}],
        units=["a.service"],
    )
    assert answer["changed_files"] == [str(machine.root / "d"), str(machine.root / "f")]
    assert answer["started"] == ["a.service"]
    assert not (machine.root / "f").exists() and not (machine.root / "d").exists()
    assert machine.log() == []


def test_diff_shows_the_content_but_no_secret(machine, monkeypatch):
    said = []
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, msg, log_args=None: said.append(msg))
    (machine.root / "open").write_text("before\n")
    key = base64.b64encode(b"\x00\xffbinary-key").decode()
    answer = machine.call(
        diff=True,
        files=[
            machine.file("open", "after\n"),
            machine.file("hidden", "hush-hush-1\n", secret=True),
            {"path": str(machine.root / "key"), "content_b64": key, "secret": True, **ME},
        ],
    )
    assert answer["diff"][0]["before"] == "before\n" and answer["diff"][0]["after"] == "after\n"
    assert (machine.root / "key").read_bytes() == b"\x00\xffbinary-key"
    assert (machine.root / "hidden").read_text() == "hush-hush-1\n"
    everything = machine.shown + "".join(said)
    assert "hush-hush-1" not in everything and key not in everything and "after" not in "".join(said)


def test_whole_files_go_back_only_to_who_asks(machine):
    assert "diff" not in machine.call(files=[machine.file("f", "long\n")])


def test_stale_image_is_told_and_left_alone(machine):
    marker = machine.root / "image.json"
    for content in ('{"version":1,"name":"x","hash":"old"}', "not json", "[]", None):
        if content is None:
            marker.unlink()
        else:
            marker.write_text(content)
        answer = machine.call(marker="new", marker_path=str(marker), files=[machine.file("f")])
        assert answer["stale"] and not answer["changed"]
    assert not (machine.root / "f").exists()
    marker.write_text('{"version":1,"name":"x","hash":"new"}')
    assert not machine.call(marker="new", marker_path=str(marker), files=[machine.file("f")])["stale"]


def test_exact_directory_loses_what_is_not_named(machine):
    folder = machine.root / "keys"
    (folder / "sub").mkdir(parents=True)
    (folder / "gone").write_text("")
    (folder / "stays").write_text("hello\n")
    arguments = {
        "directories": [{"path": str(folder), **ME, "exact": True}],
        "files": [machine.file("keys/stays")],
    }
    assert machine.call(**arguments)["changed_files"] == [str(folder / "gone")]
    assert sorted(os.listdir(folder)) == ["stays", "sub"]
    assert not machine.call(**arguments)["changed"]


def test_kept_directory_stays_as_its_owner_has_it(machine):
    clusterdir = {"path": str(machine.root / "home"), **ME, "mode": "0700", "keep": True}
    machine.call(directories=[clusterdir])
    (machine.root / "home").chmod(0o711)
    assert not machine.call(directories=[clusterdir])["changed"]
    assert stat.S_IMODE((machine.root / "home").stat().st_mode) == 0o711


def test_a_new_home_begins_as_the_skeleton_and_is_then_its_owners(machine):
    skeleton = machine.root / "skel"
    (skeleton / "sub").mkdir(parents=True)
    (skeleton / ".bashrc").write_text("alias l=ls\n")
    (skeleton / "sub/link").symlink_to("../.bashrc")
    home = machine.root / "home/alice"
    cut_off = machine.root / "home/.alice.kiwi-new"
    cut_off.mkdir(parents=True)
    (cut_off / "half").write_text("of a killed one")
    arguments = [{"path": str(home), **ME, "mode": "0700", "keep": True, "skeleton": str(skeleton)}]
    assert machine.call(directories=arguments)["changed_files"] == [str(home)]
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == [".bashrc", "sub", "sub/link"]
    assert (home / ".bashrc").read_text() == "alias l=ls\n" and (home / "sub/link").is_symlink()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    (home / ".bashrc").unlink()
    assert not machine.call(directories=arguments)["changed"]
    assert not (home / ".bashrc").exists() and not cut_off.exists()


def test_link_is_replaced_and_its_target_left(machine):
    (machine.root / "target").write_text("mine\n")
    (machine.root / "f").symlink_to(machine.root / "target")
    machine.call(files=[machine.file("f")])
    assert not (machine.root / "f").is_symlink()
    assert (machine.root / "target").read_text() == "mine\n"


def test_killed_write_leaves_the_old_file_whole(machine, monkeypatch):
    machine.call(files=[machine.file("f", "old\n")])

    def cut(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", cut)
    answer = machine.call(fails=True, files=[machine.file("f", "new\n")])
    assert "f cannot be written: No space left on device" in answer["msg"]
    assert (machine.root / "f").read_text() == "old\n"
    assert [name for name in os.listdir(machine.root) if name.startswith(".kiwi-")] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"mounts": ["{root}/fake"]}, "{root}/fake is not mounted", id="no mount"),
        pytest.param(
            {"files": [{"path": "{root}/f", "content": "", "owner": "nobody-here"}]},
            "user 'nobody-here' does not exist on this machine",
            id="unknown owner",
        ),
        pytest.param(
            {"files": [{"path": "{root}/f", "content": "", "mode": "rw"}]},
            "mode 'rw' of {root}/f is not octal",
            id="mode",
        ),
        pytest.param(
            {"files": [{"path": "{root}/no/f", "content": ""}]}, "no directory {root}/no for", id="no directory"
        ),
        pytest.param(
            {"wait": [{"path": "{root}/socket", "unit": "a.service", "timeout": 0}]},
            "{root}/socket (it does not exist) does not answer",
            id="wait",
        ),
    ],
)
def test_faults_are_one_clear_sentence(machine, arguments, message):
    filled = json.loads(json.dumps(arguments).replace("{root}", str(machine.root)))
    answer = machine.call(fails=True, **filled)
    assert message.replace("{root}", str(machine.root)) in answer["msg"]


def test_unit_that_does_not_start_says_its_last_words(machine):
    (machine.units / "a.service.broken").touch()
    answer = machine.call(fails=True, units=["a.service"])
    assert answer["msg"] == "a.service did not start: its last words"


@pytest.mark.parametrize("state", ["failed", "inactive"])
def test_nobody_waits_for_the_socket_of_a_unit_that_has_ended(machine, state):
    (machine.units / "a.service.active").write_text(state)
    wait = {"path": str(machine.root / "socket"), "unit": "a.service", "timeout": 3600}
    answer = machine.call(fails=True, wait=[wait])
    assert answer["msg"] == f"{machine.root}/socket does not answer: a.service has ended: its last words"


def test_a_unit_that_systemd_starts_again_is_waited_for(machine):
    (machine.units / "a.service.active").write_text("activating")
    wait = {"path": str(machine.root / "socket"), "unit": "a.service", "timeout": 1.2}
    answer = machine.call(fails=True, wait=[wait])
    assert answer["msg"].endswith("socket (it does not exist) does not answer after 1.2 s")


def test_no_units_are_touched_in_the_tree_of_an_image(machine, monkeypatch):
    monkeypatch.setattr(systemd, "runs", lambda: False)
    assert machine.call(files=[machine.file("f", units=["a.service"])], units=["a.service"])["changed"]
    assert machine.log() == []


def test_what_is_to_be_stopped_is_stopped_once(machine):
    (machine.units / "a.service.active").write_text("active\n")
    (machine.units / "b.timer.enabled").write_text("enabled\n")
    stopped = ["a.service", "b.timer", "c.service"]
    assert machine.call(stopped=stopped)["stopped"] == ["a.service", "b.timer"]
    assert machine.log() == ["disable --now a.service", "disable --now b.timer"]
    assert machine.call(stopped=stopped)["changed"] is False


def test_what_shall_not_be_there_is_removed_once(machine):
    machine.call(files=[machine.file("f"), machine.file("g")])
    absent = [str(machine.root / name) for name in ("f", "never")]
    assert machine.call(absent=absent, check=True)["changed_files"] == absent[:1]
    assert (machine.root / "f").exists()
    assert machine.call(absent=absent)["changed_files"] == absent[:1]
    assert not (machine.root / "f").exists()
    assert (machine.root / "g").exists()
    assert machine.call(absent=absent)["changed"] is False


def test_a_restart_that_a_failure_prevented_is_made_up_for(machine):
    """slurm.conf was written, another unit did not start, and slurmctld was never told."""
    (machine.units / "later.service.active").write_text("active\n")
    (machine.units / "early.service.broken").touch()
    bundled = {"files": [machine.file("f", units=["later.service"])], "units": ["early.service", "later.service"]}
    machine.call(fails=True, **bundled)
    (machine.units / "early.service.broken").unlink()
    machine.log()
    assert machine.call(**bundled)["restarted"] == ["later.service"]
    assert machine.call(**bundled)["changed"] is False


def test_one_bundle_at_a_time(machine, monkeypatch):
    """bin/up twice at once, or beside the worker: one removed the other's half-written files."""
    met = []

    def as_another_would(file):
        other = os.open("/etc", os.O_RDONLY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            met.append(file.path)
        finally:
            os.close(other)

    monkeypatch.setattr(bundle.place, "write", as_another_would)
    machine.call(files=[machine.file("f")])
    machine.call(files=[machine.file("f")])
    assert met == [str(machine.root / "f")] * 2


def test_a_file_that_its_program_refuses_changes_nothing(machine):
    other, bad = machine.file("other"), machine.file("f", "bad\n", validate="grep good %s")
    answer = machine.call(files=[other, bad], fails=True)
    assert answer["msg"].startswith(f"{machine.root}/f would be wrong, nothing was changed: ")
    assert not (machine.root / "other").exists()
    assert machine.call(files=[other, {**bad, "content": "good\n"}])["changed"]


def test_a_file_that_stays_is_not_judged_again(machine):
    judged = {**machine.file("f"), "validate": f"sh -c 'echo x >>{machine.root}/judged'"}
    machine.call(files=[judged])
    machine.call(files=[judged])
    assert (machine.root / "judged").read_text() == "x\n"


def test_a_unit_that_hangs_in_its_start_is_started_anew_with_its_new_files(machine):
    (machine.units / "a.service.active").write_text("activating")
    machine.call(files=[machine.file("f", units=["a.service"])], units=["a.service"])
    assert machine.log()[-1] == "restart a.service"
