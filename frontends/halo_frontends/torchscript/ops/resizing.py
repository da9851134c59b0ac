"""Images at other sizes, and sampled at given places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from halo_frontends.torchscript.maker import Maker, Size
from halo_frontends.torchscript.ops.pooling import mix_axis
from halo_frontends.torchscript.table import aten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_frontends.torchscript.kinds import Floats, Ints, Item, Sizes, Value


def resized(
    m: Maker,
    input: Value,
    size: Sizes | None,
    scales: Floats | None,
    mode: str,
    align_corners: bool,
    given_scales: list[float | None],
    exact: bool = False,
) -> Value:
    """Resize the spatial axes. A scale that is given decides which places are read, the size how many."""
    rank = m.rank(input)
    lead = 2
    if size is None:
        if scales is None:
            raise m.wrong("neither a size nor scales are given")
        size = [int(np.floor(length * scale)) for length, scale in zip(_field(m, input), scales, strict=True)]
        given_scales = list(scales)
    sizes: list[Size] = [*m.sizes(input)[:lead], *size]
    transformation = "half_pixel" if exact or mode != "nearest" else "asymmetric"
    if mode == "linear" and any(entry == 1 for entry in size):
        transformation = "pytorch_half_pixel" if not align_corners else transformation
    if align_corners:
        transformation = "align_corners"
    attributes: dict[str, object] = {
        "mode": {"linear": "linear", "cubic": "cubic", "nearest": "nearest"}[mode],
        "coordinate_transformation_mode": transformation,
        "nearest_mode": ("round_prefer_ceil" if exact else "floor") if mode == "nearest" else None,
    }
    factors = _factors(m, input, size, given_scales, align_corners)
    if factors is not None:
        spread = m.const(np.asarray([1.0] * lead + factors, np.float32))
        return m.op("Resize", input, None, spread, None, **attributes)
    assert rank == len(sizes)
    return m.op("Resize", input, None, None, m.ints(sizes), **attributes)


def _field(m: Maker, input: Value) -> list[int]:
    """The sizes of the spatial axes."""
    return [m.length(input, axis) for axis in range(2, m.rank(input))]


def _factors(m: Maker, input: Value, size: Sizes, given: list[float | None], align_corners: bool) -> list[float] | None:
    """Scales to hand on: only where they say something else than the sizes do, and lead to these sizes."""
    if align_corners or any(scale is None for scale in given) or not given:
        return None
    factors = [scale for scale in given if scale is not None]
    lengths = _field(m, input)
    exact = all(
        isinstance(wanted, int) and abs(length * scale - wanted) < 1e-6
        for length, scale, wanted in zip(lengths, factors, size, strict=True)
    )
    fits = all(
        isinstance(wanted, int) and int(np.floor(np.float32(length) * np.float32(scale))) == wanted
        for length, scale, wanted in zip(lengths, factors, size, strict=True)
    )
    return factors if fits and not exact else None


_KINDS = {
    "upsample_nearest": ("nearest", False),
    "_upsample_nearest_exact": ("nearest", True),
    "upsample_linear": ("linear", False),
    "upsample_bilinear": ("linear", False),
    "upsample_trilinear": ("linear", False),
    "upsample_bicubic": ("cubic", False),
    "_upsample_bilinear": ("linear", False),
    "_upsample_bicubic": ("cubic", False),
}
_AXES = {"linear": (1,), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,), "nearest": (1, 2, 3), "exact": (1, 2, 3)}


def _enter_nearest(name: str, exact: bool) -> None:
    def upsample(m: Maker, input: Value, output_size: Sizes | None, *scales: Item) -> Value:
        return _resized_by(m, input, output_size, "nearest", False, scales, exact, False)

    aten(name)(upsample)


def _enter_smooth(name: str, mode: str, antialias: bool) -> None:
    def upsample(m: Maker, input: Value, output_size: Sizes | None, align_corners: bool, *scales: Item) -> Value:
        return _resized_by(m, input, output_size, mode, align_corners, scales, False, antialias)

    aten(name)(upsample)


def _resized_by(
    m: Maker,
    input: Value,
    size: Sizes | None,
    mode: str,
    align_corners: bool,
    scales: tuple[Item, ...],
    exact: bool,
    antialias: bool,
) -> Value:
    """Scales come as one list (the `.vec` forms) or one by one."""
    items = list(scales[0]) if scales and isinstance(scales[0], (list, tuple)) else list(scales)
    given = [float(item) if isinstance(item, (int, float)) else None for item in items]
    factors = tuple(scale for scale in given if scale is not None)
    if antialias:
        return _smoothed(m, input, size, given, mode, align_corners)
    return resized(m, input, size, factors if size is None else None, mode, align_corners, given, exact)


def _smoothed(
    m: Maker, input: Value, size: Sizes | None, given: list[float | None], mode: str, align_corners: bool
) -> Value:
    """With antialiasing: along each axis a product with a matrix of filter weights."""
    for number, axis in enumerate(range(2, m.rank(input))):
        have = m.length(input, axis)
        scale = given[number] if number < len(given) else None
        wanted: Size = int(np.floor(have * (scale or 1.0))) if size is None else size[number]
        if not isinstance(wanted, int):
            raise m.unsupported("antialiasing to a size that depends on data is not supported")
        step = have / wanted if scale is None else 1 / scale
        if align_corners:
            step = (have - 1) / (wanted - 1) if wanted > 1 else 0.0
        input = mix_axis(m, input, axis, _filter_weights(have, wanted, step, mode))
    return input


def _filter_weights(have: int, wanted: int, step: float, mode: str) -> NDArray[np.float32]:
    """Row i holds the normalised weights of output i (ATen/native/cpu/UpSampleKernel.cpp, aa)."""
    stretch = max(step, 1.0)
    reach = (1.0 if mode == "linear" else 2.0) * stretch
    weights = np.zeros((wanted, have))
    for row in range(wanted):
        centre = step * (row + 0.5)
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), have)
        distance = np.abs((np.arange(first, last) - centre + 0.5) / stretch)
        weights[row, first:last] = _linear(distance) if mode == "linear" else _cubic(distance)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _linear(x: NDArray[Any]) -> NDArray[Any]:
    return np.maximum(1 - x, 0)


def _cubic(x: NDArray[Any], a: float = -0.5) -> NDArray[Any]:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


for _prefix, (_mode, _exact) in _KINDS.items():
    for _count in _AXES[_prefix.rpartition("_")[2]]:
        if _mode == "nearest":
            _enter_nearest(f"{_prefix}{_count}d", _exact)
        else:
            _enter_smooth(
                f"{_prefix}{_count}d{'_aa' if _prefix.startswith('_') else ''}", _mode, _prefix.startswith("_")
            )


@aten("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def grid_sampler(
    m: Maker, input: Value, grid: Value, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Value:
    return m.op(
        "GridSample",
        input,
        grid,
        mode=("linear", "nearest", "cubic")[interpolation_mode],
        padding_mode=("zeros", "border", "reflection")[padding_mode],
        align_corners=int(align_corners),
    )


@aten("affine_grid_generator")
def affine_grid_generator(m: Maker, theta: Value, size: Ints, align_corners: bool) -> Value:
    return m.op("AffineGrid", theta, m.ints(size), align_corners=int(align_corners))
