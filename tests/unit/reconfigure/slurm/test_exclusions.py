"""SuspendExcNodes as Slurm shows it and as we write it."""

from __future__ import annotations

import pytest

from reconfigure.slurm import exclusions

CONFIG = "SuspendExcNodes         = {}\nSuspendExcParts         = (null)\n"


def test_the_line_is_read() -> None:
    assert exclusions.parse(CONFIG.format("cpu-[1-2],gpu-1:4")) == "cpu-[1-2],gpu-1:4"
    assert exclusions.parse(CONFIG.format("(null)")) == ""
    with pytest.raises(ValueError, match="no line"):
        exclusions.parse("SuspendExcParts = (null)")


def test_spellings_of_the_same_mean_the_same() -> None:
    assert exclusions.meaning("cpu-[1-1],gpu-1") == exclusions.meaning("cpu-1,gpu-[1]")
    assert exclusions.meaning("cpu-[1-3,5]:2,a-1") == exclusions.meaning("a-1,cpu-[1-3]:2,cpu-5:2")
    assert exclusions.meaning("cpu-[1-3]:2") != exclusions.meaning("cpu-[1-3]")
    assert exclusions.meaning("") == {}
