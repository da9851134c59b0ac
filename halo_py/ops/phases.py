"""Writes tile forms of several phases: maps and reductions over local values that broadcast."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from halo_py.ir.op import InferArgs, TileArgs
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.kernels.map import broadcast_kernel
from halo_py.ops.kernels.reduce import ReduceFunction, kept_shape, reduce_kernel
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, arithmetic_dtype
from halo_py.ops.scalar_op import refuse_types
from halo_py.types import DType, TensorType


class Phases:
    """A form builder whose steps are maps and reductions; reduced values keep their rank."""

    def __init__(self) -> None:
        self.form = FormBuilder()

    def inputs(self, args: TileArgs, skip: Sequence[int] = ()) -> list[int]:
        """All operands as local values; -1 for those that are omitted or only matter as constants."""
        found: list[int] = []
        for index, type in enumerate(args.types):
            if type is None or index in skip:
                self.form.skip()
                found.append(-1)
            else:
                found.append(self.form.input(type))
        return found

    def shape(self, local: int) -> tuple[int, ...]:
        """Shape of a local value."""
        return self.form.type(local).static_shape

    def map(self, program: ScalarProgram, reads: Sequence[int], shape: tuple[int, ...]) -> int:
        """`program` over local values that broadcast to `shape`."""
        types = [self.form.type(number) for number in reads]
        result = self.form.value(program.dtype, shape)
        kernel = broadcast_kernel(program, types, TensorType(program.dtype, shape))
        self.form.call(kernel, tuple(reads), (result,))
        return result

    def apply(self, function: str, reads: Sequence[int], dtype: DType, *constants: float) -> int:
        """One scalar function over local values (the first one has the result's shape), then constants."""
        build = ProgramBuilder(len(reads), dtype)
        build.call(function, *build.inputs, *constants)
        return self.map(build.finish(dtype), reads, self.shape(reads[0]))

    def reduce(
        self,
        function: ReduceFunction,
        source: int,
        axes: Sequence[int],
        dtype: DType | None = None,
        scale: float = 1.0,
    ) -> int:
        """Reduce `axes`, by default to the type arithmetic is done in; sums are multiplied by `scale`."""
        type = self.form.type(source)
        write = dtype or arithmetic_dtype(type.dtype)
        result = self.form.value(write, kept_shape(type.static_shape, axes))
        self.form.call(reduce_kernel(function, type, axes, write, scale), (source,), (result,))
        return result

    def mean(
        self, source: int, axes: Sequence[int], dtype: DType | None = None, function: ReduceFunction = "add"
    ) -> int:
        """The mean of floats over `axes`, or with 'square_add' their mean square."""
        count = prod(self.shape(source)[axis] for axis in axes)
        return self.reduce(function, source, axes, dtype, 1.0 / count)

    def view(self, source: int, shape: tuple[int, ...]) -> int:
        """A reshaped view, or the value itself if it has that shape."""
        return source if self.shape(source) == shape else self.form.view(source, shape)

    def finish(self, args: TileArgs, *outputs: int) -> TileForm:
        """The form; results are viewed in the shapes the op promises."""
        shaped = [
            self.view(number, type.static_shape) for number, type in zip(outputs, args.output_types, strict=False)
        ]
        return self.form.finish(*shaped)


def check_float(args: InferArgs, minimum_rank: int = 0) -> TensorType:
    """The type of operand 0, which must be of floats. Raises ShapeError if it is not or has too few dimensions."""
    type = args.tensor(0)
    if not type.dtype.is_float:
        raise args.error(f"the element type must be float, found {type.dtype.text}")
    if type.shape is not None and len(type.shape) < minimum_rank:
        raise args.error(f"the operand needs at least {minimum_rank} dimensions, found {len(type.shape)}")
    return type


def start_phases(args: TileArgs) -> tuple[Phases, list[int]] | Refusal:
    """A form with all operands declared, or why tiles cannot hold them."""
    refusal = refuse_types(args)
    if refusal is not None:
        return refusal
    phases = Phases()
    return phases, phases.inputs(args)
