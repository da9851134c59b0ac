"""How ops are written as ODLA calls: element-wise, reductions, movement, contractions, windows, normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from halo_py.ops import elementwise as ew
from halo_py.ops.activation import (
    Celu,
    Elu,
    Gelu,
    HardSigmoid,
    LeakyRelu,
    Selu,
    Shrink,
    ThresholdedRelu,
)
from halo_py.ops.contraction import Gemm
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.einsum import Einsum
from halo_py.ops.image import Resize
from halo_py.ops.indexing import Gather, GatherElements, GatherND
from halo_py.ops.local_response import LRN
from halo_py.ops.logic import IsInf
from halo_py.ops.movement import Transpose
from halo_py.ops.normalization import BatchNormalization, InstanceNormalization
from halo_py.ops.pooling import AveragePool, MaxPool
from halo_py.ops.reduction import Reduce
from halo_py.ops.slicing import Concat
from halo_py.types import DType
from odla.calls.emit import (
    CHANNELS_FIRST,
    INPUT_FIRST,
    OUTPUT_FIRST,
    Emit,
    NotInOdlaError,
    dims,
    dtype_of,
    element,
    only_result,
    operand,
    optional,
    rule,
    shape_of,
    value_type,
)
from odla.calls.model import Argument, Dims, Name, Signed, Text, Unsigned

if TYPE_CHECKING:
    from halo_py.ir.graph import Node, Value

_PLAIN = {
    "abs": "Abs", "acos": "ACos", "acosh": "ACosh", "asin": "ASin", "asinh": "ASinh", "atan": "ATan",
    "atanh": "ATanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "log": "Log", "neg": "Neg", "not": "Not", "reciprocal": "Reciprocal", "sign": "Sign",
    "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt", "tan": "Tan", "tanh": "Tanh", "relu": "Relu",
    "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign", "is_nan": "IsNaN",
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow", "and": "And", "or": "Or", "xor": "Xor",
    "equal": "Equal", "greater": "Greater", "less": "Less", "greater_or_equal": "GreaterOrEqual",
    "less_or_equal": "LessOrEqual", "prelu": "PRelu", "inverse": "Inverse", "hard_swish": "HardSwish",
}  # fmt: skip
"""Ops whose function takes the operands and nothing else."""


@rule(*_PLAIN)
def plain(emit: Emit, node: Node) -> None:
    """A function of the operands alone."""
    operands = [operand(node, number) for number in range(len(node.inputs))]
    emit.call(f"odla_{_PLAIN[node.op.kind]}", operands, node.outputs[0])


_VARIADIC = {"max": "odla_Max", "min": "odla_Min", "sum": "odla_Add"}


@rule(*_VARIADIC)
def variadic(emit: Emit, node: Node) -> None:
    """Two at a time."""
    function = _VARIADIC[node.op.kind]
    found = operand(node, 0)
    if len(node.inputs) == 1:
        emit.call("odla_Reshape", (found, dims(node.outputs[0])), node.outputs[0])
    for number in range(1, len(node.inputs)):
        other = operand(node, number)
        last = number == len(node.inputs) - 1
        shape = np.broadcast_shapes(shape_of(found), shape_of(other))
        made = node.outputs[0] if last else emit.value(dtype_of(found), shape, node.name)
        found = emit.call(function, (found, other), made)


@rule("mean")
def mean(emit: Emit, node: Node) -> None:
    """All operands at once."""
    operands = tuple(operand(node, number) for number in range(len(node.inputs)))
    emit.call("odla_Mean", (operands,), node.outputs[0])


@rule("leaky_relu", "elu", "celu", "selu", "hard_sigmoid", "thresholded_relu", "shrink", "gelu", "is_inf", "mod")
def with_parameters(emit: Emit, node: Node) -> None:
    """A function of the operands and the attributes."""
    parameters: tuple[Argument, ...]
    match node.op:
        case LeakyRelu(alpha=alpha):
            function, parameters = "LeakyRelu", (alpha,)
        case Elu(alpha=alpha):
            function, parameters = "Elu", (alpha,)
        case Celu(alpha=alpha):
            function, parameters = "Celu", (alpha,)
        case Selu(alpha=alpha, gamma=gamma):
            function, parameters = "Selu", (alpha, gamma)
        case HardSigmoid(alpha=alpha, beta=beta):
            function, parameters = "HardSigmoid", (alpha, beta)
        case ThresholdedRelu(alpha=alpha):
            function, parameters = "ThresholdedRelu", (alpha,)
        case Shrink(bias=bias, lambd=lambd):
            function, parameters = "Shrink", (bias, lambd)
        case Gelu(approximate=approximate):
            function, parameters = "Gelu", (approximate == "tanh",)
        case IsInf() as op:
            function, parameters = "IsInf", (bool(op.detect_positive), bool(op.detect_negative))
        case ew.Mod(fmod=fmod):
            function, parameters = "Mod", (int(fmod),)
        case _:
            raise NotInOdlaError("no function takes these attributes")
    operands = [operand(node, number) for number in range(len(node.inputs))]
    emit.call(f"odla_{function}", (*operands, *parameters), node.outputs[0])


@rule("clip")
def clip(emit: Emit, node: Node) -> None:
    """Bounds are numbers."""
    x = operand(node, 0)
    if dtype_of(x) not in (DType.FLOAT32, DType.FLOAT16):
        raise NotInOdlaError("odla_Clamp has float bounds")
    bounds = [float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)]
    for number in (1, 2):
        given = optional(node, number)
        if given is not None:
            bounds[number - 1] = float(emit.contents(given, "a bound").astype(np.float32).reshape(()))
    emit.call("odla_Clamp", (x, *bounds), node.outputs[0])


@rule("cast")
def cast(emit: Emit, node: Node) -> None:
    """Another element type."""
    made = node.outputs[0]
    emit.call("odla_Cast", (operand(node, 0), element(dtype_of(made))), made)


@rule("where")
def select(emit: Emit, node: Node) -> None:
    """One of two values."""
    operands = [operand(node, number) for number in range(3)]
    emit.call("odla_Select", (*operands, dims(node.outputs[0])), node.outputs[0])


@rule("identity", "dropout")
def same(emit: Emit, node: Node) -> None:
    """The operand itself, under another name."""
    if node.op.kind == "dropout" and optional(node, 2) is not None:
        raise NotInOdlaError("dropout in training mode")
    made = only_result(node, "the mask of a dropout")
    emit.call("odla_Reshape", (operand(node, 0), dims(made)), made)


_REDUCTIONS = {
    "reduce_sum": "ReduceSum", "reduce_mean": "ReduceMean", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd", "reduce_sum_square": "ReduceSumSquare", "reduce_log_sum": "ReduceLogSum",
    "reduce_log_sum_exp": "ReduceLogSumExp", "reduce_l1": "ReduceL1", "reduce_l2": "ReduceL2",
}  # fmt: skip


@rule(*_REDUCTIONS)
def reduction(emit: Emit, node: Node) -> None:
    """Over the listed axes, or all."""
    op, x = node.op, operand(node, 0)
    assert isinstance(op, Reduce)
    rank = len(shape_of(x))
    given = optional(node, 1)
    listed = [] if given is None else [axis % rank for axis in _integers(emit, given, "axes")]
    if not listed and op.noop_with_empty_axes:
        raise NotInOdlaError("a reduction of no axes")
    axes = tuple(sorted(listed)) or tuple(range(rank))
    extra: tuple[Argument, ...] = (0.0,) if node.op.kind in ("reduce_l1", "reduce_l2") else ()
    arguments = (x, len(axes), Unsigned(axes), bool(op.keepdims), *extra, dims(node.outputs[0]))
    emit.call(f"odla_{_REDUCTIONS[node.op.kind]}", arguments, node.outputs[0])


@rule("global_average_pool", "global_max_pool")
def global_pool(emit: Emit, node: Node) -> None:
    """A reduction over the field."""
    x = operand(node, 0)
    axes = tuple(range(2, len(shape_of(x))))
    function = "odla_ReduceMean" if node.op.kind == "global_average_pool" else "odla_ReduceMax"
    emit.call(function, (x, len(axes), Unsigned(axes), True, dims(node.outputs[0])), node.outputs[0])


@rule("arg_max", "arg_min")
def position(emit: Emit, node: Node) -> None:
    """Where the extremum is."""
    attributes = node.op.attributes()
    x, made = operand(node, 0), node.outputs[0]
    axis = int(attributes["axis"]) % len(shape_of(x))
    flags = bool(attributes["keepdims"]), bool(attributes["select_last_index"])
    emit.call("odla_ArgMax" if node.op.kind == "arg_max" else "odla_ArgMin", (x, axis, *flags, value_type(made)), made)


@rule("reshape", "flatten", "squeeze", "unsqueeze")
def reshape(emit: Emit, node: Node) -> None:
    """Another shape, known while compiling."""
    emit.call("odla_Reshape", (operand(node, 0), dims(node.outputs[0])), node.outputs[0])


@rule("expand")
def broadcast(emit: Emit, node: Node) -> None:
    """The operand repeated to a shape known while compiling."""
    emit.call("odla_Broadcast", (operand(node, 0), dims(node.outputs[0])), node.outputs[0])


@rule("transpose")
def transpose(emit: Emit, node: Node) -> None:
    """Dimensions in another order."""
    assert isinstance(node.op, Transpose)
    x = operand(node, 0)
    order = node.op.perm or tuple(reversed(range(len(shape_of(x)))))
    emit.call("odla_Transpose", (x, Dims(tuple(order)), dims(node.outputs[0])), node.outputs[0])


@rule("concat")
def concat(emit: Emit, node: Node) -> None:
    """Values joined along an axis."""
    assert isinstance(node.op, Concat)
    operands = tuple(operand(node, number) for number in range(len(node.inputs)))
    axis = node.op.axis % len(shape_of(operands[0]))
    emit.call("odla_Concat", (operands, axis, dims(node.outputs[0])), node.outputs[0])


def _integers(emit: Emit, value: Value, what: str) -> list[int]:
    return [int(number) for number in emit.contents(value, what).reshape(-1)]


@rule("slice")
def cut(emit: Emit, node: Node) -> None:
    """A range of every dimension."""
    x, made = operand(node, 0), node.outputs[0]
    shape = shape_of(x)
    starts, ends = (_integers(emit, operand(node, number), "a bound") for number in (1, 2))
    given, stepping = optional(node, 3), optional(node, 4)
    axes = list(range(len(starts))) if given is None else _integers(emit, given, "axes")
    steps = [1] * len(axes) if stepping is None else _integers(emit, stepping, "steps")
    start, end, stride = [0] * len(shape), list(shape), [1] * len(shape)
    for number, axis in enumerate(axes):
        at = axis % len(shape)
        piece = range(*slice(starts[number], ends[number], steps[number]).indices(shape[at]))
        if steps[number] < 0:
            raise NotInOdlaError("a slice that goes backwards")
        start[at], stride[at] = piece.start, steps[number]
        end[at] = piece.stop
    arguments = (x, Signed(tuple(start)), Signed(tuple(end)), Signed(tuple(stride)), dims(made))
    emit.call("odla_Slice", arguments, made)


@rule("split")
def split(emit: Emit, node: Node) -> None:
    """A slice per part."""
    x = operand(node, 0)
    rank, start = len(shape_of(x)), 0
    axis = int(node.op.attributes()["axis"]) % rank
    for made in node.outputs:
        size = shape_of(made)[axis]
        low, high = [0] * rank, list(shape_of(x))
        low[axis], high[axis] = start, start + size
        start += size
        arguments = (x, Signed(tuple(low)), Signed(tuple(high)), Signed((1,) * rank), dims(made))
        emit.call("odla_Slice", arguments, made)


@rule("gather", "gather_elements", "gather_nd")
def gather(emit: Emit, node: Node) -> None:
    """Rows, elements or slices by index."""
    x, indices, made = operand(node, 0), operand(node, 1), node.outputs[0]
    match node.op:
        case Gather(axis=axis):
            function, number = "odla_Gather", axis % len(shape_of(x))
        case GatherElements(axis=axis):
            function, number = "odla_GatherElements", axis % len(shape_of(x))
        case GatherND(batch_dims=batch):
            function, number = "odla_GatherND", batch
        case _:
            raise NotInOdlaError("no function gathers like this")
    emit.call(function, (x, indices, number, dims(made)), made)


@rule("pad")
def pad(emit: Emit, node: Node) -> None:
    """Zeros around the operand."""
    x, made = operand(node, 0), node.outputs[0]
    filler = optional(node, 2)
    if node.op.attributes()["mode"] != "constant" or optional(node, 3) is not None:
        raise NotInOdlaError("padding by other modes or along some axes")
    if filler is not None and np.any(emit.contents(filler, "the padding")):
        raise NotInOdlaError("padding by other values than zero")
    pads = [int(size) for size in emit.contents(operand(node, 1), "pads").reshape(-1)]
    if min(pads, default=0) < 0:
        raise NotInOdlaError("padding by negative sizes")
    rank = len(shape_of(x))
    emit.call("odla_Pad", (x, Unsigned(tuple(pads[:rank])), Unsigned(tuple(pads[rank:])), dims(made)), made)


@rule("tile")
def tile(emit: Emit, node: Node) -> None:
    """Repeats per dimension."""
    x, made = operand(node, 0), node.outputs[0]
    repeats = tuple(int(count) for count in emit.contents(operand(node, 1), "repeats").reshape(-1))
    emit.call("odla_Tile", (x, Unsigned(repeats), dims(made)), made)


@rule("matmul")
def matmul(emit: Emit, node: Node) -> None:
    """Matrices of one batch shape: operands that broadcast are repeated, vectors become matrices."""
    left, right, made = operand(node, 0), operand(node, 1), node.outputs[0]
    a, b = shape_of(left), shape_of(right)
    if len(a) == 1:
        left = emit.reshaped(left, (1, *a))
    if len(b) == 1:
        right = emit.reshaped(right, (*b, 1))
    batch = np.broadcast_shapes(shape_of(left)[:-2], shape_of(right)[:-2])
    left, right = (_batched(emit, value, batch) for value in (left, right))
    shape = (*batch, shape_of(left)[-2], shape_of(right)[-1])
    result = made if shape == shape_of(made) else emit.value(dtype_of(made), shape, made.name)
    emit.call("odla_BatchMatMul", (left, False, right, False, Dims(shape)), result)
    if result is not made:
        emit.call("odla_Reshape", (result, dims(made)), made)


def _batched(emit: Emit, value: Value, batch: tuple[int, ...]) -> Value:
    shape = shape_of(value)
    wanted = (*batch, *shape[-2:])
    if shape == wanted:
        return value
    full = emit.reshaped(value, (*(1,) * (len(wanted) - len(shape)), *shape))
    made = emit.value(dtype_of(value), wanted, value.name)
    return emit.call("odla_Broadcast", (full, Dims(wanted)), made)


@rule("gemm")
def gemm(emit: Emit, node: Node) -> None:
    """Alpha A B + beta C."""
    op = node.op
    assert isinstance(op, Gemm)
    if op.attributes().get("epilogue") is not None:
        raise NotInOdlaError("a fused product")
    a, b = operand(node, 0), operand(node, 1)
    arguments = (a, bool(op.transA), b, bool(op.transB), op.alpha, op.beta, optional(node, 2), dims(node.outputs[0]))
    emit.call("odla_Gemm", arguments, node.outputs[0])


@rule("einsum")
def einsum(emit: Emit, node: Node) -> None:
    """Any contraction."""
    assert isinstance(node.op, Einsum)
    operands = tuple(operand(node, number) for number in range(len(node.inputs)))
    emit.call("odla_Einsum", (operands, Text(node.op.equation), dims(node.outputs[0])), node.outputs[0])


@rule("conv", "conv_transpose")
def convolution(emit: Emit, node: Node) -> None:
    """Channels first, kernels as output, input, spatial (transposed: input, output, spatial)."""
    op = node.op
    assert isinstance(op, Conv | ConvTranspose)
    if op.attributes().get("epilogue") is not None:
        raise NotInOdlaError("a fused convolution")
    x, w, made = operand(node, 0), operand(node, 1), node.outputs[0]
    if isinstance(op, Conv):
        window = op.window(shape_of(w))
        before, after = window.padding(shape_of(x)[2:])
        function, layout = "odla_Conv", OUTPUT_FIRST
    else:
        window, out, before = op.geometry(shape_of(x)[2:], shape_of(w)[2:])
        spread = [
            (size - 1) * step + window.reach(number)
            for number, (size, step) in enumerate(zip(shape_of(x)[2:], window.strides, strict=True))
        ]
        after = tuple(full - size - front for full, size, front in zip(spread, out, before, strict=True))
        if min(after, default=0) < 0:
            raise NotInOdlaError("a transposed convolution with output padding beyond its window")
        function, layout = "odla_DeConv", INPUT_FIRST
    arguments = (
        x, CHANNELS_FIRST, op.group, w, layout, Unsigned(window.strides), Unsigned(window.dilations),
        Unsigned(tuple(before)), Unsigned(tuple(after)), optional(node, 2), dims(made),
    )  # fmt: skip
    emit.call(function, arguments, made)


@rule("max_pool", "average_pool")
def pool(emit: Emit, node: Node) -> None:
    """Windows of the field; a rounding up is padding at the end."""
    op = node.op
    assert isinstance(op, MaxPool | AveragePool)
    x, made = operand(node, 0), node.outputs[0]
    window = op.window()
    if any(step != 1 for step in window.dilations):
        raise NotInOdlaError("pooling with gaps in its window")
    field = shape_of(x)[2:]
    before, after = window.padding(field)
    reached = [
        (count - 1) * step + size - total - front
        for count, step, size, total, front in zip(
            shape_of(made)[2:], window.strides, window.kernel, field, before, strict=True
        )
    ]
    counts = isinstance(op, AveragePool) and bool(op.count_include_pad)
    if counts and any(more > back for more, back in zip(reached, after, strict=True)):
        raise NotInOdlaError("an average that counts padding where it rounds up")
    back = tuple(max(more, pad, 0) for more, pad in zip(reached, after, strict=True))
    sizes: list[Argument] = [Unsigned(window.kernel), Unsigned(window.strides), Unsigned(tuple(before)), Unsigned(back)]
    if isinstance(op, AveragePool):
        emit.call("odla_AveragePool", (x, CHANNELS_FIRST, *sizes, counts, dims(made)), made)
    elif len(node.outputs) > 1:
        raise NotInOdlaError("positions of maxima")
    else:
        emit.call("odla_MaxPool", (x, CHANNELS_FIRST, *sizes, dims(made)), made)


@rule("batch_normalization")
def batch_normalization(emit: Emit, node: Node) -> None:
    """At inference."""
    op = node.op
    assert isinstance(op, BatchNormalization)
    if op.attributes().get("training_mode"):
        raise NotInOdlaError("batch normalisation in training mode")
    x, scale, offset, average, variance = (operand(node, number) for number in range(5))
    arguments = (x, CHANNELS_FIRST, average, variance, op.epsilon, scale, offset, 1.0, 0.0)
    emit.call("odla_BatchNormalization", arguments, node.outputs[0])


@rule("instance_normalization")
def instance_normalization(emit: Emit, node: Node) -> None:
    """Per image and channel."""
    assert isinstance(node.op, InstanceNormalization)
    x, scale, offset = (operand(node, number) for number in range(3))
    emit.call(
        "odla_InstanceNormalization", (x, CHANNELS_FIRST, node.op.epsilon, scale, offset, 1.0, 0.0), node.outputs[0]
    )


@rule("layer_normalization")
def layer_normalization(emit: Emit, node: Node) -> None:
    """Over the last axes."""
    attributes = node.op.attributes()
    x = operand(node, 0)
    rank = len(shape_of(x))
    axes = tuple(range(int(attributes["axis"]) % rank, rank))
    made = only_result(node, "statistics of a layer normalisation")
    arguments = (x, len(axes), Signed(axes), float(attributes["epsilon"]), optional(node, 1), optional(node, 2))
    emit.call("odla_LayerNorm", arguments, made)


@rule("lrn")
def local_response(emit: Emit, node: Node) -> None:
    """Across channels."""
    op = node.op
    assert isinstance(op, LRN)
    made = node.outputs[0]
    emit.call("odla_LRN", (operand(node, 0), CHANNELS_FIRST, op.size, op.alpha, op.beta, op.bias), made)


@rule("softmax", "log_softmax", "hardmax")
def along(emit: Emit, node: Node) -> None:
    """Along one axis."""
    x = operand(node, 0)
    axis = int(node.op.attributes()["axis"]) % len(shape_of(x))
    function = {"softmax": "odla_Softmax", "log_softmax": "odla_LogSoftmax", "hardmax": "odla_Hardmax"}[node.op.kind]
    emit.call(function, (x, axis), node.outputs[0])


_INTERPOLATIONS = {"nearest": "ODLA_NEAREST", "linear": "ODLA_LINEAR", "cubic": "ODLA_CUBIC"}
_COORDINATES = {
    ("asymmetric", "floor"): "ODLA_ASSYMMETRIC",
    ("half_pixel", "round_prefer_floor"): "ODLA_HALF_PIXEL",
    ("half_pixel", "round_prefer_ceil"): "ODLA_HALF_PIXEL_TF",
    ("align_corners", "round_prefer_floor"): "ODLA_ALIGN_CORNERS",
}
"""How positions are counted, and how the nearest one is rounded, by the enumerator that means both."""


@rule("resize")
def resize(emit: Emit, node: Node) -> None:
    """To a size; scales must lead to it exactly."""
    op = node.op
    assert isinstance(op, Resize)
    x, made = operand(node, 0), node.outputs[0]
    if op.antialias or op.exclude_outside or op.cubic_coeff_a != -0.75 or op.keep_aspect_ratio_policy != "stretch":
        raise NotInOdlaError("a resize with these attributes")
    rounding = op.nearest_mode if op.mode == "nearest" else None
    wanted = op.coordinate_transformation_mode
    found = [name for (mode, near), name in _COORDINATES.items() if mode == wanted and rounding in (None, near)]
    if not found:
        raise NotInOdlaError(f"coordinates of {wanted} with rounding {rounding}")
    scales = optional(node, 2)
    axes = op.axes or tuple(range(len(shape_of(x))))
    for axis, scale in zip(axes, [] if scales is None else emit.contents(scales, "scales").reshape(-1), strict=False):
        if float(scale) * shape_of(x)[axis] != shape_of(made)[axis]:
            raise NotInOdlaError("scales that lead to no whole size")
    emit.call("odla_Resize", (x, Name(_INTERPOLATIONS[op.mode]), Name(found[0]), 0, dims(made)), made)


@rule("swish")
def swish(emit: Emit, node: Node) -> None:
    """X sigmoid(x)."""
    if node.op.attributes()["alpha"] != 1.0:
        raise NotInOdlaError("a swish with a factor")
    emit.call("odla_Swish", (operand(node, 0),), node.outputs[0])
