"""One line a play: what `bin/up` shows.

On a terminal the running task is shown and overwritten; elsewhere only the
lines that stay are printed. A failure shows the task, the host and the
message; the whole output is in the log file that ANSIBLE_LOG_PATH names.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: progress
type: stdout
short_description: One line a play
description:
  - Prints one line for each play with the seconds it took, and every failure.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Prints one line for each play with the seconds it took, and every failure."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "kiwi.cluster.progress"

    def __init__(self) -> None:
        super().__init__()
        self._terminal = sys.stdout.isatty()
        self._play = ""
        self._began = time.monotonic()
        self._changed = 0
        self._ran = False

    def _transient(self, text: str) -> None:
        if self._terminal:
            sys.stdout.write(f"\r\033[K{text[:100]}")
            sys.stdout.flush()

    def _line(self, text: str) -> None:
        self._transient("")
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _close_play(self) -> None:
        if self._play and self._ran:
            note = f", {self._changed} changed" if self._changed else ""
            self._line(f"{self._play} … {time.monotonic() - self._began:.1f} s{note}")
        self._play, self._changed, self._ran = "", 0, False

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._close_play()
        self._play, self._began = play.get_name(), time.monotonic()
        self._transient(f"{self._play} …")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._transient(f"{self._play} … {task.get_name()}")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._ran = True
        self._changed += bool(result._result.get("changed"))
        self._log("ok", result)

    def _log(self, what: str, result: Any) -> None:
        text = f"{what}: [{result._host.get_name()}] {result._task.get_name()}: {self._dump_results(result._result)}"
        self._display.display(text, log_only=True)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._failure(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        if not result._task.ignore_unreachable:
            self._failure(result, "unreachable")

    def _failure(self, result: Any, what: str) -> None:
        self._ran = True
        self._log(what, result)
        answer = result._result
        says = "stderr" if answer.get("stderr") else "stdout"
        details = [str(answer[key]).strip() for key in ("msg", says) if answer.get(key)]
        self._line(f"{what}: {result._host.get_name()}: {result._task.get_name()}")
        for detail in dict.fromkeys(details):
            self._line("  " + "\n  ".join(detail.splitlines()[-20:]))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._close_play()
