"""Conversions between element types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs, op
from halo_py.ir.space import Access, Kernel, Refusal, TileForm, VertexArgs
from halo_py.ir.work import CopyWork, Count, Work
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel
from halo_py.ops.kernels.copy import parallel_axes, same, volume
from halo_py.ops.sampling import Array, booleans, floats, integers, numbers
from halo_py.ops.scalar import ScalarProgram, ScalarStep, run_program
from halo_py.ops.scalar_op import Elementwise, map_form
from halo_py.types import DType, TensorType, Type

RoundMode = Literal["up", "down", "nearest"]


def convert(array: Array, to: DType, saturate: int, round_mode: str) -> Array:
    """An array in another element type, strings included."""
    if to is DType.STRING:
        texts = [_text(item) for item in array.reshape(-1)]
        result = np.empty(len(texts), object)
        result[:] = texts
        return result.reshape(array.shape)
    if array.dtype == object:
        parsed = [_parse(str(item), to) for item in array.reshape(-1)]
        wide = np.asarray(parsed, np.float64 if to.is_float else np.int64)
        return wide.reshape(array.shape).astype(to.numpy)
    return run_program(_cast_program(to, saturate, round_mode), [array])


def _cast_program(to: DType, saturate: int, round_mode: str) -> ScalarProgram:
    parameters = (("to", to), ("saturate", saturate), ("round_mode", round_mode))
    return ScalarProgram(1, (ScalarStep("cast", (0,), to, parameters),))


def _text(item: object) -> str:
    if isinstance(item, bool | np.bool_):
        return "1" if item else "0"
    if isinstance(item, str):
        return item
    number = float(item)  # type: ignore[arg-type]
    if number != number:
        return "NaN"
    return {np.inf: "INF", -np.inf: "-INF"}.get(number, str(item))


def _parse(text: str, to: DType) -> float:
    if to.is_float:
        return float(text)
    if to is DType.BOOL:
        return int(float(text) != 0)
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _dims_survive(args: InferArgs, to: DType) -> ShapeValue | None:
    """Integer contents keep their value when cast to an integer type that holds any dimension."""
    return args.dims(0) if to.is_integer and to.bits >= 32 and not args.dtype(0).is_float else None


@op("cast", onnx="Cast", since=28, odla="odla_Cast")
class Cast(Elementwise):
    """Conversion to the element type `to`.

    Out-of-range numbers become infinite (floats), wrap (integers from integers) or saturate (float8, unless `saturate`
    is 0); `round_mode` matters for float8e8m0 only.
    """

    accepts = "any"

    to: DType
    saturate: int = 1
    round_mode: RoundMode = "up"

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        return self.to

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (convert(args.array(0), self.to, self.saturate, self.round_mode),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        return _dims_survive(args, self.to)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        wide = floats(0, 3, 7, low=-300, high=300)
        for to in (DType.FLOAT16, DType.INT32, DType.BFLOAT16, DType.FLOAT64, DType.FLOAT8E5M2, DType.INT8, DType.BOOL):
            yield Sample(cls(to), (floats(1, 2, 3, 5) if to is DType.INT8 else wide,))
        yield Sample(cls(DType.FLOAT8E4M3FN), (np.asarray([0.1, 500, -500, np.inf, -0.0, 3.3], np.float32),))
        yield Sample(cls(DType.FLOAT8E4M3FNUZ, saturate=0), (np.asarray([0.1, 500, -500, 3.3], np.float32),))
        yield Sample(cls(DType.FLOAT8E5M2FNUZ), (floats(2, 9, dtype=DType.FLOAT16),))
        yield Sample(cls(DType.FLOAT4E2M1), (floats(3, 9, low=-7, high=7),))
        yield Sample(cls(DType.FLOAT8E8M0), (floats(4, 9, low=0.01, high=99),))
        yield Sample(cls(DType.INT4), (integers(5, 9, low=-8, high=8),))
        yield Sample(cls(DType.FLOAT32), (numbers(6, DType.UINT4, 5, low=0, high=15),))
        yield Sample(cls(DType.INT8), (integers(7, 9, low=-300, high=300),))
        yield Sample(cls(DType.FLOAT32), (booleans(8, 4, 3),))
        yield Sample(cls(DType.FLOAT32), (integers(9, 4, 3, dtype=DType.INT64),))
        yield Sample(cls(DType.FLOAT32), (floats(10, 4, 3, dtype=DType.FLOAT16),))
        yield Sample(cls(DType.FLOAT32), (np.asarray(["1.5", "-2", "1e3"], object),))
        yield Sample(cls(DType.STRING), (integers(11, 3),))


@op("cast_like", onnx="CastLike", since=25)
class CastLike(Op):
    """Conversion of operand 0 to the element type of operand 1."""

    saturate: int = 1
    round_mode: RoundMode = "up"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (TensorType(args.dtype(1), args.shape(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        to = DType.from_numpy(args.array(1).dtype)
        return (convert(args.array(0), to, self.saturate, self.round_mode),)

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        return _dims_survive(args, args.dtype(1))

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        program = _cast_program(args.tensor(1).dtype, self.saturate, self.round_mode)
        form = map_form(replace(args, types=args.types[:1], constants=args.constants[:1]), program)
        return form if isinstance(form, Refusal) else replace(form, inputs=(*form.inputs, None))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(0, 3, 7), floats(1, 2, dtype=DType.FLOAT16)))
        yield Sample(cls(), (floats(2, 5, low=-90, high=90), integers(3, 1)))
        yield Sample(cls(saturate=0), (floats(4, 2, 3), floats(5, 1, dtype=DType.FLOAT8E5M2)))


@dataclass(frozen=True, slots=True)
class BitCastCodelet:
    """A copy of each element's bits."""

    @property
    def name(self) -> str:
        return "bit_cast"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        return CopyWork(volume(extents), extents[-1], kernel.write_types[0].text)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[NDArray[Any], ...]:
        bits = np.ascontiguousarray(args.reads[0]).view(kernel.write_types[0].numpy)
        return (bits.reshape(args.write_shape[0]),)


@op("bit_cast", onnx="BitCast", since=26)
class BitCast(Op):
    """The same bits read as another element type of the same width."""

    to: DType

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        if args.dtype(0).bits != self.to.bits:
            raise args.error(f"{args.dtype(0).text} and {self.to.text} differ in width")
        return (TensorType(self.to, args.shape(0)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.ascontiguousarray(args.array(0)).view(self.to.numpy).reshape(args.array(0).shape),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        source, target = args.tensor(0), args.output_types[0]
        access = Access(source.static_shape, same(len(source.static_shape)))
        axes = parallel_axes(source.static_shape)
        kernel = Kernel(axes, (access,), (access,), (source.dtype,), (target.dtype,), BitCastCodelet())
        return one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(DType.INT32), (floats(0, 3, 5),))
        yield Sample(cls(DType.UINT16), (floats(1, 4, dtype=DType.FLOAT16),))
        yield Sample(cls(DType.FLOAT64), (integers(2, 2, 2, dtype=DType.INT64),))
