"""Older operator sets to the newest: every rule there is, in one place.

A rule (`@below(opset, operators...)`, or `@rebuilt_below` if it adds nodes) rewrites a node of an older model into the
form that the operators have from `opset` on; a node passes all its rules in ascending order. Sources: the version
history in ONNX's Operators.md and Changelog.md. Operators that are not named here changed only in the types they take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from halo_frontends.onnx.draft import Draft, Maker, constant_like
from halo_py.errors import ModelError, UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import Dim, DType

Upgraded = Draft | tuple[Value, ...]
"""The node in its newer form, or the values it came down to."""

RuleFunction = Callable[[Draft, Maker], Upgraded]


@dataclass(frozen=True, slots=True)
class Rule:
    """Rewrites nodes of models older than opset `below`."""

    below: int
    rewrite: RuleFunction


EVERY_OPSET = 1 << 16
"""Bound of rules for what exporters write whatever the opset says."""

RULES: dict[str, list[Rule]] = {}


def below(opset: int, *operators: str) -> Callable[[Callable[[Draft], Draft]], Callable[[Draft], Draft]]:
    """Declare a rule that only rewrites the node itself."""

    def declare(function: Callable[[Draft], Draft]) -> Callable[[Draft], Draft]:
        rebuilt_below(opset, *operators)(lambda draft, _maker: function(draft))
        return function

    return declare


def rebuilt_below(opset: int, *operators: str) -> Callable[[RuleFunction], RuleFunction]:
    """Declare a rule that may add constants and nodes."""

    def declare(function: RuleFunction) -> RuleFunction:
        for operator in operators:
            rules = RULES.setdefault(operator, [])
            rules.append(Rule(opset, function))
            rules.sort(key=lambda rule: rule.below)
        return function

    return declare


def upgrade(draft: Draft, opset: int, maker: Maker) -> Upgraded:
    """The node in the newest form. Raises ModelError, UnsupportedError for what has no newer form."""
    done = 0
    while True:
        rule = next((rule for rule in RULES.get(draft.op, ()) if opset < rule.below and rule.below > done), None)
        if rule is None:
            return draft
        done = rule.below
        result = rule.rewrite(draft, maker)
        if isinstance(result, tuple):
            return result
        draft = result


def _int64(maker: Maker, draft: Draft, numbers: tuple[int, ...], suffix: str) -> Value:
    return constant_like(maker, draft, np.asarray(numbers, np.int64), suffix)


def _attribute_to_operand(name: str, position: int) -> RuleFunction:
    """A list attribute that became operand `position`."""

    def rewrite(draft: Draft, maker: Maker) -> Draft:
        numbers = draft.ints(name)
        if numbers is None:
            return draft.without(name)
        inputs = [*draft.inputs[:position], *[None] * (position - len(draft.inputs))]
        return draft.without(name).reading(*inputs, _int64(maker, draft, numbers, name))

    return rewrite


_REDUCTIONS = (
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSumSquare",
)  # fmt: skip

rebuilt_below(13, "Squeeze", "Unsqueeze", "ReduceSum")(_attribute_to_operand("axes", 1))
rebuilt_below(18, *_REDUCTIONS)(_attribute_to_operand("axes", 1))
rebuilt_below(13, "Split")(_attribute_to_operand("split", 1))


# -- operators before opset 7 -------------------------------------------------------------------------------------

_BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less")


@rebuilt_below(7, *_BINARY)
def _legacy_broadcast(draft: Draft, maker: Maker) -> Draft:
    """`axis` aligned the second operand with the first at a chosen dimension: trailing dimensions of 1 do the same."""
    axis, left, right = draft.integer("axis", -1), draft.rank(0), draft.rank(1)
    plain = draft.without("axis", "broadcast", "consumed_inputs")
    if axis < 0 or left is None or right is None or axis + right >= left:
        return plain
    return _with_trailing_ones(plain, left - axis - right, maker)


@rebuilt_below(7, "PRelu")
def _legacy_prelu(draft: Draft, maker: Maker) -> Draft:
    """One slope for all, or one per channel (dimension 1)."""
    rank, slopes = draft.rank(0), draft.shape(1)
    plain = draft.without("consumed_inputs")
    if rank is None or slopes is None or len(slopes) != 1 or slopes == (1,) or rank <= 2:
        return plain
    return _with_trailing_ones(plain, rank - 2, maker)


def _with_trailing_ones(draft: Draft, count: int, maker: Maker) -> Draft:
    """Operand 1 with `count` trailing dimensions of 1."""
    rank = draft.rank(1) or 0
    axes = _int64(maker, draft, tuple(range(rank, rank + count)), "axes")
    return draft.reading(draft.value(0), maker.make("Unsqueeze", [draft.value(1), axes], draft))


@below(7, "Gemm")
def _legacy_gemm(draft: Draft) -> Draft:
    return draft.without("broadcast")


@below(7, "BatchNormalization", "Dropout")
def _inference_only(draft: Draft) -> Draft:
    """`is_test` chose between training and inference; only inference is imported."""
    return draft.without("is_test", "consumed_inputs")


@below(6, "Cast")
def _legacy_cast(draft: Draft) -> Draft:
    """`to` was the type's name."""
    name = draft.text("to", "").lower()
    spelled = {"float": DType.FLOAT32, "double": DType.FLOAT64}
    try:
        return draft.setting(to=(spelled.get(name) or DType.from_text(name)).onnx_number)
    except KeyError:
        raise ModelError(f"casts to the unknown type {name!r}", draft.where) from None


@rebuilt_below(5, "Reshape")
def _legacy_reshape(draft: Draft, maker: Maker) -> Draft:
    shape = _int64(maker, draft, draft.ints("shape") or (), "shape")
    return draft.without("shape", "consumed_inputs").reading(draft.value(0), shape)


@below(4, "Concat")
def _legacy_concat(draft: Draft) -> Draft:
    return draft.setting(axis=draft.integer("axis", 1))


@below(
    6, "Abs", "Ceil", "Clip", "Elu", "Exp", "Floor", "HardSigmoid", "LeakyRelu", "Log", "Max", "Mean", "Min", "Neg",
    "Reciprocal", "Relu", "Selu", "Sigmoid", "Sqrt", "Sum", "Tanh", "InstanceNormalization",
)  # fmt: skip
def _consumed_inputs(draft: Draft) -> Draft:
    return draft.without("consumed_inputs")


@below(2, "Pad")
def _legacy_pad(draft: Draft) -> Draft:
    return draft.without("paddings").setting(pads=draft.ints("paddings") or ())


# -- opset 8 to 12 ------------------------------------------------------------------------------------------------


@rebuilt_below(9, "BatchNormalization")
def _batch_normalization_spatial(draft: Draft, maker: Maker) -> Upgraded:
    """Statistics per activation (spatial=0) are those of that many channels without a field."""
    plain, shape, activations = draft.without("spatial"), draft.shape(0), draft.shape(1)
    if draft.integer("spatial", 1) == 1:
        return plain
    if shape is None or activations is None:
        raise UnsupportedError("statistics per activation (spatial=0) need operands of known rank", draft.where)
    row = _int64(maker, draft, (-1,), "row")
    rows = [maker.make("Reshape", [draft.value(index), row], draft) for index in range(1, 5)]
    flat = maker.make("Flatten", [draft.value(0)], draft, axis=1)
    normal = maker.make("BatchNormalization", [flat, *rows], draft, **plain.without("momentum").attributes)
    only = replace(draft, outputs=draft.outputs[:1])
    return maker.finish("Reshape", [normal, _shape_operand(draft, shape, maker)], only)


@below(14, "BatchNormalization")
def _batch_normalization_outputs(draft: Draft) -> Draft:
    """The further outputs were those of training; a node that reads one finds nothing."""
    return replace(draft, outputs=draft.outputs[:1])


@rebuilt_below(9, "Upsample")
def _upsample_scales(draft: Draft, maker: Maker) -> Draft:
    scales = draft.attributes.get("scales")
    if not isinstance(scales, tuple):
        raise ModelError("the attribute 'scales' is missing", draft.where)
    contents = np.asarray(scales, np.float32)
    return draft.without("scales").reading(draft.value(0), constant_like(maker, draft, contents, "scales"))


@below(10, "Upsample")
def _upsample(draft: Draft) -> Draft:
    return draft.renamed("Resize")


@rebuilt_below(11, "Resize")
def _resize_10(draft: Draft, maker: Maker) -> Draft:
    """Output pixel i read input i / scale; the standard left the rounding open.

    ONNX Runtime, by which such models were made, rounds down where an axis grows and up where it shrinks.
    """
    grid = draft.setting(coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    known = maker.builder.known(draft.value(1))
    scales = None if known is None else known.astype(np.float32)
    if scales is None or draft.text("mode", "nearest") != "nearest" or not (scales < 1).any():
        return grid.reading(draft.value(0), None, draft.value(1))
    shrinking = constant_like(maker, draft, np.minimum(scales, np.float32(1)), "shrinking")
    source = draft.value(0)
    if (scales > 1).any():
        growing = constant_like(maker, draft, np.maximum(scales, np.float32(1)), "growing")
        source = maker.make("Resize", [source, None, growing], grid, **grid.attributes)
    return grid.setting(nearest_mode="ceil").reading(source, None, shrinking)


@below(19, "Resize")
def _resize_13(draft: Draft) -> Draft:
    """An empty `roi` or `scales` stands for an absent one; `tf_half_pixel_for_nn` went in opset 13."""
    inputs = list(draft.inputs)
    for position in (1, 2):
        if draft.has(position) and draft.shape(position) == (0,):
            inputs[position] = None
    plain = draft.reading(*inputs)
    if draft.text("coordinate_transformation_mode", "") != "tf_half_pixel_for_nn":
        return plain
    # x = (i + 0.5) / scale, rounded down, is half_pixel's x + 0.5 rounded down.
    if draft.text("mode", "nearest") != "nearest" or draft.text("nearest_mode", "round_prefer_floor") != "floor":
        raise UnsupportedError("tf_half_pixel_for_nn is supported for nearest neighbours rounded down", draft.where)
    return plain.setting(coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil")


@rebuilt_below(10, "Slice")
def _slice_operands(draft: Draft, maker: Maker) -> Draft:
    starts, ends = draft.ints("starts") or (), draft.ints("ends") or ()
    axes = draft.ints("axes") or tuple(range(len(starts)))
    operands = (
        _int64(maker, draft, list_, name) for list_, name in ((starts, "starts"), (ends, "ends"), (axes, "axes"))
    )
    return draft.without("starts", "ends", "axes").reading(draft.value(0), *operands)


@rebuilt_below(10, "TopK")
def _top_k_operand(draft: Draft, maker: Maker) -> Draft:
    k = _int64(maker, draft, (draft.integer("k", 1),), "k")
    return draft.without("k").reading(draft.value(0), k)


@rebuilt_below(10, "Dropout")
def _dropout_mask(draft: Draft, maker: Maker) -> Upgraded:
    """The mask was of the data's type."""
    plain = draft.without("ratio")
    if len(draft.outputs) < 2 or not draft.outputs[1]:
        return plain
    kept, mask = maker.make_several("Dropout", [draft.value(0)], plain, 2)
    return kept, maker.make("Cast", [mask], plain.without("ratio"), to=draft.dtype(0).onnx_number)


@below(12, "Dropout")
def _dropout_operand(draft: Draft) -> Draft:
    """In inference the ratio has no effect, and the mask is all ones."""
    return draft.without("ratio").reading(draft.value(0))


@rebuilt_below(11, "Clip")
def _clip_operands(draft: Draft, maker: Maker) -> Draft:
    dtype = draft.dtype(0).numpy
    bounds: list[Value | None] = []
    for name in ("min", "max"):
        bound = draft.number(name)
        contents = None if bound is None else np.asarray(bound, np.float64).astype(dtype)
        bounds.append(None if contents is None else constant_like(maker, draft, contents, name))
    return draft.without("min", "max").reading(draft.value(0), *bounds)


@rebuilt_below(11, "Pad")
def _pad_operands(draft: Draft, maker: Maker) -> Draft:
    pads = _int64(maker, draft, draft.ints("pads") or (), "pads")
    fill = np.asarray(draft.number("value") or 0.0, np.float64).astype(draft.dtype(0).numpy)
    return draft.without("pads", "value").reading(draft.value(0), pads, constant_like(maker, draft, fill, "value"))


@below(11, "Scatter")
def _scatter(draft: Draft) -> Draft:
    return draft.renamed("ScatterElements")


# -- opset 13 to 15 -----------------------------------------------------------------------------------------------


@rebuilt_below(13, "Softmax", "LogSoftmax", "Hardmax")
def _flattened_softmax(draft: Draft, maker: Maker) -> Upgraded:
    """All dimensions from `axis` on were normalised together; now it is one axis."""
    shape, axis = draft.shape(0), draft.integer("axis", 1)
    if shape is None:
        raise UnsupportedError(f"{draft.op} of opset 12 and older needs an operand of known rank", draft.where)
    if not -len(shape) <= axis <= len(shape):
        raise ModelError(f"axis {axis} is outside rank {len(shape)}", draft.where)
    axis = axis + len(shape) if axis < 0 else axis
    large = [position for position in range(axis, len(shape)) if shape[position] != 1]
    if len(large) <= 1 and shape:
        return draft.setting(axis=large[0] if large else min(axis, len(shape) - 1))
    flat = maker.make("Flatten", [draft.value(0)], draft, axis=axis)
    normal = maker.make(draft.op, [flat], draft, axis=1)
    return maker.finish("Reshape", [normal, _shape_operand(draft, shape, maker)], draft)


def _shape_operand(draft: Draft, shape: tuple[Dim, ...], maker: Maker) -> Value:
    """The shape of operand 0 as a value."""
    sizes = tuple(dim for dim in shape if isinstance(dim, int))
    if len(sizes) == len(shape):
        return _int64(maker, draft, sizes, "shape")
    return maker.make("Shape", [draft.value(0)], draft)


# -- opset 16 to the newest ---------------------------------------------------------------------------------------


@below(16, "RoiAlign")
def _roi_align_grid(draft: Draft) -> Draft:
    return draft.setting(coordinate_transformation_mode="output_half_pixel")


@below(18, "Split")
def _split_count(draft: Draft) -> Draft:
    return draft if draft.has(1) else draft.setting(num_outputs=len(draft.outputs))


@rebuilt_below(20, "DFT")
def _dft_axis(draft: Draft, maker: Maker) -> Draft:
    axis = constant_like(maker, draft, np.asarray(draft.integer("axis", 1), np.int64), "axis")
    length = draft.inputs[1] if draft.has(1) else None
    return draft.without("axis").reading(draft.value(0), length, axis)


@rebuilt_below(EVERY_OPSET, "STFT")
def _stft_signal(draft: Draft, maker: Maker) -> Draft:
    """PyTorch's exporter leaves out the last dimension of real signals, which is 1."""
    if draft.rank(0) != 2:
        return draft
    parts = maker.make("Unsqueeze", [draft.value(0), _int64(maker, draft, (-1,), "parts")], draft)
    return draft.reading(parts, *draft.inputs[1:])


@below(20, "GridSample")
def _grid_sample_modes(draft: Draft) -> Draft:
    mode = draft.text("mode", "bilinear")
    return draft.setting(mode={"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode))


@rebuilt_below(21, "GroupNormalization")
def _group_normalization_channels(draft: Draft, maker: Maker) -> Draft:
    """Scale and bias stood per group; now they stand per channel."""
    shape, groups = draft.shape(0), draft.integer("num_groups", 1)
    if shape is None or len(shape) < 2 or not isinstance(shape[1], int) or groups < 1 or shape[1] % groups:
        raise ModelError("needs a known number of channels that its groups divide", draft.where)
    repeat = shape[1] // groups
    spread = [_spread(draft.value(position), groups, repeat, draft, maker) for position in (1, 2)]
    return draft.reading(draft.value(0), *spread)


def _spread(value: Value, groups: int, repeat: int, draft: Draft, maker: Maker) -> Value:
    known = maker.builder.known(value)
    if known is not None:
        return maker.builder.constant(np.repeat(known.reshape(-1), repeat), value.name)
    column = maker.make("Reshape", [value, _int64(maker, draft, (groups, 1), "column")], draft)
    wide = maker.make("Expand", [column, _int64(maker, draft, (groups, repeat), "wide")], draft)
    return maker.make("Reshape", [wide, _int64(maker, draft, (prod((groups, repeat)),), "channels")], draft)
