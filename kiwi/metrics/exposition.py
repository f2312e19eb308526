"""Write metrics as text for Prometheus, and as a file for node_exporter's textfile collector.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text-based, version 0.0.4).
The collector reads every *.prom in its folder, so a file is made beside it and renamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kiwi.common import files


class Sample(NamedTuple):
    """One value; `suffix` is _bucket, _sum or _count in a histogram."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Family(NamedTuple):
    """All samples of one name; `kind` is gauge, counter or histogram."""

    name: str
    kind: str
    text: str
    samples: Sequence[Sample]


def render(families: Iterable[Family], common: Mapping[str, str] = {}) -> str:
    """Return the text; every sample gets the labels in `common`. A family without samples is left out."""
    lines = []
    for family in families:
        if family.samples:
            lines.append(f"# HELP {family.name} {_escape(family.text)}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += [_line(family.name, sample, common) for sample in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _line(name: str, sample: Sample, common: Mapping[str, str]) -> str:
    labels = {**common, **sample.labels}
    shown = ",".join(f'{key}="{_escape(value, quote=True)}"' for key, value in labels.items())
    value = int(sample.value) if sample.value == int(sample.value) else sample.value
    return f"{name}{sample.suffix}{{{shown}}} {value}" if shown else f"{name}{sample.suffix} {value}"


def _escape(text: str, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def write(path: Path, text: str) -> None:
    """Replace the file as a whole, mode 0644: the collector is a user of its own. Raise OSError if that fails."""
    files.replace(path, text, 0o644, sync=False)
