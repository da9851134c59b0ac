"""How many tiles a linearly mapped tensor uses.

Source: graphcore/poplibs 7eac0f26, lib/poputil/TileMapping.cpp, restated.
"""

from __future__ import annotations

from halo_py.tiling.vertex_cost.counts import Counts, ceil_div, counts

_LEAST_BYTES = 128


def linear_tiles_used(elements: int | Counts, element_bytes: int, tiles: int, vector_bytes: int = 8) -> Counts:
    """Tiles that hold a part of a tensor cut in contiguous runs of whole vectors, at least 128 bytes each."""
    grains = ceil_div(counts(elements), vector_bytes // element_bytes)
    least = _LEAST_BYTES // vector_bytes
    pieces = (grains // least).clip(min=1)
    per_tile = ceil_div(grains, tiles).clip(min=ceil_div(grains, pieces))
    return ceil_div(grains, per_tile.clip(min=1))
