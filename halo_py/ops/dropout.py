"""Dropout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.kernels.draw import draw_kernel
from halo_py.ops.phases import Phases
from halo_py.ops.random import generator
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ProgramBuilder, ScalarProgram, constant_step, widen
from halo_py.ops.scalar_op import refuse_types
from halo_py.types import DType, TensorType, Type

Array = NDArray[Any]

DEFAULT_RATIO = 0.5


@dataclass(frozen=True, slots=True)
class KeptMask:
    """The elements that dropout keeps: each with a probability of 1 - `ratio`."""

    seed: int | None
    ratio: float

    @property
    def work_name(self) -> str:
        return "dropout"

    def draw(self, shape: tuple[int, ...], dtype: DType) -> Array:
        """The mask of a tensor of this shape."""
        return (generator(self.seed).uniform(0, 1, shape) >= self.ratio).astype(dtype.numpy)


@op("dropout", onnx="Dropout", since=22)
class Dropout(Op):
    """The operand itself; in training mode (operand 2) elements are zeroed with probability `ratio` (operand 1).

    Result 1 is the mask of elements that are kept, drawn by the generator of the random ops. Without a seed the seed
    is 0, so that runs repeat.
    """

    TRAINING: ClassVar[int] = 2
    """The operand that turns training mode on."""

    seed: int | None = None

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = args.tensor(0)
        if not type.dtype.is_float:
            raise args.error(f"the element type must be float, found {type.dtype.text}")
        return (type, TensorType(DType.BOOL, type.shape))

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        array = args.array(0)
        ratio = float(widen(args.array(1)).reshape(())) if args.has(1) else DEFAULT_RATIO
        training = bool(args.array(self.TRAINING).reshape(())) if args.has(self.TRAINING) else False
        if not training or ratio == 0:
            return (array, np.ones(array.shape, np.bool_))[: args.outputs]
        mask = KeptMask(self.seed, ratio).draw(array.shape, DType.BOOL)
        x = widen(array)
        with np.errstate(all="ignore"):
            kept = np.where(mask, x / np.asarray(1 - ratio, x.dtype), 0)
        return (kept.astype(array.dtype), mask)[: args.outputs]

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refusal = refuse_types(args)
        if refusal is not None:
            return refusal
        training = args.constant(self.TRAINING)
        if args.has(self.TRAINING) and training is None:
            return Refusal("whether it trains is known at run time")
        ratio = args.constant(1) if args.has(1) else np.asarray(DEFAULT_RATIO)
        if training is not None and bool(training.reshape(())) and (ratio is None or float(ratio.reshape(()))):
            return self._training_form(args, ratio)
        phases = Phases()
        x = phases.inputs(args, skip=(1, 2))[0]
        shape = phases.shape(x)
        outputs = [phases.form.view(x, shape)]
        if len(args.output_types) > 1:
            ones = ScalarProgram(0, (constant_step(1, DType.BOOL),))
            outputs.append(phases.map(ones, (), shape))
        return phases.finish(args, *outputs)

    def _training_form(self, args: TileArgs, ratio: Array | None) -> TileForm | Refusal:
        """A mask is drawn, then what it keeps is scaled."""
        if ratio is None:
            return Refusal("the ratio is known at run time")
        share = float(widen(ratio).reshape(()))
        phases = Phases()
        x = phases.inputs(args, skip=(1, 2))[0]
        shape, dtype = phases.shape(x), args.tensor(0).dtype
        mask = phases.form.value(DType.BOOL, shape)
        phases.form.call(draw_kernel(KeptMask(self.seed, share), shape, DType.BOOL), (), (mask,))
        build = ProgramBuilder(2, dtype)
        kept = build.call("div", build.inputs[1], build.constant(1 - share))
        build.call("where", build.inputs[0], kept, build.constant(0.0))
        made = phases.map(build.finish(dtype), (mask, x), shape)
        return phases.finish(args, *(made, mask)[: len(args.output_types)])

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        ratio, training = np.asarray(0.25, np.float32), np.asarray(True)
        yield Sample(cls(), (floats(0, 3, 7),))
        yield Sample(cls(), (floats(1, 2, 5), ratio), outputs=2, constant=(1,))
        yield Sample(cls(), (floats(2, 4, dtype=DType.FLOAT16), None, np.asarray(False)), outputs=2, constant=(2,))
        yield Sample(cls(seed=5), (floats(4, 3, 9), ratio, training), outputs=2)
        yield Sample(cls(seed=6), (floats(5, 4, 6), ratio, training), outputs=2, constant=(1, 2))
        yield Sample(cls(seed=7), (floats(6, 2, 5, dtype=DType.FLOAT16), ratio, training), constant=(1, 2))
        yield Sample(cls(seed=3), (floats(3, 2, 5), np.asarray(0, np.float32), training), outputs=2)
