"""Settings that all tests share."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one process per core already: BLAS must not start threads of its own
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

# Examples compile whole programs on machines that other work shares: time says nothing about a single one. CI draws
# the same examples every time, so that it fails only for what changed.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
