"""Sequences and optionals: lists of tensors that the host keeps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.control import merge_types
from halo_py.ops.dims import integers, normalize_axis, unknown_dim
from halo_py.ops.forms import one_kernel
from halo_py.ops.kernels.generate import fill_kernel
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.sampling import axes as ints
from halo_py.ops.sampling import floats
from halo_py.types import Dim, DType, OptionalType, SequenceType, TensorType, Type, tensor

Numbers = NDArray[Any]
SEQUENCES = "sequences live on the host"
OPTIONALS = "optional values live on the host"


def _sequence(args: InferArgs, index: int = 0) -> SequenceType:
    found = args.types[index] if index < len(args) else None
    if isinstance(found, OptionalType):
        found = found.element
    if not isinstance(found, SequenceType):
        raise args.error(f"operand {index} must be a sequence, found {found}")
    return found


def _items(args: EvaluateArgs, index: int = 0) -> list[RuntimeValue]:
    value = args.inputs[index]
    if not isinstance(value, list):
        raise TypeError(f"operand {index} is not a sequence")
    return value


def _position(args: EvaluateArgs, index: int, default: int) -> int:
    found = args.optional(index)
    return default if found is None else int(found.reshape(-1)[0])


def _pair() -> list[RuntimeValue]:
    return [floats(1, 2, 3), floats(2, 4, 3)]


@op("sequence_construct", onnx="SequenceConstruct", since=11, host_only=SEQUENCES)
class SequenceConstruct(Op):
    """A sequence of the operands."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        element: Type = args.tensor(0)
        for number in range(1, len(args)):
            element = merge_types(args, element, args.tensor(number), "element")
        return (SequenceType(element),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (list(args.inputs),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3),))
        yield Sample(cls(), (floats(1, 2, 3), floats(2, 2, 3)))
        yield Sample(cls(), (floats(1, 2, 3), floats(2, 4, 3), floats(3, 1)))


@op("sequence_empty", onnx="SequenceEmpty", since=11, host_only=SEQUENCES)
class SequenceEmpty(Op):
    """A sequence without elements."""

    dtype: DType | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (SequenceType(TensorType(self.dtype or DType.FLOAT32, None)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return ([],)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in (None, DType.INT64, DType.STRING):
            yield Sample(cls(dtype), ())


@op("sequence_at", onnx="SequenceAt", since=11, host_only=SEQUENCES)
class SequenceAt(Op):
    """One element; negative positions count from the end."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (_sequence(args).element,)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (_items(args)[_position(args, 1, 0)],)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        same = [floats(1, 2, 3), floats(2, 2, 3), floats(3, 2, 3)]
        for position in (0, -1, 1):
            yield Sample(cls(), (list[RuntimeValue](same), np.asarray(position, np.int64)))


@op("sequence_insert", onnx="SequenceInsert", since=11, host_only=SEQUENCES)
class SequenceInsert(Op):
    """The sequence with a tensor inserted before a position (at the end without one)."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (SequenceType(merge_types(args, _sequence(args).element, args.tensor(1), "element")),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        items = list(_items(args))
        items.insert(_position(args, 2, len(items)), args.inputs[1])
        return (items,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        types = (SequenceType(TensorType(DType.FLOAT32, None)), tensor(DType.FLOAT32, 5), tensor(DType.INT64))
        for position in (1, -1):
            yield Sample(cls(), (_pair(), floats(3, 5), np.asarray(position, np.int64)), input_types=types)
        yield Sample(cls(), ([], floats(3, 5)), input_types=types[:2])


@op("sequence_erase", onnx="SequenceErase", since=11, host_only=SEQUENCES)
class SequenceErase(Op):
    """The sequence without one element (the last one by default)."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (_sequence(args),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        items = list(_items(args))
        del items[_position(args, 1, -1)]
        return (items,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        sequence = SequenceType(TensorType(DType.FLOAT32, None))
        yield Sample(cls(), (_pair(),), input_types=(sequence,))
        for position in (0, -2):
            types = (sequence, tensor(DType.INT64))
            yield Sample(cls(), (_pair(), np.asarray(position, np.int64)), input_types=types)


@op("sequence_length", onnx="SequenceLength", since=11, host_only=SEQUENCES)
class SequenceLength(Op):
    """How many elements there are."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        _sequence(args)
        return (tensor(DType.INT64),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.asarray(len(_items(args)), np.int64),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        sequence = (SequenceType(TensorType(DType.FLOAT32, None)),)
        for items in (_pair(), _pair()[:1], list[RuntimeValue]()):
            yield Sample(cls(), (items,), input_types=sequence)


@op("split_to_sequence", onnx="SplitToSequence", since=24, host_only=SEQUENCES)
class SplitToSequence(Op):
    """Pieces along `axis`: of the sizes in operand 1, of that one size, or single entries (then `keepdims` counts)."""

    axis: int = 0
    keepdims: int = 1

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is None:
            return (SequenceType(TensorType(args.dtype(0), None)),)
        axis = normalize_axis(self.axis, len(shape))
        if not args.has(1) and not self.keepdims:
            return (SequenceType(TensorType(args.dtype(0), (*shape[:axis], *shape[axis + 1 :]))),)
        sizes = integers(args, 1) if args.has(1) else (1,)
        least = 1 if args.has(1) and args.shape(1) == () else 0
        if sizes is not None and any(number < least for number in sizes):
            raise args.error(f"pieces of {sizes} elements")
        size: Dim = unknown_dim(args, "piece")
        if sizes is not None and len(set(sizes)) == 1:
            extent = shape[axis]
            if not args.has(1) or args.shape(1) != () or (isinstance(extent, int) and extent % sizes[0] == 0):
                size = sizes[0]
        return (SequenceType(TensorType(args.dtype(0), (*shape[:axis], size, *shape[axis + 1 :]))),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        data, split = args.array(0), args.optional(1)
        axis = normalize_axis(self.axis, data.ndim)
        extent = data.shape[axis]
        if split is None:
            entries = [np.take(data, [number], axis=axis) for number in range(extent)]
            return ([entry if self.keepdims else entry.squeeze(axis) for entry in entries],)
        size = int(split.reshape(-1)[0]) if split.ndim == 0 else 0
        ends = list(range(size, extent, size)) if split.ndim == 0 else np.cumsum(split)[:-1].tolist()
        return (list(np.split(data, ends, axis=axis)),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        data = floats(1, 3, 6)
        yield Sample(cls(), (data,))
        yield Sample(cls(axis=1, keepdims=0), (data,))
        yield Sample(cls(axis=-1), (data, ints(1, 2, 3)))
        yield Sample(cls(axis=1), (data, np.asarray(4, np.int64)), constant=(1,))


@op("concat_from_sequence", onnx="ConcatFromSequence", since=11, host_only=SEQUENCES)
class ConcatFromSequence(Op):
    """All elements joined along `axis`, which is new if `new_axis`."""

    axis: int
    new_axis: int = 0

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        element = _sequence(args).element
        if not isinstance(element, TensorType):
            raise args.error(f"elements must be tensors, found {element}")
        if element.shape is None:
            return (element,)
        axis = normalize_axis(self.axis, len(element.shape) + bool(self.new_axis))
        kept = element.shape[axis:] if self.new_axis else element.shape[axis + 1 :]
        return (TensorType(element.dtype, (*element.shape[:axis], unknown_dim(args, "axis"), *kept)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        items = [np.asarray(item) for item in _items(args)]
        if self.new_axis:
            return (np.stack(items, axis=self.axis),)
        return (np.concatenate(items, axis=self.axis),)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        same = [floats(1, 2, 3), floats(2, 2, 3), floats(3, 2, 3)]
        yield Sample(cls(0), (list[RuntimeValue](same),))
        yield Sample(cls(-1, new_axis=1), (list[RuntimeValue](same),))
        sequence = (SequenceType(TensorType(DType.FLOAT32, None)),)
        yield Sample(cls(0), (_pair(),), input_types=sequence)


@op("optional", onnx="Optional", since=28, host_only=OPTIONALS)
class Optional(Op):
    """The operand as an optional value, or an absent one of `type`."""

    type: Type | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        found = args.types[0] if args.has(0) else self.type
        if found is None:
            raise args.error("an absent optional needs a type")
        return (OptionalType(found),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (args.inputs[0] if args.has(0) else None,)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 2, 3),), input_types=(tensor(DType.FLOAT32, 2, 3),))
        yield Sample(cls(), (_pair(),), input_types=(SequenceType(TensorType(DType.FLOAT32, None)),))
        yield Sample(cls(tensor(DType.INT64, 3)), (), input_types=())


@op("optional_has_element", onnx="OptionalHasElement", since=28)
class OptionalHasElement(Op):
    """Whether the operand is there."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (tensor(DType.BOOL),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        return (np.asarray(args.has(0)),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        """Of a tensor (an optional never reaches the tiles) the answer is known."""
        answer = TensorLiteral.of(np.asarray(args.has(0)))
        return one_kernel(args, fill_kernel((), answer), skipped=range(len(args.types)))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(2, 4),))
        absent = OptionalType(tensor(DType.FLOAT32, 3))
        yield Sample(cls(), (floats(1, 3),), input_types=(absent,))
        yield Sample(cls(), (None,), input_types=(absent,))
        yield Sample(cls(), (), input_types=())


@op("optional_get_element", onnx="OptionalGetElement", since=28, host_only=OPTIONALS)
class OptionalGetElement(Op):
    """The value of an optional that is there (anything else is itself)."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        found = args.types[0]
        if found is None:
            raise args.error("operand 0 is missing")
        return (found.element if isinstance(found, OptionalType) else found,)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        if not args.has(0):
            raise ValueError("the optional value is absent")
        return (args.inputs[0],)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield Sample(cls(), (floats(1, 3),), input_types=(OptionalType(tensor(DType.FLOAT32, 3)),))
        yield Sample(cls(), (floats(1, 3),), input_types=(tensor(DType.FLOAT32, 3),))
        sequence = SequenceType(TensorType(DType.FLOAT32, None))
        yield Sample(cls(), (_pair(),), input_types=(OptionalType(sequence),))
