"""Published measurements, for comparison with a prediction. They are shown beside it and never enter it."""

from __future__ import annotations

import math
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

SAME_MODEL = 0.12
"""Two models count as the same when parameters and multiply-accumulates each differ by at most this share."""


@cache
def published_rows() -> tuple[dict[str, Any], ...]:
    """Every row of published.toml, with the fingerprint of its model."""
    text = files("halo_py.report").joinpath("published.toml").read_text("utf-8")
    data = tomllib.loads(text)
    return tuple({**data["models"][row["model"]], **row} for row in data["rows"])


def nearest_published(parameters: int, macs_per_item: int, precision: str) -> dict[str, Any] | None:
    """The published row whose model has about this many parameters and multiply-accumulates; None if there is none.

    Of several rows of the model, one in the same precision is preferred.
    """
    if parameters <= 0 or macs_per_item <= 0:
        return None
    best: tuple[tuple[bool, float], dict[str, Any]] | None = None
    for row in published_rows():
        distance = max(
            abs(math.log(row["parameters"] / parameters)),
            abs(math.log(row["multiply_accumulates"] / macs_per_item)),
        )
        if distance > math.log(1 + SAME_MODEL):
            continue
        rank = (row["precision"].startswith("fp16") == (precision == "fp32"), distance)
        if best is None or rank < best[0]:
            best = (rank, row)
    return None if best is None else best[1]
