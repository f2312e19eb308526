"""Waiting for new machines: who greets is ready, who stopped fails at once, who is silent fails in the end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from reconfigure.providers.base import Machine
from reconfigure.rounds import wait_ssh

RUNNING = (Machine("a", "ia", "", "running", ""), Machine("b", "ib", "", "running", ""))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something on 127.0.0.1 that greets as sshd does; nothing listens on 127.0.0.2."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(wait_ssh, "PORT", listener.getsockname()[1])

        def greet() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.usefixtures("server")
def test_the_ones_that_greet_are_found() -> None:
    assert wait_ssh.greeting({"a": "127.0.0.1", "b": "127.0.0.2", "c": "127.0.0.1"}) == {"a", "c"}


@pytest.mark.usefixtures("server")
def test_a_machine_that_stopped_fails_at_once_with_its_fault() -> None:
    stopped = (Machine("b", "ib", "", "stopped", "no init"),)
    found = wait_ssh.wait({"a": "127.0.0.1", "b": "127.0.0.2"}, {"a": "ia", "b": "ib"}, lambda: stopped, 600)
    assert found == {"b": "its machine stopped while it started: no init"}


@pytest.mark.usefixtures("server")
def test_a_machine_that_vanished_fails_at_once() -> None:
    assert "vanished" in wait_ssh.wait({"b": "127.0.0.2"}, {"b": "ib"}, lambda: (), 600)["b"]


@pytest.mark.usefixtures("server")
def test_a_silent_machine_fails_in_the_end() -> None:
    found = wait_ssh.wait({"a": "127.0.0.1", "b": "127.0.0.2"}, {"a": "ia", "b": "ib"}, lambda: RUNNING, 0)
    assert found == {"b": "no answer on its SSH port within 0 s"}
