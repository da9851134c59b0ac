"""Published measurements, for comparison with a prediction. They are shown beside it and never enter it."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

SAME_MODEL = 0.12
"""Two models count as the same when parameters and multiply-accumulates each differ by at most this share."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One published figure: `batch` items on `ipus` chips.

    `parameters` and `multiply_accumulates` (per item) are those of the model's published configuration; None if it has
    none, so that no model can be recognised as it.
    """

    model: str
    platform: str
    ipus: int
    software: str
    batch: int
    precision: str
    items_per_second: float
    source: str
    date: str
    notes: str
    latency_milliseconds: str = ""
    parameters: int | None = None
    multiply_accumulates: int | None = None

    def distance(self, parameters: int, macs_per_item: int) -> float | None:
        """How far a model's size is from this row's (logarithm of the larger ratio); None if it has no fingerprint."""
        if self.parameters is None or self.multiply_accumulates is None:
            return None
        return max(
            abs(math.log(self.parameters / parameters)), abs(math.log(self.multiply_accumulates / macs_per_item))
        )


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Every row of published.toml, with the fingerprint of its model."""
    text = files("halo_py.report").joinpath("published.toml").read_text("utf-8")
    data = tomllib.loads(text)
    return tuple(PublishedRow(**{**data["models"].get(row["model"], {}), **row}) for row in data["rows"])


def nearest_published(
    parameters: int, macs_per_item: int, precision: str, items_per_ipu: float = 1.0
) -> dict[str, Any] | None:
    """The published row of the model with about this many parameters and multiply-accumulates; None if there is none.

    Of several rows of the model, one in the same precision is preferred, then the nearest number of items per chip.
    """
    if parameters <= 0 or macs_per_item <= 0:
        return None
    wanted = "fp16" if precision == "mixed" else precision
    best: tuple[tuple[float, bool, float], PublishedRow] | None = None
    for row in published_rows():
        distance = row.distance(parameters, macs_per_item)
        if distance is None or distance > math.log(1 + SAME_MODEL):
            continue
        rank = (distance, row.precision != wanted, abs(math.log(row.batch / row.ipus / items_per_ipu)))
        if best is None or rank < best[0]:
            best = (rank, row)
    return None if best is None else asdict(best[1])
