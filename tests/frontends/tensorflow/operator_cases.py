"""Every mapped TensorFlow operator with random operands, in the forms that its attributes give it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Fixed:
    """An operand that is a constant of the graph."""

    contents: Array


@dataclass(frozen=True, slots=True)
class Case:
    """An operator with its operands (arrays: inputs; `Fixed`: constants; lists: several of a kind) and attributes.

    `defined` says how many of the results the operator defines, if not all.
    """

    op: str
    arguments: dict[str, Any]
    inputs: dict[str, Array] = field(default_factory=dict[str, Array])
    defined: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.arguments.items():
            if isinstance(value, np.ndarray):
                self.inputs[name] = value
            elif isinstance(value, list):
                for number, part in enumerate(cast("list[Any]", value)):
                    if isinstance(part, np.ndarray):
                        self.inputs[f"{name}_{number}"] = cast("Array", part)


def filled(value: Any, name: str, given: Mapping[str, Any]) -> Any:
    """An argument with what is given in place of its inputs."""
    if isinstance(value, np.ndarray):
        return given[name]
    if isinstance(value, Fixed):
        return value.contents
    if isinstance(value, list):
        parts = cast("list[Any]", value)
        return [filled(part, f"{name}_{number}", given) for number, part in enumerate(parts)]
    return value


_rng = np.random.default_rng(2026)


def f(*shape: int, low: float = -2.0, high: float = 2.0) -> Array:
    """Floats."""
    return _rng.uniform(low, high, shape).astype(np.float32)


def i(*shape: int, low: int = -5, high: int = 6, dtype: Any = np.int32) -> Array:
    """Integers."""
    return _rng.integers(low, high, shape).astype(dtype)


def b(*shape: int) -> Array:
    """Booleans."""
    return _rng.random(shape) < 0.5


def k(*numbers: Any, dtype: Any = np.int32) -> Fixed:
    """A constant vector of integers."""
    return Fixed(np.asarray(numbers, dtype))


def s(number: Any, dtype: Any = np.int32) -> Fixed:
    """A constant scalar."""
    return Fixed(np.asarray(number, dtype))


def nonzero(array: Array) -> Array:
    """The same without zeros."""
    return np.where(array == 0, np.asarray(1, array.dtype), array)


def all_cases() -> Iterator[Case]:
    """Every case, always with the same numbers."""
    global _rng
    _rng = np.random.default_rng(2026)
    for family in (
        _unary, _binary, _other_elementwise, _reductions, _windows, _normalization, _products,
        _arranging, _more_arranging, _slicing,
    ):  # fmt: skip
        yield from family()


def _unary() -> Iterator[Case]:
    anywhere = (
        "Abs Atan Asinh Ceil Cos Cosh Elu Erf Erfc Exp Expm1 Floor IsFinite IsInf IsNan Neg Relu Relu6 Rint Round "
    )
    anywhere += "Selu Sigmoid Sign Sin Sinh Softplus Softsign Square Tan Tanh Identity StopGradient PreventGradient "
    anywhere += "Snapshot OnesLike ZerosLike"
    names = {"Elu": "features", "Relu": "features", "Relu6": "features", "Selu": "features"}
    names |= {"Softplus": "features", "Softsign": "features", "Identity": "input", "StopGradient": "input"}
    names |= {"PreventGradient": "input", "Snapshot": "input"}
    for op in anywhere.split():
        yield Case(op, {names.get(op, "x"): f(2, 3, 5, low=-4, high=4)})
    for op in ("Acos", "Asin", "Atanh"):
        yield Case(op, {"x": f(3, 5, low=-0.95, high=0.95)})
    for op in ("Log", "Log1p", "Sqrt", "Rsqrt", "Inv", "Reciprocal"):
        yield Case(op, {"x": f(3, 5, low=0.05, high=6)})
    yield Case("Acosh", {"x": f(3, 5, low=1, high=6)})
    yield Case("Log1p", {"x": f(40, low=-1e-4, high=1e-4)})
    yield Case("Expm1", {"x": f(40, low=-1e-4, high=1e-4)})
    yield Case("LogicalNot", {"x": b(3, 5)})
    yield Case("Invert", {"x": i(3, 5)})
    for op in ("IsInf", "IsNan", "IsFinite"):
        yield Case(op, {"x": np.asarray([1, np.inf, -np.inf, np.nan, 0], np.float32)})
    for op in ("Abs", "Neg", "Sign", "Square"):
        yield Case(op, {"x": i(3, 5)})
    yield Case("Round", {"x": np.asarray([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)})
    yield Case("CheckNumerics", {"tensor": f(3, 4), "message": "no"})
    yield Case("EnsureShape", {"input": f(3, 4), "shape": (3, None)})
    yield Case("IdentityN", {"input": [f(3), i(2, 2)]})
    yield Case("LeakyRelu", {"features": f(3, 5)})
    yield Case("LeakyRelu", {"features": f(3, 5), "alpha": 0.3})


def _binary() -> Iterator[Case]:
    for op in ("Add", "AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference"):
        yield Case(op, {"x": f(2, 3, 4), "y": f(3, 1)})
        yield Case(op, {"x": i(4), "y": i(2, 4)})
    for op in ("Div", "RealDiv", "FloorDiv", "FloorMod", "DivNoNan", "Xdivy", "Atan2", "TruncateMod", "Mod"):
        yield Case(op, {"x": f(2, 3, 4, low=-8, high=8), "y": nonzero(f(3, 1, low=-3, high=3))})
    for op in ("Div", "FloorDiv", "FloorMod", "TruncateDiv", "TruncateMod", "Mod"):
        yield Case(op, {"x": i(30, low=-20, high=20), "y": nonzero(i(30))})
    yield Case("FloorDiv", {"x": i(30, low=0, high=200, dtype=np.uint8), "y": i(30, low=1, high=9, dtype=np.uint8)})
    zeros = np.where(b(3, 4), f(3, 4), np.float32(0))
    yield Case("DivNoNan", {"x": f(3, 4), "y": zeros})
    yield Case("MulNoNan", {"x": f(3, 4), "y": zeros})
    yield Case("Xdivy", {"x": zeros, "y": zeros})
    yield Case("Xlogy", {"x": np.where(zeros == 0, zeros, 1), "y": np.abs(zeros)})
    yield Case("Xlog1py", {"x": f(3, 4), "y": f(3, 4, low=0)})
    yield Case("Pow", {"x": f(3, 4, low=0.1), "y": f(4)})
    yield Case("Pow", {"x": i(3, 4, low=1, high=4), "y": i(4, low=0, high=4)})
    for op in ("Equal", "NotEqual", "Greater", "GreaterEqual", "Less", "LessEqual"):
        yield Case(op, {"x": i(3, 4, low=0, high=3), "y": i(4, low=0, high=3)})
        yield Case(op, {"x": f(3, 4), "y": f(3, 1)})
    yield Case("ApproximateEqual", {"x": f(30), "y": f(30), "tolerance": 0.5})
    for op in ("LogicalAnd", "LogicalOr"):
        yield Case(op, {"x": b(3, 4), "y": b(4)})
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        yield Case(op, {"x": i(3, 4), "y": i(3, 4)})
    yield Case("LeftShift", {"x": i(20), "y": i(20, low=0, high=5)})
    yield Case("RightShift", {"x": i(20, low=-99, high=99), "y": i(20, low=0, high=5)})
    yield Case("RightShift", {"x": i(20, low=0, high=200, dtype=np.uint8), "y": i(20, low=0, high=5, dtype=np.uint8)})


def _other_elementwise() -> Iterator[Case]:
    yield Case("ClipByValue", {"t": f(3, 4), "clip_value_min": s(-1, np.float32), "clip_value_max": s(1, np.float32)})
    yield Case("AddN", {"inputs": [f(3, 4), f(3, 4), f(3, 4)]})
    yield Case("AccumulateNV2", {"inputs": [f(3, 4), f(3, 4)], "shape": (3, 4)})
    yield Case("BiasAdd", {"value": f(2, 3, 4, 5), "bias": f(5)})
    yield Case("BiasAdd", {"value": f(2, 5, 3, 4), "bias": f(5), "data_format": "NCHW"})
    yield Case("BiasAddV1", {"value": f(2, 5), "bias": f(5)})
    yield Case("Select", {"condition": b(3, 4), "x": f(3, 4), "y": f(3, 4)})
    yield Case("Select", {"condition": b(3), "x": f(3, 4), "y": f(3, 4)})
    yield Case("SelectV2", {"condition": b(4), "t": f(3, 4), "e": f(3, 1)})
    for source, to in (
        ("f", "int32"),
        ("i", "float32"),
        ("b", "float32"),
        ("f", "bool"),
        ("f", "float16"),
        ("i", "int64"),
    ):
        x = {"f": f(3, 4), "i": i(3, 4), "b": b(3, 4)}[source]
        yield Case("Cast", {"x": x, "DstT": to})
    yield Case("Bitcast", {"input": f(3, 4), "type": "int32"})
    yield Case("Bucketize", {"input": f(3, 4), "boundaries": [-1.0, 0.0, 0.5]})
    yield Case("Bucketize", {"input": i(3, 4), "boundaries": [-1.0, 0.0, 2.0]})


def _reductions() -> Iterator[Case]:
    for op in ("Sum", "Mean", "Max", "Min", "Prod", "EuclideanNorm"):
        yield Case(op, {"input": f(2, 3, 4), "axis": k(1)})
        yield Case(op, {"input": f(2, 3, 4), "axis": k(-1, 0), "keep_dims": True})
        yield Case(op, {"input": f(2, 3, 4), "axis": Fixed(np.zeros(0, np.int32))})
        yield Case(op, {"input": f(2, 3, 4), "axis": s(2)})
    yield Case("Sum", {"input": i(3, 4), "axis": k(0)})
    for op in ("All", "Any"):
        yield Case(op, {"input": b(3, 4), "axis": k(1)})
        yield Case(op, {"input": b(3, 4), "axis": k(0, 1), "keep_dims": True})
    for op in ("ArgMax", "ArgMin"):
        yield Case(op, {"input": f(3, 4, 5), "dimension": s(1)})
        yield Case(op, {"input": i(3, 4, 5, low=0, high=3), "dimension": s(-1), "output_type": "int32"})
    for op in ("Cumsum", "Cumprod"):
        yield Case(op, {"x": f(3, 4), "axis": s(1)})
        yield Case(op, {"x": f(3, 4), "axis": s(-2), "exclusive": True, "reverse": True})
    for op in ("Softmax", "LogSoftmax"):
        yield Case(op, {"logits": f(3, 7)})
        yield Case(op, {"logits": f(2, 3, 7)})
    yield Case("L2Loss", {"t": f(3, 4)})
    yield Case("TopKV2", {"input": f(3, 9), "k": s(4)})
    yield Case("InTopK", {"predictions": f(4, 9), "targets": i(4, low=0, high=9), "k": 4})
    yield Case("InTopKV2", {"predictions": f(4, 9), "targets": i(4, low=0, high=9), "k": s(4)})
    yield Case("SegmentSum", {"data": f(5, 3), "segment_ids": k(0, 0, 1, 3, 3)})
    yield Case("UnsortedSegmentSum", {"data": f(5, 3), "segment_ids": k(2, -1, 0, 2, 1), "num_segments": s(4)})
    yield from _segments()
    yield Case("Where", {"condition": b(4, 5)})


def _segments() -> Iterator[Case]:
    for kind in ("Sum", "Prod", "Max", "Min"):
        places = k(0, 0, 1, 2, 2)
        yield Case(f"Segment{kind}", {"data": f(5, 3), "segment_ids": places})
        given = {"segment_ids": i(5, low=-1, high=4), "num_segments": s(5)}
        yield Case(f"UnsortedSegment{kind}", {"data": f(5, 3), **given})
    for kind in ("Max", "Min"):
        yield Case(f"UnsortedSegment{kind}", {"data": i(5, 3), "segment_ids": k(2, 1, 0, 2, 1), "num_segments": s(4)})
    places = i(2, 3, low=0, high=4)
    yield Case("UnsortedSegmentSum", {"data": f(2, 3, 4), "segment_ids": places, "num_segments": s(4)})


def _windows() -> Iterator[Case]:
    x, w = f(2, 9, 8, 4), f(3, 2, 4, 6)
    for padding in ("SAME", "VALID"):
        for strides in ((1, 1, 1, 1), (1, 2, 3, 1)):
            yield Case("Conv2D", {"input": x, "filter": Fixed(w), "strides": strides, "padding": padding})
        yield Case(
            "Conv2D",
            {"input": x, "filter": Fixed(w), "strides": (1,) * 4, "padding": padding, "dilations": (1, 2, 3, 1)},
        )
        yield Case(
            "DepthwiseConv2dNative",
            {"input": x, "filter": Fixed(f(3, 3, 4, 2)), "strides": (1, 2, 2, 1), "padding": padding},
        )
        yield Case("MaxPool", {"input": x, "ksize": (1, 3, 2, 1), "strides": (1, 2, 2, 1), "padding": padding})
        yield Case("AvgPool", {"value": x, "ksize": (1, 3, 2, 1), "strides": (1, 2, 2, 1), "padding": padding})
        yield Case("MaxPoolV2", {"input": x, "ksize": k(1, 2, 2, 1), "strides": k(1, 1, 2, 1), "padding": padding})
        yield Case(
            "Conv3D",
            {"input": f(1, 5, 6, 4, 3), "filter": f(2, 3, 2, 3, 4), "strides": (1, 1, 2, 1, 1), "padding": padding},
        )
        volume = f(1, 5, 6, 4, 3)
        yield Case(
            "MaxPool3D", {"input": volume, "ksize": (1, 2, 3, 2, 1), "strides": (1, 2, 2, 1, 1), "padding": padding}
        )
        yield Case(
            "AvgPool3D", {"input": volume, "ksize": (1, 2, 3, 2, 1), "strides": (1, 2, 2, 1, 1), "padding": padding}
        )
        yield Case(
            "Dilation2D",
            {"input": x, "filter": f(2, 3, 4), "strides": (1, 2, 1, 1), "rates": (1, 1, 2, 1), "padding": padding},
        )
    explicit = [0, 0, 1, 2, 0, 3, 0, 0]
    yield Case(
        "Conv2D",
        {"input": x, "filter": w, "strides": (1, 1, 1, 1), "padding": "EXPLICIT", "explicit_paddings": explicit},
    )
    yield Case("Conv2D", {"input": x, "filter": f(3, 2, 2, 6), "strides": (1, 1, 1, 1), "padding": "SAME"})
    yield from _transposed()


def _transposed() -> Iterator[Case]:
    small, wide = f(2, 4, 5, 3), f(3, 3, 6, 3)
    for sizes, strides, padding in (
        ((2, 8, 10, 6), (1, 2, 2, 1), "SAME"),
        ((2, 7, 9, 6), (1, 2, 2, 1), "SAME"),
        ((2, 9, 11, 6), (1, 2, 2, 1), "VALID"),
        ((2, 10, 12, 6), (1, 2, 2, 1), "VALID"),
        ((2, 4, 5, 6), (1, 1, 1, 1), "SAME"),
    ):
        yield Case(
            "Conv2DBackpropInput",
            {"input_sizes": k(*sizes), "filter": wide, "out_backprop": small, "strides": strides, "padding": padding},
        )
    yield Case(
        "Conv3DBackpropInputV2",
        {
            "input_sizes": k(1, 6, 4, 8, 5), "filter": f(3, 2, 3, 5, 2), "out_backprop": f(1, 3, 2, 4, 2),
            "strides": (1, 2, 2, 2, 1), "padding": "SAME",
        },
    )  # fmt: skip


def _normalization() -> Iterator[Case]:
    scale, offset, mean, variance = f(5), f(5), f(5), f(5, low=0.2, high=2)
    statistics = {"scale": scale, "offset": offset, "mean": mean, "variance": variance}
    for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"):
        yield Case(op, {"x": f(2, 3, 4, 5), **statistics, "is_training": False, "epsilon": 0.01}, defined=1)
    fresh = {"scale": scale, "offset": offset, "mean": k(dtype=np.float32), "variance": k(dtype=np.float32)}
    yield Case("FusedBatchNormV3", {"x": f(2, 3, 4, 5), **fresh, "is_training": True}, defined=3)
    yield Case("LRN", {"input": f(2, 3, 4, 9), "depth_radius": 2, "bias": 1.5, "alpha": 0.3, "beta": 0.7})


def _products() -> Iterator[Case]:
    yield Case("MatMul", {"a": f(3, 4), "b": f(4, 5)})
    yield Case("MatMul", {"a": f(4, 3), "b": f(5, 4), "transpose_a": True, "transpose_b": True})
    yield Case("BatchMatMul", {"x": f(2, 3, 4), "y": f(2, 4, 5)})
    yield Case("BatchMatMulV2", {"x": f(2, 1, 3, 4), "y": f(6, 5, 4), "adj_y": True})
    yield Case("BatchMatMulV3", {"x": f(2, 4, 3), "y": f(2, 4, 5), "adj_x": True, "Tout": "float32"})
    yield Case("Einsum", {"inputs": [f(2, 3, 4, 5), f(2, 6, 4, 5)], "equation": "aecd,abcd->acbe"})
    yield Case("Einsum", {"inputs": [f(2, 3, 4), f(4, 5, 6)], "equation": "abc,cde->abde"})


def _arranging() -> Iterator[Case]:
    x = f(2, 3, 4)
    yield Case("Reshape", {"tensor": x, "shape": k(4, -1)})
    yield Case("ExpandDims", {"input": x, "axis": s(-2)})
    yield Case("Squeeze", {"input": f(2, 1, 3, 1), "axis": [1]})
    yield Case("Squeeze", {"input": f(2, 1, 3, 1)})
    yield Case("Transpose", {"x": x, "perm": k(2, 0, 1)})
    yield Case("Pack", {"values": [x, x + 1, x + 2], "axis": -2})
    yield Case("Unpack", {"value": x, "num": 3, "axis": 1})
    yield Case("ConcatV2", {"values": [x, x + 1], "axis": s(-1)})
    yield Case("Concat", {"concat_dim": s(1), "values": [x, x + 1]})
    yield Case("Pad", {"input": x, "paddings": k((0, 0), (1, 2), (0, 3))})
    yield Case("PadV2", {"input": x, "paddings": k((1, 0), (1, 2), (0, 3)), "constant_values": s(1.5, np.float32)})
    for mode in ("REFLECT", "SYMMETRIC"):
        yield Case("MirrorPad", {"input": x, "paddings": k((0, 0), (1, 2), (2, 0)), "mode": mode})
    yield Case("Split", {"axis": s(2), "value": x, "num_split": 2})
    yield Case("SplitV", {"value": x, "size_splits": k(1, -1), "axis": s(1), "num_split": 2})
    yield Case("Tile", {"input": x, "multiples": k(2, 1, 3)})
    yield Case("BroadcastTo", {"input": f(3, 1), "shape": k(2, 3, 4)})
    yield Case("BroadcastArgs", {"s0": k(3, 1), "s1": k(2, 1, 4)})
    yield Case("Fill", {"dims": k(2, 3), "value": f()})
    yield Case("Fill", {"dims": k(2, 3), "value": s(7)})
    yield Case("Range", {"start": s(2), "limit": s(11), "delta": s(3)})
    yield Case("Range", {"start": s(2, np.float32), "limit": s(0, np.float32), "delta": s(-0.25, np.float32)})
    yield Case("LinSpace", {"start": f(), "stop": f(), "num": s(7)})
    yield Case("ReverseV2", {"tensor": x, "axis": k(0, -1)})
    yield Case("ReverseSequence", {"input": f(3, 5, 2), "seq_lengths": k(2, 5, 1), "seq_dim": 1, "batch_dim": 0})
    yield Case("ReverseSequence", {"input": f(2, 3, 5), "seq_lengths": k(2, 5, 1), "seq_dim": 2, "batch_dim": 1})
    yield Case("Roll", {"input": x, "shift": k(1, -2), "axis": k(1, 2)})
    on, off = s(2, np.float32), s(-1, np.float32)
    yield Case("OneHot", {"indices": i(4, low=-1, high=6), "depth": s(5), "on_value": on, "off_value": off})
    yield Case(
        "OneHot", {"indices": i(4, 2, low=0, high=5), "depth": s(5), "on_value": on, "off_value": off, "axis": 1}
    )
    yield Case("Shape", {"input": x})
    yield Case("ShapeN", {"input": [x, f(5)], "out_type": "int64"})
    yield Case("Size", {"input": x})
    yield Case("Rank", {"input": x})


def _more_arranging() -> Iterator[Case]:
    yield Case("SpaceToDepth", {"input": f(2, 4, 6, 3), "block_size": 2})
    yield Case("DepthToSpace", {"input": f(2, 2, 3, 12), "block_size": 2})
    yield Case("SpaceToBatchND", {"input": f(2, 4, 5, 3), "block_shape": k(2, 3), "paddings": k((0, 2), (1, 0))})
    yield Case("SpaceToBatchND", {"input": f(2, 4, 3), "block_shape": k(2), "paddings": k((1, 1))})
    yield Case("BatchToSpaceND", {"input": f(12, 2, 3, 3), "block_shape": k(2, 3), "crops": k((1, 0), (0, 2))})
    yield Case("SpaceToBatch", {"input": f(1, 4, 4, 2), "paddings": k((0, 0), (1, 1)), "block_size": 2})
    yield Case("BatchToSpace", {"input": f(4, 2, 2, 2), "crops": k((0, 1), (1, 0)), "block_size": 2})
    for lower, upper in ((1, 0), (-1, 1), (0, -1), (2, 1)):
        yield Case("MatrixBandPart", {"input": f(2, 4, 5), "num_lower": s(lower), "num_upper": s(upper)})
    zero = s(0, np.float32)
    yield Case("MatrixDiag", {"diagonal": f(2, 4)})
    for op in ("MatrixDiagV2", "MatrixDiagV3"):
        sizes = {"num_rows": s(-1), "num_cols": s(-1)}
        yield Case(op, {"diagonal": f(2, 4), "k": s(0), **sizes, "padding_value": s(2, np.float32)})
    for rows, columns in ((4, 4), (3, 5), (5, 3)):
        matrix, diagonal = f(2, rows, columns), f(2, min(rows, columns))
        yield Case("MatrixSetDiag", {"input": matrix, "diagonal": diagonal})
        yield Case("MatrixSetDiagV2", {"input": matrix, "diagonal": diagonal, "k": s(0)})
        yield Case("MatrixSetDiagV3", {"input": matrix, "diagonal": diagonal, "k": s(0)})
        yield Case("MatrixDiagPart", {"input": matrix})
        yield Case("MatrixDiagPartV2", {"input": matrix, "k": s(0), "padding_value": zero})
        yield Case("MatrixDiagPartV3", {"input": matrix, "k": s(0), "padding_value": zero})
    yield Case("InvertPermutation", {"x": k(2, 0, 3, 1)})
    yield Case("Unique", {"x": i(20, low=0, high=6)})
    yield Case("ListDiff", {"x": i(20, low=0, high=9), "y": i(4, low=0, high=9)})


def _slicing() -> Iterator[Case]:
    x = f(4, 5, 6)
    masks = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    for begin, end, strides, *given in (
        ((1, 0, 2), (3, 5, 6), (1, 2, 3), 0, 0, 0, 0, 0),
        ((1, 4, 5), (3, 0, -6), (1, -2, -1), 0, 0b010, 0, 0, 0),
        ((0, 0), (0, 2), (1, 1), 0, 0, 0b01, 0, 0b10),
        ((0, 0, 1), (0, 0, 3), (1, 1, 1), 0, 0, 0b10, 0b01, 0),
        ((-1, 0), (0, 3), (1, 1), 0b10, 0, 0, 0, 0b01),
        ((0, 1, 0, 2), (9, 0, 9, 3), (1, 1, 2, 1), 0b0101, 0b0101, 0, 0b0010, 0b1000),
    ):
        flags = dict(zip(masks, given, strict=True))
        yield Case("StridedSlice", {"input": x, "begin": k(*begin), "end": k(*end), "strides": k(*strides), **flags})
    yield Case(
        "StridedSlice",
        {
            "input": x, "begin": np.asarray([2], np.int32), "end": np.asarray([3], np.int32), "strides": k(1),
            "shrink_axis_mask": 1,
        },
    )  # fmt: skip
    yield Case("Slice", {"input": x, "begin": k(1, 0, 2), "size": k(2, -1, 3)})
    yield Case("GatherV2", {"params": x, "indices": i(2, 3, low=0, high=5), "axis": s(1)})
    yield Case("GatherV2", {"params": x, "indices": i(4, 2, low=0, high=5), "axis": s(1), "batch_dims": 1})
    yield Case("GatherV2", {"params": x, "indices": i(4, 2, low=0, high=6), "axis": s(2), "batch_dims": 1})
    yield Case("Gather", {"params": x, "indices": i(3, low=0, high=4)})
    yield Case("GatherNd", {"params": x, "indices": i(3, 2, low=0, high=4)})
    yield Case("ScatterNd", {"indices": k((1,), (3,), (1,)), "updates": f(3, 2), "shape": k(5, 2)})
    places = k((0, 1), (2, 3), (3, 0))
    for op in ("TensorScatterUpdate", "TensorScatterAdd", "TensorScatterSub", "TensorScatterMax", "TensorScatterMin"):
        yield Case(op, {"tensor": x, "indices": places, "updates": f(3, 6)})
