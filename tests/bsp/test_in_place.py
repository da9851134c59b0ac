"""Which kernels may write over an operand, and of which local values that is said."""

from __future__ import annotations

import numpy as np
import pytest

from halo_py.bsp.in_place import overwritable, read_once
from halo_py.ir.op import Op, TileArgs
from halo_py.ir.space import FormBuilder, KernelCall, TileForm
from halo_py.ops.activation import Relu
from halo_py.ops.along_axis import CumSum
from halo_py.ops.conversion import Cast
from halo_py.ops.elementwise import Add
from halo_py.ops.movement import Transpose
from halo_py.types import DType, TensorType

SQUARE = TensorType(DType.FLOAT32, (6, 6))
ROW = TensorType(DType.FLOAT32, (1, 6))


def form_of(op: Op, *types: TensorType, result: TensorType = SQUARE) -> TileForm:
    form = op.tile_form(TileArgs(types, (None,) * len(types), (result,)))
    assert isinstance(form, TileForm)
    return form


def calls(form: TileForm) -> list[KernelCall]:
    return [step for step in form.steps if isinstance(step, KernelCall)]


@pytest.mark.parametrize(
    ("form", "operands"),
    [
        (form_of(Relu(), SQUARE), (0,)),
        (form_of(Add(), SQUARE, SQUARE), (0, 1)),
        (form_of(Add(), ROW, SQUARE), (1,)),
        (form_of(Transpose((1, 0)), SQUARE), ()),
    ],
    ids=["one operand", "two", "a broadcast one", "transposed"],
)
def test_elementwise_kernels_write_over_operands_of_the_results_shape(
    form: TileForm, operands: tuple[int, ...]
) -> None:
    assert overwritable(calls(form)[0].kernel) == operands


def test_kernels_that_look_along_an_axis_do_not() -> None:
    types = (SQUARE, TensorType(DType.INT64, ()))
    form = CumSum().tile_form(TileArgs(types, (None, np.array(1)), (SQUARE,)))
    assert isinstance(form, TileForm)
    assert [overwritable(call.kernel) for call in calls(form)] == [()]


def test_neither_do_those_whose_result_has_other_bits() -> None:
    halves = form_of(Cast(DType.FLOAT16), SQUARE, result=TensorType(DType.FLOAT16, (6, 6)))
    integers = form_of(Cast(DType.INT32), SQUARE, result=TensorType(DType.INT32, (6, 6)))
    assert [overwritable(call.kernel) for call in calls(halves)] == [()]
    assert [overwritable(call.kernel) for call in calls(integers)] == [(0,)]


def test_only_the_last_reader_may_write_over_a_value() -> None:
    relu = calls(form_of(Relu(), SQUARE))[0].kernel
    add = calls(form_of(Add(), SQUARE, SQUARE))[0].kernel
    builder = FormBuilder()
    x = builder.input(SQUARE)
    first, second, third = (builder.value(SQUARE.dtype, SQUARE.static_shape) for _ in range(3))
    builder.call(relu, (x,), (first,))
    flat = builder.view(first, (36,))
    square = builder.view(flat, (6, 6))
    builder.call(relu, (square,), (second,))
    builder.call(add, (second, x), (third,))
    assert read_once(builder.finish(third)) == {first, second}
    assert read_once(builder.finish(third, flat)) == {second}, "a view of the first is a result"


def test_what_a_loop_reads_again_stays() -> None:
    relu = calls(form_of(Relu(), SQUARE))[0].kernel
    builder = FormBuilder()
    x = builder.input(SQUARE)
    before, inside, after = (builder.value(SQUARE.dtype, SQUARE.static_shape) for _ in range(3))
    builder.call(relu, (x,), (before,))
    body = builder.body()
    body.call(relu, (before,), (inside,))
    body.call(relu, (inside,), (after,))
    builder.repeat(3, body, ())
    assert read_once(builder.finish(after)) == {x, inside}
