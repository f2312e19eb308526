"""The gate on any allow file that is written: it admits the one user, in the interval, and nobody else ever."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kiwi.common import process
from kiwi.node import allow_file
from tests.contract.test_allow import BOOT, GATE

# Users, one a beginning of another, on a machine that runs for so many seconds.
USERS = st.sampled_from(["alice", "alicex", "al", "bob", "end", "say", "user", "boot"])
MOMENTS = st.integers(0, 300)
LINES = st.lists(st.text(st.characters(codec="ascii", exclude_categories=("C",)), max_size=30), max_size=3)


@settings(max_examples=150)
@given(USERS, USERS, MOMENTS, MOMENTS, MOMENTS, LINES, st.booleans())
def test_the_holder_in_the_interval_and_nobody_else(
    holder: str, comes: str, start: int, until: int, now: int, said: list[str], open_: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for place in ("run/kiwi", "proc/sys/kernel/random"):
            (root / place).mkdir(parents=True)
        (root / "proc/uptime").write_text(f"{now}.50 1.00\n")
        (root / "proc/sys/kernel/random/boot_id").write_text(BOOT + "\n")
        entry = allow_file.Entry(holder, start, until) if open_ else None
        allow_file.write(root / "run/kiwi/allow", allow_file.render(BOOT, entry, said))
        done = process.run(["dash", str(GATE), folder], env={"PAM_TYPE": "account", "PAM_USER": comes}, check=False)
    assert (done.code == 0) is (open_ and comes == holder and start <= now < until)
