"""An op with a loop on the tiles: h = tanh(x[t] + h R) for every step t, all states as the result."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, TileArgs, op
from halo_py.ir.space import Access, Affine, Axis, Codelet, FormBuilder, Kernel, TileForm, VertexArgs
from halo_py.ir.work import ContractionWork, Count, MapWork, Work
from halo_py.types import DType, TensorType, Type

Array = NDArray[Any]


class _Product:
    """h R: rows m, columns n, summed over k."""

    name = "test-product"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        m, n, k = extents
        return ContractionWork(1, 1, m, k, n)

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        return (np.matmul(args.reads[0].astype(np.float32), args.reads[1].astype(np.float32)),)


class _Step:
    """tanh(x[t] + z), written to the state and to the results at t."""

    name = "test-step"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        _t, m, n = extents
        return MapWork(m * n, ("add", "tanh"))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        state = np.tanh(args.reads[0][0] + args.reads[1])
        return (state, state[None])


PRODUCT: Codelet = _Product()
STEP: Codelet = _Step()


@op("test_recurrence")
class Recurrence(Op):
    """Operands: x [time, rows, width], start [rows, width], R [width, width]."""

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        return (args.tensor(0),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        x, state, r = (np.asarray(args.array(index), np.float32) for index in range(3))
        states: list[NDArray[np.float32]] = []
        for row in x:
            state = np.asarray(np.tanh(row + state @ r), np.float32)
            states.append(state)
        return (np.stack(states),)

    def tile_form(self, args: TileArgs) -> TileForm:
        time, rows, width = args.tensor(0).static_shape
        builder = FormBuilder()
        x, state, r = (builder.input(args.tensor(index)) for index in range(3))
        product = builder.value(DType.FLOAT32, (rows, width))
        following = builder.value(DType.FLOAT32, (rows, width))
        states = builder.value(DType.FLOAT32, (time, rows, width))
        body = builder.body()
        body.call(_product(rows, width), (state, r), (product,))
        body.call(_step(time, rows, width), (x, product), (following, states))
        builder.repeat(time, body, ((following, state),))
        return builder.finish(states)


def _product(rows: int, width: int) -> Kernel:
    axes = (Axis("m", rows), Axis("n", width), Axis("k", width, "reduce"))
    return Kernel(
        axes,
        (_access((rows, width), 0, 2), _access((width, width), 2, 1)),
        (_access((rows, width), 0, 1),),
        (DType.FLOAT32, DType.FLOAT32),
        (DType.FLOAT32,),
        PRODUCT,
        combine="add",
    )


def _step(time: int, rows: int, width: int) -> Kernel:
    axes = (Axis("t", time, "loop"), Axis("m", rows), Axis("n", width))
    over_time = _access((time, rows, width), 0, 1, 2)
    plain = _access((rows, width), 1, 2)
    return Kernel(
        axes,
        (over_time, plain),
        (plain, over_time),
        (DType.FLOAT32, DType.FLOAT32),
        (DType.FLOAT32, DType.FLOAT32),
        STEP,
    )


def _access(shape: tuple[int, ...], *axes: int) -> Access:
    return Access(shape, tuple(Affine(((axis, 1),)) for axis in axes))


def recurrence_types(time: int, rows: int, width: int) -> tuple[TensorType, TensorType, TensorType]:
    """Types of the three operands."""
    x, start, matrix = (time, rows, width), (rows, width), (width, width)
    return TensorType(DType.FLOAT32, x), TensorType(DType.FLOAT32, start), TensorType(DType.FLOAT32, matrix)
