"""What all lanes share: where each runs, no skips, the same examples every time, and nothing kept between runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests import lanes

settings.register_profile("lanes", derandomize=True, database=None, deadline=None)
settings.load_profile("lanes")

if os.environ.get(lanes.MARK, "unit" if os.geteuid() else "") in lanes.WRAPPED:
    sys.addaudithook(lanes.watch)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    return lanes.dispatch(config)


@pytest.fixture(autouse=True)
def the_hosts_clusters_stay_untouched() -> Iterator[None]:
    lanes.touched.clear()
    yield
    assert lanes.touched == [], "of the clusters of this host"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    return _no_skip((yield))


def _no_skip(report):
    if why := lanes.refused_skip(report):
        report.outcome, report.longrepr = "failed", why
    return report
