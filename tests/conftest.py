"""What all lanes share: properties are tried with the same examples every time, and nothing is kept between runs."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("lanes", derandomize=True, database=None, deadline=None)
settings.load_profile("lanes")
