"""Operators of the default domain that ONNX took back in version 1.5, and one that ONNX Runtime writes there.

Source: ONNX's Changelog.md (operator set 1) and ONNX Runtime's schemas, which keep them.
"""

from __future__ import annotations

import numpy as np

from halo_frontends.onnx.contrib_fused import scaled_function
from halo_frontends.onnx.contrib_transformer import inverse_deviation
from halo_frontends.onnx.domains import Domain
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.expanding import NodeWriter, check_attributes
from halo_py.errors import ModelError
from halo_py.ir.graph import Value
from halo_py.types import DType

RETIRED = Domain("", ("retired",))

expands = RETIRED.expands


def _number(draft: Draft, name: str, default: float) -> float:
    found = draft.number(name)
    return default if found is None else float(found)


@expands("Affine")
def _affine(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """`alpha x + beta`."""
    check_attributes(draft, "alpha", "beta")
    write, source = NodeWriter(draft, maker), draft.value(0)
    scaled = write("Mul", source, write.number(_number(draft, "alpha", 1.0), source))
    return (write.result(0, "Add", scaled, write.number(_number(draft, "beta", 0.0), source)),)


@expands("Scale")
def _scale(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    check_attributes(draft, "scale")
    write, source = NodeWriter(draft, maker), draft.value(0)
    return (write.result(0, "Mul", source, write.number(_number(draft, "scale", 1.0), source)),)


@expands("ScaledTanh", "ParametricSoftplus")
def _scaled_function(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """`alpha tanh(beta x)`, `alpha log(1 + exp(beta x))`."""
    check_attributes(draft, "alpha", "beta")
    function = "Tanh" if draft.op == "ScaledTanh" else "Softplus"
    factors = _number(draft, "alpha", 1.0), _number(draft, "beta", 1.0)
    return (scaled_function(NodeWriter(draft, maker), function, draft.value(0), *factors),)


@expands("ImageScaler")
def _image_scaler(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Images [N, C, H, W] times a factor, plus a bias per channel."""
    check_attributes(draft, "scale", "bias")
    write, source = NodeWriter(draft, maker), draft.value(0)
    bias = draft.attributes.get("bias", ())
    numbers = np.asarray(bias, np.float64).astype(write.dtype(source).numpy).reshape(-1, 1, 1)
    scaled = write("Mul", source, write.number(_number(draft, "scale", 1.0), source))
    return (write.result(0, "Add", scaled, write.constant(numbers)),)


@expands("Crop")
def _crop(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """Images [N, C, H, W] without a border, or a part of a given size that begins after it."""
    check_attributes(draft, "border", "scale")
    write, source = NodeWriter(draft, maker), draft.value(0)
    border, size = draft.ints("border") or (), draft.ints("scale")
    if len(border) != 4 or (size is not None and len(size) != 2):
        raise ModelError(f"a border of {border} and a size of {size} are none", draft.where)
    left, top, right, bottom = border
    extents = [write.size(source, axis) for axis in (2, 3)]
    ends = (extents[0] - bottom, extents[1] - right) if size is None else (top + size[0], left + size[1])
    inside = 0 <= top < ends[0] <= extents[0] and 0 <= left < ends[1] <= extents[1]
    if not inside:
        raise ModelError(f"the border {border} leaves nothing of {extents[0]} x {extents[1]}", draft.where)
    return (write.result(0, "Slice", source, write.ints(top, left), write.ints(*ends), write.ints(2, 3)),)


@expands("DynamicSlice")
def _dynamic_slice(draft: Draft, _maker: Maker) -> Draft:
    check_attributes(draft)
    return draft.renamed("Slice")


@expands("SimplifiedLayerNormalization")
def _simplified_layer_normalization(draft: Draft, maker: Maker) -> tuple[Value, ...]:
    """RMSNormalization; result 1 is the inverse deviation. ONNX Runtime writes it."""
    check_attributes(draft, "axis", "epsilon", "stash_type")
    write = NodeWriter(draft, maker)
    axis, epsilon = draft.integer("axis", -1), _number(draft, "epsilon", 1e-5)
    stash = DType.from_onnx(draft.integer("stash_type", DType.FLOAT32.onnx_number))
    made = write.result(
        0, "RMSNormalization", draft.value(0), draft.value(1), axis=axis, epsilon=epsilon, stash_type=stash.onnx_number
    )
    if not write.wants(1):
        return (made,)
    return made, write.cast(inverse_deviation(write, draft.value(0), axis, epsilon), stash)
