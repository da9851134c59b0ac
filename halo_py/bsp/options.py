"""How a stage is lowered: what the caller may decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from halo_py.types import DType

if TYPE_CHECKING:
    from halo_py.tiling.plan import Split


def _nothing_pinned() -> Mapping[str, tuple[Split, ...]]:
    return {}


@dataclass(frozen=True, slots=True)
class LoweringOptions:
    """Decisions that hold for a whole stage.

    tiles: how many tiles of the chip take part. partials_type: type of contractions' partial sums. temporary_share:
    part of a tile's memory that one op may use beside its operands and results (PopLibs `availableMemoryProportion`).
    pinned: node name -> the splits of its kernels, in order; what is not named is searched. share_supersteps: whether
    independent ops may run together.
    """

    tiles: int
    partials_type: DType = DType.FLOAT32
    temporary_share: float = 0.6
    pinned: Mapping[str, tuple[Split, ...]] = field(default_factory=_nothing_pinned)
    share_supersteps: bool = True
