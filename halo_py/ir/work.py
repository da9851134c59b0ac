"""What a vertex does, in terms that no machine and no op appears in.

A kernel answers a `Work` for a box of its iteration space (or, vectorised, for many boxes at once: every
count below may be an integer or an integer array, all arrays of one `Work` broadcasting together). A machine's vertex
cost model turns a `Work` into cycles of one tile. New ops touch no machine; new machines touch no op.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Count = int | NDArray[np.int64]
"""A count for one box, or an array of counts, one per candidate box."""

ElementType = str
"""Lower-case element type name: 'float32', 'float16', 'float8e4m3fn', 'int32', 'int64', 'bool', ..."""


@dataclass(frozen=True, slots=True)
class ContractionWork:
    """Multiply-accumulate over channels and kernel positions: matmul, convolution, einsum.

    A matmul [m,k]x[k,n] is rows=1, row_width=m, in_channels=k, out_channels=n, kernel_height=kernel_width=1.
    A convolution has rows = batch x outer output field positions, row_width = innermost output field width.
    Counts are of one tile's box; `groups` are independent (batched matmuls, convolution groups).
    `accumulates` marks a serial step that adds into partials that are already there.
    """

    groups: Count
    rows: Count
    row_width: Count
    in_channels: Count
    out_channels: Count
    kernel_height: Count = 1
    kernel_width: Count = 1
    stride_width: int = 1
    dilated: bool = False
    input_type: ElementType = "float32"
    partials_type: ElementType = "float32"
    accumulates: bool = False


@dataclass(frozen=True, slots=True)
class MapWork:
    """One or more scalar functions applied to each of `elements`.

    `functions` are names of the vocabulary 'add', 'sub', 'mul', 'div', 'pow', 'max', 'min', 'relu', 'neg', 'square',
    'abs', 'exp', 'log', 'tanh', 'sigmoid', 'sqrt', 'rsqrt', 'reciprocal', 'erf', 'gelu_erf', 'gelu_tanh', 'swish',
    'sin', 'cos', 'tan', 'asin', 'atan', 'sinh', 'ceil', 'floor', 'round', 'compare', 'logic', 'select', 'clamp',
    'cast', 'isnan', 'sign', 'mod', 'shift', 'copy', ... (unknown names cost as 'unknown').

    `broadcast`: 'none' (equal operands or one operand), 'scalar' (one operand is a scalar), 'inner' (a vector along
    the innermost dimension repeated over rows, e.g. bias), 'outer' (one scalar per row). `inner` is the innermost row
    length.
    `fused` means that the functions run in one pass over the data (a generated codelet).
    """

    elements: Count
    functions: tuple[str, ...]
    element_type: ElementType = "float32"
    output_type: ElementType | None = None
    broadcast: Literal["none", "scalar", "inner", "outer"] = "none"
    inner: Count = 1
    in_place: bool = False
    fused: bool = False


@dataclass(frozen=True, slots=True)
class ReduceWork:
    """Reduce `depth` values to each of `outputs`.

    `contiguous`: the reduced elements of an output lie next to each other.

    `function`: 'add', 'square_add', 'max', 'min', 'mul', 'log_add', 'and', 'or', 'argmax', 'argmin'.
    """

    outputs: Count
    depth: Count
    function: str = "add"
    input_type: ElementType = "float32"
    output_type: ElementType = "float32"
    contiguous: bool = True


@dataclass(frozen=True, slots=True)
class PartialsWork:
    """Add up `depth` partials of `outputs` values that came from other tiles."""

    outputs: Count
    depth: Count
    partials_type: ElementType = "float32"
    output_type: ElementType = "float32"
    function: str = "add"


@dataclass(frozen=True, slots=True)
class WindowWork:
    """Pooling: reduce a window of `kernel_positions` for `rows` x `row_width` output positions of `channels`."""

    rows: Count
    row_width: Count
    channels: Count
    kernel_positions: Count
    function: Literal["max", "sum"] = "max"
    element_type: ElementType = "float32"


@dataclass(frozen=True, slots=True)
class GatherWork:
    """Look `lookups` rows of `row_elements` up, of which `in_range` lie in the tile's part of the table."""

    lookups: Count
    row_elements: Count
    in_range: Count
    element_type: ElementType = "float32"
    update: bool = False


@dataclass(frozen=True, slots=True)
class CopyWork:
    """Move elements inside a tile in contiguous runs of `run` elements; `transposes` reorders elements."""

    elements: Count
    run: Count = 1
    element_type: ElementType = "float32"
    transposes: bool = False


@dataclass(frozen=True, slots=True)
class FillWork:
    """Write a constant to `elements`."""

    elements: Count
    element_type: ElementType = "float32"


@dataclass(frozen=True, slots=True)
class SortWork:
    """Sort `rows` rows of `length` keys (with an index payload when `key_value`); top-k keeps `kept` of them."""

    rows: Count
    length: Count
    kept: Count
    key_value: bool = True
    element_type: ElementType = "float32"


@dataclass(frozen=True, slots=True)
class SerialWork:
    """A loop of one worker with dependent iterations (cumulative sum): `steps` of `functions` for `rows` rows."""

    rows: Count
    steps: Count
    functions: tuple[str, ...] = ("add",)
    element_type: ElementType = "float32"


@dataclass(frozen=True, slots=True)
class RandomWork:
    """Draw `elements` random numbers: 'uniform', 'normal', 'truncated_normal', 'bernoulli' or 'dropout'."""

    elements: Count
    distribution: str = "uniform"
    element_type: ElementType = "float32"


@dataclass(frozen=True, slots=True)
class FourierWork:
    """`lines` discrete Fourier transforms of `length` points each; `real`: of points, or to points, without imaginary
    parts.
    """

    lines: Count
    length: int
    real: bool = False
    element_type: ElementType = "float32"


@dataclass(frozen=True, slots=True)
class SumWork:
    """Several pieces of work of one vertex, one after another."""

    parts: tuple[Work, ...]


Work = (
    ContractionWork
    | MapWork
    | ReduceWork
    | PartialsWork
    | WindowWork
    | GatherWork
    | CopyWork
    | FillWork
    | SortWork
    | SerialWork
    | RandomWork
    | FourierWork
    | SumWork
)
