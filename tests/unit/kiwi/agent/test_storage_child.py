"""The child that touches the share: errors come through, a hung one is given up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kiwi.agent import storage_child as module
from kiwi.agent.storage_child import Worker
from kiwi.common.errors import BusyError, UnreachableError


def serve(request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "hang":
        signal.pause()
    if request["do"] == "busy":
        raise BusyError("held", hint="wait")
    if request["do"] == "io":
        raise OSError(5, "Input/output error")
    if request["do"] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return {"pid": os.getpid(), "big": "x" * request.get("size", 0)}


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(serve, None, deadline=0.2)
    yield made
    made.close()


def test_one_child_serves_all(worker: Worker) -> None:
    first = worker.call({"do": "x"})
    assert first["pid"] not in (os.getpid(), 0)
    assert worker.call({"do": "x", "size": 1 << 20})["big"] == "x" * (1 << 20)
    assert worker.call({"do": "x"})["pid"] == first["pid"]


def test_errors_keep_kind_and_hint(worker: Worker) -> None:
    with pytest.raises(BusyError) as caught:
        worker.call({"do": "busy"})
    assert (caught.value.args[0], caught.value.hint) == ("held", "wait")
    with pytest.raises(UnreachableError, match="Input/output"):
        worker.call({"do": "io"})
    assert worker.call({"do": "x"})


@pytest.mark.parametrize("how", ["hang", "die"])
def test_a_hung_or_dead_child_is_an_error_then_replaced(
    worker: Worker, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = worker.call({"do": "x"})["pid"]
    with pytest.raises(UnreachableError, match="does not answer"):
        worker.call({"do": how})
    with pytest.raises(UnreachableError, match="does not answer"):
        worker.call({"do": "x"})
    later = time.monotonic() + module.REST
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert worker.call({"do": "x"})["pid"] != first
