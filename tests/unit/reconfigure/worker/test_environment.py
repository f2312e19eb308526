"""What the worker and its playbooks inherit: found when bin/up's own Ansible settings broke the worker's playbooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconfigure.clusterdir.paths import ClusterDir
from reconfigure.rounds import playbook
from reconfigure.worker import supervisor


def test_nothing_of_bin_up_reaches_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "kiwi.cluster.progress")
    monkeypatch.setenv("KIWI_LOCK", "/elsewhere")
    clusterdir = ClusterDir(Path("/nowhere"), "kiwi")
    assert not {"ANSIBLE_STDOUT_CALLBACK", "KIWI_LOCK"} & supervisor.settings(clusterdir).keys()
    assert supervisor.settings(clusterdir)["LANG"] == "C.UTF-8"


def test_playbooks_of_the_driver_have_a_callback_that_the_runner_can_wrap() -> None:
    assert (
        playbook.environment(ClusterDir(Path("/nowhere"), "kiwi"))["ANSIBLE_STDOUT_CALLBACK"]
        == "ansible.builtin.default"
    )
