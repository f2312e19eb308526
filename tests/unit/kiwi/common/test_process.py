"""What a program prints is read whatever its bytes and the locale, and not without end; one that hangs is left."""

from __future__ import annotations

import os
import signal
import sys

import psutil
import pytest

from kiwi.common import process
from kiwi.common.process import CommandError


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "nowhere"])
def test_bytes_that_are_no_utf8_stop_nothing(monkeypatch: pytest.MonkeyPatch, locale: str) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    assert process.run(["printf", r"caf\xe9 \xc3\xa9"]).out == "caf\ufffd é"
    with process.start(["printf", r"\xe9\n"], env=dict(os.environ)) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "\ufffd\n"


FOR_EVER = "import sys\nwhile True: sys.{}.write('x' * 4096)"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_child_that_prints_for_ever_is_ended(stream: str) -> None:
    """Memory of the control host was what a login node liked to send."""
    before = set(psutil.Process().children())
    with pytest.raises(CommandError) as caught:
        process.run([sys.executable, "-c", FOR_EVER.format(stream)], check=False, timeout=60, limit=1 << 20)
    assert (caught.value.code, caught.value.stderr) == (-9, "it printed more than 1048576 bytes")
    assert set(psutil.Process().children()) <= before


def test_a_child_may_print_as_much_as_it_is_let() -> None:
    assert len(process.run(["head", "-c", "1048576", "/dev/zero"], limit=1 << 20).out) == 1 << 20


def test_a_child_that_does_not_end_is_ended() -> None:
    before = set(psutil.Process().children())
    with pytest.raises(CommandError) as caught:
        process.run(["sleep", "60"], timeout=0.1)
    assert (caught.value.code, caught.value.stderr) == (124, "no end after 0.1 s")
    assert set(psutil.Process().children()) <= before


def test_more_goes_in_than_a_pipe_holds() -> None:
    text = "0123456789" * 100_000
    assert process.run(["cat"], stdin=text).out == text
    assert process.run(["true"], stdin=text) == process.Result(0, "", "")  # which reads none of it


def test_nobody_waits_for_a_child_that_hangs_in_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal ends such a one; one that gets none stands for it here. Leaving the block waits for none, either."""
    monkeypatch.setattr(process, "HANGS", 0.1)
    with process.start(["sleep", "60"]) as child:
        with monkeypatch.context() as patch:
            patch.setattr(child, "send_signal", lambda number: None)
            patch.setattr(child, "kill", lambda: None)
            assert process.stop(child, grace=0.05) == -9
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
