"""`kiwi clean`: whom it ends, and whom never."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kiwi.agent import authorization
from kiwi.cli import main as cli
from kiwi.common.errors import FAILED, OK, USAGE
from kiwi.node import clean_command, cleanup
from kiwi.node.processes import Process


@pytest.fixture
def cleaned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[cleanup.Target]:
    """Whose clean-up was asked for; erin always passes the gate."""
    found: list[cleanup.Target] = []
    (tmp_path / "bypass").write_text("dave\n60002\n")
    monkeypatch.setattr(clean_command, "BYPASS", tmp_path / "bypass")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(clean_command, "clean_up", lambda target: found.append(target) or cleanup.Left([], []))
    return found


def test_one_who_is_gone_has_a_number_only(cleaned: list[cleanup.Target]) -> None:
    assert cli.main(["clean", "60001", "--grace", "1.5"]) == OK
    assert cleaned == [cleanup.Target("60001", 60001, 1.5, False)]


def test_who_always_passes_is_left_alone(cleaned: list[cleanup.Target]) -> None:
    assert cli.main(["clean", "60002"]) == OK
    assert cleaned == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["root"], "root belongs to the system"),
        (["0"], "0 belongs to the system"),
        (["64800"], "64800 belongs to the system"),
        (["nosuchuser"], "there is no user nosuchuser"),
        (["60001", "--grace", "nan"], "--grace: found nan"),
        (["60001", "--grace", "-1"], "--grace: found -1"),
    ],
)
def test_the_systems_users_and_bad_arguments(
    cleaned: list[cleanup.Target], capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert cli.main(["clean", *arguments]) == USAGE
    assert said in capsys.readouterr().err
    assert cleaned == []


def test_only_root_may(
    cleaned: list[cleanup.Target], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 10001)
    assert cli.main(["clean", "60001"]) == USAGE
    assert "only root" in capsys.readouterr().err
    assert cleaned == []


def test_survivors_are_named(
    cleaned: list[cleanup.Target], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        clean_command, "clean_up", lambda _: cleanup.Left([Process(77, "stays", frozenset({60001}))], [])
    )
    assert cli.main(["clean", "60001"]) == FAILED
    assert "77 'stays'" in capsys.readouterr().err


def test_files_that_are_left_are_named(
    cleaned: list[cleanup.Target], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clean_command, "clean_up", lambda _: cleanup.Left([], ["/dev/shm/x: Operation not permitted"]))
    assert cli.main(["clean", "60001"]) == FAILED
    assert "not removed: /dev/shm/x: Operation not permitted" in capsys.readouterr().err


def test_a_booking_can_be_ended_whose_holder_is_gone() -> None:
    assert authorization._holder_named("nosuchuser") == ("nosuchuser", authorization.GONE)
    assert authorization._holder_named("root") == ("root", 0)
