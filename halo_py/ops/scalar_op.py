"""Base of the element-wise ops: from one entry of the scalar-function table follow all of an op's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import ClassVar, Literal

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, ShapeValue, TileArgs
from halo_py.ir.space import FormBuilder, Refusal, TileForm
from halo_py.ops.broadcast import broadcast_shapes
from halo_py.ops.kernels.map import broadcast_kernel
from halo_py.ops.sampling import Array, numbers
from halo_py.ops.scalar import ScalarProgram, ScalarStep, constant_step, run_program
from halo_py.ops.scalar_functions import VARIADIC
from halo_py.types import Dim, DType, TensorType, Type

Accepts = Literal["float", "numeric", "signed", "integer", "bool", "any"]

_ACCEPTED: dict[Accepts, Callable[[DType], bool]] = {
    "float": lambda dtype: dtype.is_float,
    "numeric": lambda dtype: dtype.is_float or dtype.is_integer,
    "signed": lambda dtype: dtype.is_signed and not dtype.is_complex,
    "integer": lambda dtype: dtype.is_integer,
    "bool": lambda dtype: dtype is DType.BOOL,
    "any": lambda _dtype: True,
}


class Elementwise(Op):
    """Applies the scalar function that has the op's registry name to broadcasting operands.

    `accepts` says which element types operand 0 may have; operands from `same_type_from` on share one type, which is
    the result's unless `result_dtype` says otherwise.
    """

    accepts: ClassVar[Accepts] = "float"
    result: ClassVar[DType | None] = None
    same_type_from: ClassVar[int] = 0
    arity: ClassVar[int] = 1
    sample_range: ClassVar[tuple[float, float]] = (-2.0, 2.0)

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        """Element type of the result for these operand types (omitted operands left out)."""
        return self.result or dtypes[self.same_type_from]

    def step(self, operands: Sequence[int | None], dtype: DType) -> ScalarStep:
        """The op as a step of a scalar program; None stands for an omitted operand, `dtype` is the result's type."""
        given = tuple(number for number in operands if number is not None)
        return ScalarStep(self.kind, given, dtype, tuple(self.attributes().items()))

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        given = [index for index in range(len(args)) if args.has(index)]
        dtypes = [args.dtype(index) for index in given]
        needed = 1 if self.kind in VARIADIC else self.arity
        if len(dtypes) < needed:
            raise args.error(f"{needed} operand{'s are' if needed > 1 else ' is'} needed, found {len(dtypes)}")
        if not _ACCEPTED[self.accepts](dtypes[0]):
            raise args.error(f"the element type must be {self.accepts}, found {dtypes[0].text}")
        shared = dtypes[self.same_type_from :]
        if any(dtype is not shared[0] for dtype in shared):
            found = ", ".join(dtype.text for dtype in shared)
            raise args.error(f"the operands must have one element type, found {found}", "insert a Cast")
        try:
            shape = broadcast_shapes([args.shape(index) for index in given])
        except ValueError as error:
            raise args.error(str(error)) from error
        return (TensorType(self.result_dtype(dtypes), shape),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        arrays = [args.array(index) for index in range(len(args)) if args.has(index)]
        dtype = self.result_dtype([DType.from_numpy(array.dtype) for array in arrays])
        slots = _slots([args.has(index) for index in range(len(args))])
        return (run_program(ScalarProgram(len(arrays), (self.step(slots, dtype),)), arrays),)

    def combine_dims(self, dims: Sequence[Dim]) -> Dim | None:
        """The result for integer operands known as dimensions, None if it is not a linear expression."""
        return None

    def shape_values(self, args: InferArgs) -> ShapeValue | None:
        return combined_dims(args, self.combine_dims)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        slots = _slots([type is not None for type in args.types])
        step = self.step(slots, args.output_types[0].dtype)
        return map_form(args, ScalarProgram(sum(slot is not None for slot in slots), (step,)))

    @classmethod
    def sample_types(cls) -> tuple[DType, ...]:
        """Element types the default samples use."""
        match cls.accepts:
            case "bool":
                return (DType.BOOL,)
            case "integer":
                return (DType.INT32, DType.UINT8, DType.INT64)
            case "numeric" | "any":
                return (DType.FLOAT32, DType.FLOAT16, DType.INT32, DType.FLOAT64, DType.UINT8)
            case "signed":
                return (DType.FLOAT32, DType.FLOAT16, DType.INT32, DType.INT8)
            case "float":
                return (DType.FLOAT32, DType.FLOAT16, DType.BFLOAT16, DType.FLOAT64)

    @classmethod
    def variants(cls) -> Iterable[Elementwise]:
        """Attribute settings that the samples use."""
        return (cls(),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        low, high = cls.sample_range
        for number, op in enumerate(cls.variants()):
            for dtype in cls.sample_types():
                for shapes in _SAMPLE_SHAPES[cls.arity]:
                    inputs = tuple(
                        numbers(number * 16 + index, dtype, *shape, low=low, high=high)
                        for index, shape in enumerate(shapes)
                    )
                    yield Sample(op, inputs)
                    if dtype is not cls.sample_types()[0]:
                        break
            if DType.INT32 in cls.sample_types():
                vectors = [numbers(90 + index, DType.INT64, 4, low=low, high=high) for index in range(cls.arity)]
                yield Sample(op, tuple(vectors))
                yield Sample(op, (vectors[0], *(vector[1:2] for vector in vectors[1:])))


_SAMPLE_SHAPES: dict[int, tuple[tuple[tuple[int, ...], ...], ...]] = {
    1: (((3, 7),), ((2, 1, 5, 3),), ((),), ((5,),)),
    2: (((3, 7), (3, 7)), ((2, 3, 5), (5,)), ((4, 1, 3), (5, 1)), ((), (2, 3)), ((6, 5), (1, 1))),
    3: (((2, 3, 5), (2, 1, 5), (5,)), ((3, 4), (), (3, 4))),
}


def combined_dims(args: InferArgs, combine: Callable[[Sequence[Dim]], Dim | None]) -> ShapeValue | None:
    """Apply `combine` element by element to integer operands that are known as dimensions (scalars broadcast)."""
    columns: list[ShapeValue] = []
    for index in range(len(args)):
        column = _known_integers(args, index)
        if column is None:
            return None
        columns.append(column)
    lengths = {len(column) for column in columns} - {1}
    if not columns or len(lengths) > 1:
        return None
    result: list[Dim] = []
    for position in range(lengths.pop() if lengths else 1):
        found = combine([column[position if len(column) > 1 else 0] for column in columns])
        if found is None:
            return None
        result.append(found)
    return tuple(result)


def _known_integers(args: InferArgs, index: int) -> ShapeValue | None:
    """Contents of an integer or Boolean operand as dimensions."""
    type = args.types[index]
    if not isinstance(type, TensorType) or not (type.dtype.is_integer or type.dtype is DType.BOOL):
        return None
    contents = args.constant(index)
    if type.dtype is DType.BOOL and contents is not None and contents.ndim <= 1:
        return tuple(int(number) for number in contents.reshape(-1))
    return args.dims(index)


def refuse_types(args: TileArgs) -> Refusal | None:
    """Why tiles cannot hold these operands or results: strings, complex numbers, no elements; None if they can.

    Operands after the first may be empty (no axes).
    """
    for type in (*args.types, *args.output_types):
        if type is not None and (type.dtype is DType.STRING or type.dtype.is_complex):
            return Refusal(f"{type.dtype.text} elements do not run on tiles")
    if any(type is not None and type.elements == 0 for type in (*args.types[:1], *args.output_types)):
        return Refusal("a tensor without elements needs no tiles")
    return None


def map_form(args: TileArgs, program: ScalarProgram) -> TileForm | Refusal:
    """One kernel that maps `program` over the given operands, which broadcast to the first result.

    Constant operands of one element become part of the vertex code.
    """
    refusal = refuse_types(args)
    if refusal is not None:
        return refusal
    form = FormBuilder()
    folded = _folded_scalars(args)
    reads: list[int] = []
    for index, type in enumerate(args.types):
        if type is None or index in folded:
            form.skip()
        else:
            reads.append(form.input(type))
    constants = tuple(constant_step(value, args.tensor(index).dtype) for index, value in folded.items())
    given = [index for index, type in enumerate(args.types) if type is not None]
    kept = [index for index in given if index not in folded]
    order = {index: number for number, index in enumerate([*kept, *folded])}
    steps = renumber(program, tuple(order[index] for index in given), len(given))
    output = args.output_types[0]
    result = form.value(output.dtype, output.static_shape)
    fused = ScalarProgram(len(kept), (*constants, *steps))
    form.call(broadcast_kernel(fused, [form.type(number) for number in reads], output), tuple(reads), (result,))
    return form.finish(result)


def renumber(program: ScalarProgram, inputs: Sequence[int], first: int) -> tuple[ScalarStep, ...]:
    """The program's steps when its inputs are numbered `inputs` and its first step is number `first`."""

    def number(operand: int) -> int:
        return inputs[operand] if operand < program.inputs else operand - program.inputs + first

    return tuple(replace(step, operands=tuple(map(number, step.operands))) for step in program.steps)


def _slots(given: Sequence[bool]) -> list[int | None]:
    """Number the operands that are given."""
    numbering = count()
    return [next(numbering) if has else None for has in given]


def _folded_scalars(args: TileArgs) -> dict[int, float]:
    """Operands that are constants of one element: they become part of the vertex code.

    The output's shape must not depend on them, and one operand stays.
    """
    folded: dict[int, float] = {}
    given = [index for index, type in enumerate(args.types) if type is not None]
    rank = len(args.output_types[0].static_shape)
    for index in given:
        contents = args.constant(index)
        if contents is not None and contents.size == 1 and len(args.tensor(index).static_shape) <= rank:
            folded[index] = scalar_contents(contents)
    if len(folded) == len(given):
        folded.pop(given[0])
    return folded


def scalar_contents(contents: Array) -> float:
    """The one element of a constant as a Python number."""
    if contents.dtype.kind in "iub":
        return int(contents.reshape(())[()])
    return float(np.asarray(contents.reshape(()), np.float64))
