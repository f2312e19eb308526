"""The child that touches the share: errors come through, a hung one is given up."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kiwi.agent import storage_child as module
from kiwi.agent.storage_child import StorageChild
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
def storage() -> Iterator[StorageChild]:
    made = StorageChild(serve, None, deadline=0.2)
    yield made
    made.close()


def test_one_child_serves_all(storage: StorageChild) -> None:
    first = storage.call({"do": "x"})
    assert first["pid"] not in (os.getpid(), 0)
    assert storage.call({"do": "x", "size": 1 << 20})["big"] == "x" * (1 << 20)
    assert storage.call({"do": "x"})["pid"] == first["pid"]


def test_errors_keep_kind_and_hint(storage: StorageChild) -> None:
    with pytest.raises(BusyError) as caught:
        storage.call({"do": "busy"})
    assert (caught.value.args[0], caught.value.hint) == ("held", "wait")
    with pytest.raises(UnreachableError, match="Input/output"):
        storage.call({"do": "io"})
    assert storage.call({"do": "x"})


@pytest.mark.parametrize("how", ["hang", "die"])
def test_a_hung_or_dead_child_is_an_error_then_replaced(
    storage: StorageChild, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = storage.call({"do": "x"})["pid"]
    with pytest.raises(UnreachableError, match="does not answer"):
        storage.call({"do": how})
    with pytest.raises(UnreachableError, match="does not answer"):
        storage.call({"do": "x"})
    later = time.monotonic() + module.REST
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    assert storage.call({"do": "x"})["pid"] != first
