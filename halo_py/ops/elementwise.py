"""Element-wise arithmetic: functions of one operand, and of several with NumPy's broadcasting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from halo_py.ir.op import InferArgs, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.sampling import floats, integers
from halo_py.ops.scalar import ScalarStep, single
from halo_py.ops.scalar_op import Elementwise, map_form, scalar_contents
from halo_py.types import Dim, DType, Type, add_dims, divide_dim, multiply_dims, scale_dim


@op("abs", onnx="Abs", since=13, odla="odla_Abs")
class Abs(Elementwise):
    """Absolute value."""

    accepts = "numeric"

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        (dim,) = dims
        return abs(dim) if isinstance(dim, int) else None


@op("neg", onnx="Neg", since=13, odla="odla_Neg")
class Neg(Elementwise):
    """Change of sign."""

    accepts = "signed"

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        return scale_dim(dims[0], -1)


@op("sqrt", onnx="Sqrt", since=13, odla="odla_Sqrt")
class Sqrt(Elementwise):
    """Square root; NaN for negative numbers."""

    sample_range = (0.0, 9.0)


@op("exp", onnx="Exp", since=13, odla="odla_Exp")
class Exp(Elementwise):
    """Natural exponential."""


@op("log", onnx="Log", since=13, odla="odla_Log")
class Log(Elementwise):
    """Natural logarithm."""

    sample_range = (0.01, 9.0)


@op("sin", onnx="Sin", since=22, odla="odla_Sin")
class Sin(Elementwise):
    """Sine."""


@op("cos", onnx="Cos", since=22, odla="odla_Cos")
class Cos(Elementwise):
    """Cosine."""


@op("tan", onnx="Tan", since=22, odla="odla_Tan")
class Tan(Elementwise):
    """Tangent."""

    sample_range = (-1.4, 1.4)


@op("asin", onnx="Asin", since=22, odla="odla_ASin")
class Asin(Elementwise):
    """Inverse sine."""

    sample_range = (-1.0, 1.0)


@op("acos", onnx="Acos", since=22, odla="odla_ACos")
class Acos(Elementwise):
    """Inverse cosine."""

    sample_range = (-1.0, 1.0)


@op("atan", onnx="Atan", since=22, odla="odla_ATan")
class Atan(Elementwise):
    """Inverse tangent."""


@op("sinh", onnx="Sinh", since=22, odla="odla_Sinh")
class Sinh(Elementwise):
    """Hyperbolic sine."""


@op("cosh", onnx="Cosh", since=22, odla="odla_Cosh")
class Cosh(Elementwise):
    """Hyperbolic cosine."""


@op("tanh", onnx="Tanh", since=13, odla="odla_Tanh")
class Tanh(Elementwise):
    """Hyperbolic tangent."""


@op("asinh", onnx="Asinh", since=22, odla="odla_ASinh")
class Asinh(Elementwise):
    """Inverse hyperbolic sine."""


@op("acosh", onnx="Acosh", since=22, odla="odla_ACosh")
class Acosh(Elementwise):
    """Inverse hyperbolic cosine."""

    sample_range = (1.0, 9.0)


@op("atanh", onnx="Atanh", since=22, odla="odla_ATanh")
class Atanh(Elementwise):
    """Inverse hyperbolic tangent."""

    sample_range = (-0.95, 0.95)


@op("erf", onnx="Erf", since=13, odla="odla_Erf")
class Erf(Elementwise):
    """Error function."""

    accepts = "numeric"
    sample_range = (-5.0, 5.0)

    @classmethod
    def sample_types(cls) -> tuple[DType, ...]:
        return (DType.FLOAT32, DType.FLOAT16, DType.FLOAT64)


@op("ceil", onnx="Ceil", since=13, odla="odla_Ceil")
class Ceil(Elementwise):
    """Round up."""


@op("floor", onnx="Floor", since=13, odla="odla_Floor")
class Floor(Elementwise):
    """Round down."""


@op("round", onnx="Round", since=22, odla="odla_Round")
class Round(Elementwise):
    """Round to the nearest integer, halves to even."""

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(), (np.asarray([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, np.inf], np.float32),))


@op("sign", onnx="Sign", since=13, odla="odla_Sign")
class Sign(Elementwise):
    """-1, 0 or 1."""

    accepts = "numeric"


@op("reciprocal", onnx="Reciprocal", since=13, odla="odla_Reciprocal")
class Reciprocal(Elementwise):
    """One over the operand."""

    sample_range = (0.25, 4.0)


class Binary(Elementwise):
    """Two operands of one element type."""

    accepts = "numeric"
    arity = 2


@op("add", onnx="Add", since=14, odla="odla_Add")
class Add(Binary):
    """Sum of two."""

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        return add_dims(dims[0], dims[1])


@op("sub", onnx="Sub", since=14, odla="odla_Sub")
class Sub(Binary):
    """Difference; unsigned integers wrap."""

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        return add_dims(dims[0], scale_dim(dims[1], -1))


@op("mul", onnx="Mul", since=14, odla="odla_Mul")
class Mul(Binary):
    """Product of two."""

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        return multiply_dims(dims)


@op("div", onnx="Div", since=14, odla="odla_Div")
class Div(Binary):
    """Quotient; integers are truncated toward zero."""

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        a, b = dims
        if isinstance(a, int) and isinstance(b, int):
            return None if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return divide_dim(a, b)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 7), floats(1, 3, 7, low=0.5, high=3.0)))
        yield Sample(cls(), (floats(2, 2, 3, 5, dtype=DType.FLOAT16), floats(3, 5, low=0.5, dtype=DType.FLOAT16)))
        yield Sample(cls(), (integers(4, 4, 5), integers(5, 4, 1, low=1, high=5)))
        yield Sample(cls(), (integers(6, 9, low=-30, high=30), np.asarray(-4, np.int32)))
        yield Sample(cls(), (integers(7, 9, low=0, high=90, dtype=DType.UINT8), np.asarray(7, np.uint8)))


_POWERS: dict[float, str] = {2: "square", 0.5: "sqrt", -1: "reciprocal", -0.5: "rsqrt", 1: "identity"}


@op("pow", onnx="Pow", since=15, odla="odla_Pow")
class Pow(Binary):
    """Power in the type of the base; the exponent may have another type."""

    same_type_from = 2

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        return dtypes[0]

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        """Common constant exponents have cheaper functions than the general power."""
        contents = args.constant(1)
        exponent = scalar_contents(contents) if contents is not None and contents.size == 1 else None
        dtype = args.output_types[0].dtype
        function = _POWERS.get(exponent) if exponent is not None and dtype.is_float else None
        if function is None or len(args.tensor(1).static_shape) > len(args.tensor(0).static_shape):
            return super().tile_form(args)
        form = map_form(replace(args, types=args.types[:1], constants=args.constants[:1]), single(function, 1, dtype))
        return form if isinstance(form, Refusal) else replace(form, inputs=(*form.inputs, None))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for number, exponent in enumerate((2, 0.5, -1, -0.5, 1, 3)):
            base = floats(7 + number, 3, 4, low=0.3)
            yield Sample(cls(), (base, np.asarray(exponent, np.float32)), constant=(1,))
        yield Sample(cls(), (floats(0, 3, 7, low=0.1), floats(1, 3, 7)))
        yield Sample(cls(), (floats(2, 2, 5, dtype=DType.FLOAT16), np.asarray(2, np.float16)), constant=(1,))
        yield Sample(cls(), (floats(3, 2, 3, 5), np.asarray([3], np.int64)))
        yield Sample(cls(), (integers(4, 6, dtype=DType.INT32), np.asarray(3, np.int32)))
        yield Sample(cls(), (integers(5, 3, 4, low=1, dtype=DType.INT64), floats(6, 4, low=0.0, high=2.5)))


@op("mod", onnx="Mod", since=28, odla="odla_Mod")
class Mod(Binary):
    """Remainder with the sign of the divisor (fmod 0) or of the dividend (fmod 1)."""

    fmod: int = 0

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        a, b = dims
        if not isinstance(a, int) or not isinstance(b, int) or b == 0:
            return None
        return int(np.fmod(a, b)) if self.fmod else a % b

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (integers(0, 3, 7), np.asarray(-4, np.int32)))
        yield Sample(cls(fmod=1), (integers(1, 3, 7), np.asarray([3, -4, 5, 7, 2, -1, 6], np.int32)))
        yield Sample(cls(fmod=1), (floats(2, 2, 3, 5, low=-9, high=9), np.asarray(2.5, np.float32)))
        yield Sample(cls(fmod=1), (floats(3, 6, dtype=DType.FLOAT16), np.asarray([0.75], np.float16)))


class Variadic(Elementwise):
    """Any number of operands (at least one) of one element type."""

    arity = 2

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(), (floats(31, 3, 5),))
        yield Sample(cls(), (floats(32, 3, 5), floats(33, 5), floats(34, 2, 1, 1)))
        half = DType.FLOAT16
        yield Sample(cls(), tuple(floats(35 + n, 4, 3, dtype=half) for n in range(4)))


@op("max", onnx="Max", since=13, odla="odla_Max")
class Max(Variadic):
    """Largest of the operands; NaN wins."""

    accepts = "numeric"

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        known = [dim for dim in dims if isinstance(dim, int)]
        return max(known) if len(known) == len(dims) else dims[0] if len(set(dims)) == 1 else None


@op("min", onnx="Min", since=13, odla="odla_Min")
class Min(Variadic):
    """Smallest of the operands; NaN wins."""

    accepts = "numeric"

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        known = [dim for dim in dims if isinstance(dim, int)]
        return min(known) if len(known) == len(dims) else dims[0] if len(set(dims)) == 1 else None


@op("sum", onnx="Sum", since=13)
class Sum(Variadic):
    """Sum of the operands."""


@op("mean", onnx="Mean", since=13, odla="odla_Mean")
class Mean(Variadic):
    """Mean of the operands."""


@op("clip", onnx="Clip", since=13, odla="odla_Clamp")
class Clip(Elementwise):
    """Limit to [min, max]; either bound may be omitted. The upper bound wins where they cross."""

    accepts = "numeric"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        super().infer(args)
        return (args.tensor(0),)

    def step(self, operands: Sequence[int | None], dtype: DType) -> ScalarStep:
        padded = (*operands, None, None)
        given = tuple(number for number in padded if number is not None)
        has = (("has_min", int(padded[1] is not None)), ("has_max", int(padded[2] is not None)))
        return ScalarStep(self.kind, given, dtype, has)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        low, high = np.asarray(-0.5, np.float32), np.asarray(0.75, np.float32)
        yield Sample(cls(), (floats(0, 3, 7), low, high), constant=(1, 2))
        yield Sample(cls(), (floats(1, 3, 7), None, high))
        yield Sample(cls(), (floats(2, 2, 3, 5), low))
        yield Sample(cls(), (floats(3, 5),))
        yield Sample(cls(), (floats(4, 5), high, low))
        yield Sample(cls(), (integers(5, 4, 4), np.asarray(-3, np.int32), np.asarray(4, np.int32)))
        half = floats(6, 6, dtype=DType.FLOAT16)
        yield Sample(cls(), (half, np.asarray(0, np.float16), np.asarray(6, np.float16)), constant=(1, 2))
