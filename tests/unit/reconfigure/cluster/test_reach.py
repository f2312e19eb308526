"""What is told of a login node that cannot be asked: the first thing that is wrong on the way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from kiwi.common.errors import UnreachableError
from kiwi.common.process import CommandError, Result
from reconfigure.cluster import reach
from reconfigure.planning.observed import Observed
from reconfigure.providers.base import Machine

UP = Observed({}, (Machine("login", "i", "", "running", ""),))


@pytest.fixture
def sshd(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A port that greets as `greeting` says."""
    server = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(reach, "PORT", server.getsockname()[1])
    monkeypatch.setattr(reach, "TIMEOUT", 0.2)
    yield server
    server.close()


def told(state: Callable[[], Result], seen: Observed = UP, bridge: str = "") -> str:
    """What is told of a login node on this host."""
    cluster = SimpleNamespace(
        nodeset={"login": SimpleNamespace(address="127.0.0.1")},
        provider=SimpleNamespace(unreachable=lambda address: bridge),
        controller=SimpleNamespace(call=lambda argv, timeout: state()),
    )
    return reach.why_silent(cluster, seen)  # type: ignore[arg-type]


def greet(server: Any, text: bytes) -> None:
    """Have one caller be greeted, whenever it comes."""

    def serve() -> None:
        with server.accept()[0] as connection:
            connection.sendall(text)

    threading.Thread(target=serve, daemon=True).start()


def active() -> Result:
    return Result(0, "active\n", "")


def test_the_machine(sshd: Any) -> None:
    dead = Observed({}, (Machine("login", "i", "", "stopped", "login ended; no space left"),))
    assert "does not run: login ended; no space left; bin/up" in told(active, dead)
    assert "does not run: there is none" in told(active, Observed({}, ()))


def test_the_network(sshd: Any) -> None:
    assert told(active, bridge="there is no bridge kw-x") == "there is no bridge kw-x"


def test_sshd(sshd: Any) -> None:
    assert "nothing answers" in told(active)  # it is connected to, and never accepted
    sshd.accept()[0].close()
    greet(sshd, b"HTTP")
    assert "is no SSH server" in told(active)
    sshd.close()
    assert "no sshd listens" in told(active)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CommandError(["ssh"], 3, ""), "slurmctld is inactive on the login node"),
        (UnreachableError("the controller does not answer: Permission denied"), "SSH to the login node fails: the"),
        (None, "runs and does not answer"),
    ],
)
def test_slurmctld(sshd: Any, error: Exception | None, said: str) -> None:
    def state() -> Result:
        if error:
            raise error
        return active()

    greet(sshd, b"SSH-2.0-x")
    assert said in told(state)
