"""Settings that all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# Examples compile whole programs on machines that other work shares: time says nothing about a single one. CI draws
# the same examples every time, so that it fails only for what changed.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
