"""Dropout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.phases import Phases
from halo_py.ops.random import generator
from halo_py.ops.sampling import floats
from halo_py.ops.scalar import ScalarProgram, constant_step, widen
from halo_py.ops.scalar_op import refuse_types
from halo_py.types import DType, TensorType, Type

DEFAULT_RATIO = 0.5


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
        mask = generator(self.seed).uniform(0, 1, array.shape) >= ratio
        x = widen(array)
        with np.errstate(all="ignore"):
            kept = np.where(mask, x / np.asarray(1 - ratio, x.dtype), 0)
        return (kept.astype(array.dtype), mask)[: args.outputs]

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        refusal = refuse_types(args)
        if refusal is not None:
            return refusal
        training = args.constant(self.TRAINING)
        if args.has(self.TRAINING) and (training is None or bool(training.reshape(()))):
            return Refusal("dropout in training mode draws random numbers, which the host does")
        phases = Phases()
        x = phases.inputs(args, skip=(1, 2))[0]
        shape = phases.shape(x)
        outputs = [phases.form.view(x, shape)]
        if len(args.output_types) > 1:
            ones = ScalarProgram(0, (constant_step(1, DType.BOOL),))
            outputs.append(phases.map(ones, (), shape))
        return phases.finish(args, *outputs)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        ratio, training = np.asarray(0.25, np.float32), np.asarray(True)
        yield Sample(cls(), (floats(0, 3, 7),))
        yield Sample(cls(), (floats(1, 2, 5), ratio), outputs=2, constant=(1,))
        yield Sample(cls(), (floats(2, 4, dtype=DType.FLOAT16), None, np.asarray(False)), outputs=2, constant=(2,))
        yield Sample(cls(seed=5), (floats(4, 3, 9), ratio, training), outputs=2)
        yield Sample(cls(seed=3), (floats(3, 2, 5), np.asarray(0, np.float32), training), outputs=2)
