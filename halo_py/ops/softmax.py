"""Softmax and its relatives along one axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.broadcast import normalize_axis
from halo_py.ops.kernels.reduce import HardmaxCodelet, along_kernel, extreme_index
from halo_py.ops.phases import Phases
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ProgramBuilder, arithmetic_dtype, rounded, widen
from halo_py.ops.scalar_op import refuse_types
from halo_py.types import DType, Type

Numbers = NDArray[Any]


@dataclass(frozen=True)
class AlongAxis(Op):
    """An op on floats whose result has the operand's type and depends on whole lines along `axis`."""

    axis: int = -1

    sample_axes: ClassVar[tuple[int, int]] = (1, -3)

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = args.tensor(0)
        if not type.dtype.is_float:
            raise args.error(f"the element type must be float, found {type.dtype.text}")
        if type.shape is not None:
            normalize_axis(self.axis, len(type.shape))
        return (type,)

    def meaning(self, array: Numbers, axis: int) -> Numbers:
        """The result for an array in the type arithmetic is done in."""
        raise NotImplementedError

    def phases(self, phases: Phases, source: int, axis: int, dtype: DType) -> int:
        """The op as kernels."""
        raise NotImplementedError

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        with np.errstate(all="ignore"):
            return (self.meaning(widen(array), self.axis % array.ndim).astype(array.dtype, copy=False),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refusal = refuse_types(args)
        if refusal is not None:
            return refusal
        phases = Phases()
        (source,) = phases.inputs(args)
        type = args.tensor(0)
        axis = self.axis % len(type.static_shape)
        return phases.finish(args, self.phases(phases, source, axis, type.dtype))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        first, second = cls.sample_axes
        yield Sample(cls(), (floats(0, 3, 7, low=-5, high=5),))
        yield Sample(cls(axis=first), (floats(1, 2, 5, 3),))
        yield Sample(cls(axis=second), (floats(2, 2, 3, 4, 5),))
        yield Sample(cls(), (floats(3, 4, 33, dtype=DType.FLOAT16),))
        yield Sample(cls(), (floats(4, 2, 6, dtype=DType.BFLOAT16),))
        yield Sample(cls(), (floats(5, 9, dtype=DType.FLOAT64),))


def softmax(array: Numbers, axis: int, dtype: DType) -> Numbers:
    """Softmax of an array in the type arithmetic is done in, with intermediate results stored in `dtype`."""
    with np.errstate(all="ignore"):
        terms = rounded(np.exp(array - np.max(array, axis=axis, keepdims=True, initial=-np.inf)), dtype)
        total: Numbers = np.sum(terms, axis=axis, keepdims=True)
        return np.asarray(terms / rounded(total, total_type(dtype, array.shape[axis])))


def total_type(dtype: DType, extent: int) -> DType:
    """The type of the sum of `extent` exponentials of at most 1: theirs, if that holds a sum of so many."""
    with np.errstate(over="ignore"):
        holds = bool(np.isfinite(rounded(np.asarray(float(extent)), dtype)))
    return dtype if holds else arithmetic_dtype(dtype)


@op("softmax", onnx="Softmax", since=13, odla="odla_Softmax")
class Softmax(AlongAxis):
    """exp(x) divided by its sum along the axis; the maximum is taken out first.

    As ONNX's function body says, exponentials and their sum are of the operand's type.
    """

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        return (softmax(widen(array), self.axis % array.ndim, DType.from_numpy(array.dtype)).astype(array.dtype),)

    def phases(self, phases: Phases, source: int, axis: int, dtype: DType) -> int:
        largest = phases.reduce("max", source, (axis,), dtype)
        build = ProgramBuilder(2, dtype)
        build.call("exp", build.call("sub", *build.inputs))
        terms = phases.map(build.finish(dtype), [source, largest], phases.shape(source))
        total = phases.reduce("add", terms, (axis,), total_type(dtype, phases.shape(source)[axis]))
        inverse = phases.apply("reciprocal", [total], arithmetic_dtype(dtype))
        return phases.apply("mul", [terms, inverse], dtype)


@op("log_softmax", onnx="LogSoftmax", since=13, odla="odla_LogSoftmax")
class LogSoftmax(AlongAxis):
    """x minus the logarithm of the sum of exponentials along the axis."""

    def meaning(self, array: Numbers, axis: int) -> Numbers:
        shifted = array - np.max(array, axis=axis, keepdims=True, initial=-np.inf)
        return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))

    def phases(self, phases: Phases, source: int, axis: int, dtype: DType) -> int:
        largest = phases.reduce("max", source, (axis,), dtype)
        build = ProgramBuilder(2, dtype)
        build.call("exp", build.call("sub", *build.inputs))
        terms = phases.map(build.finish(dtype), [source, largest], phases.shape(source))
        total = phases.reduce("add", terms, (axis,))
        build = ProgramBuilder(2, dtype)
        build.call("add", build.call("log", 0), 1)
        shift = phases.map(build.finish(phases.form.type(total).dtype), [total, largest], phases.shape(total))
        return phases.apply("sub", [source, shift], dtype)


@op("hardmax", onnx="Hardmax", since=13, odla="odla_Hardmax")
class Hardmax(AlongAxis):
    """1 at the first maximum along the axis, 0 elsewhere."""

    def meaning(self, array: Numbers, axis: int) -> Numbers:
        result = np.zeros_like(array)
        np.put_along_axis(result, extreme_index(array, axis, "argmax", 0), np.ones((), array.dtype), axis)
        return result

    def phases(self, phases: Phases, source: int, axis: int, dtype: DType) -> int:
        type = phases.form.type(source)
        result = phases.form.value(dtype, type.static_shape)
        phases.form.call(along_kernel(HardmaxCodelet(), type, axis, dtype), (source,), (result,))
        return result


@op("lp_normalization", onnx="LpNormalization", since=22, odla="odla_LpNormalize")
class LpNormalization(AlongAxis):
    """x divided by its 1- or 2-norm along the axis; 0 where the norm is 0."""

    p: int = 2

    def meaning(self, array: Numbers, axis: int) -> Numbers:
        if self.p == 1:
            norm = np.sum(np.abs(array), axis=axis, keepdims=True)
        else:
            norm = np.sqrt(np.sum(np.square(array), axis=axis, keepdims=True))
        return np.asarray(np.where(norm == 0, 0, array / norm))

    def phases(self, phases: Phases, source: int, axis: int, dtype: DType) -> int:
        if self.p == 1:
            norm = phases.reduce("add", phases.apply("abs", [source], dtype), (axis,))
        else:
            total = phases.reduce("square_add", source, (axis,))
            norm = phases.apply("sqrt", [total], phases.form.type(total).dtype)
        build = ProgramBuilder(2, dtype)
        x, n = build.inputs
        build.call("where", build.call("equal", n, 0.0), 0.0, build.call("div", x, n))
        return phases.map(build.finish(dtype), [source, norm], phases.shape(source))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        yield from super().samples()
        yield Sample(cls(p=1, axis=0), (floats(6, 5, 4),))
        yield Sample(cls(), (np.zeros((2, 3), np.float32),))
