"""Symbolic dimensions flow through layers, and exporters' shape arithmetic is known while a graph is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from halo_py.errors import ShapeError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.graph import Value
from halo_py.ir.op import Op
from halo_py.ops import load_ops
from halo_py.ops.contraction import Gemm, MatMul
from halo_py.ops.conv_transpose import ConvTranspose
from halo_py.ops.convolution import Conv
from halo_py.ops.image import Resize
from halo_py.ops.indexing import Gather
from halo_py.ops.movement import DepthToSpace, Tile, Transpose
from halo_py.ops.padding import Pad
from halo_py.ops.pooling import AveragePool, GlobalAveragePool, MaxPool
from halo_py.ops.reshaping import Flatten, Reshape, Squeeze, Unsqueeze
from halo_py.ops.shape import ConstantOfShape, Range, Shape
from halo_py.ops.slicing import Concat, Slice, Split
from halo_py.types import Dim, DType, TensorType, add_dims, scale_dim, symbol, tensor

load_ops()
N = symbol("N")
S = symbol("S")
F = DType.FLOAT32


def dims(value: Value) -> tuple[Dim, ...]:
    assert isinstance(value.type, TensorType)
    assert value.type.shape is not None
    return value.type.shape


def weights(*shape: int) -> NDArray[Any]:
    return np.zeros(shape, np.float32)


class Net:
    """A graph under construction whose operands may be arrays."""

    def __init__(self, *shape: Dim) -> None:
        self.builder = GraphBuilder("net")
        self.x = self.builder.input("x", tensor(F, *shape))

    def add(self, op: Op, *operands: Value | NDArray[Any] | None, outputs: int = 1) -> Value:
        values = [self.builder.constant(item) if isinstance(item, np.ndarray) else item for item in operands]
        return self.builder.add(op, values, outputs=outputs)[0]

    def ints(self, *numbers: int) -> Value:
        return self.builder.ints(numbers)


@pytest.mark.parametrize(
    ("op", "operands", "expected"),
    [
        (Conv(pads=(1, 1, 1, 1), strides=(2, 2)), (weights(8, 3, 3, 3),), (N, 8, 16, 16)),
        (Conv(auto_pad="SAME_UPPER", strides=(3, 3)), (weights(8, 3, 3, 3),), (N, 8, 11, 11)),
        (ConvTranspose(strides=(2, 2)), (weights(3, 4, 2, 2),), (N, 4, 64, 64)),
        (MaxPool((3, 3), strides=(2, 2), ceil_mode=1), (), (N, 3, 16, 16)),
        (AveragePool((2, 2)), (), (N, 3, 31, 31)),
        (GlobalAveragePool(), (), (N, 3, 1, 1)),
        (Transpose((0, 2, 3, 1)), (), (N, 32, 32, 3)),
        (Flatten(), (), (N, 3072)),
        (MatMul(), (weights(32, 5),), (N, 3, 32, 5)),
        (Resize(), (None, np.asarray([1, 1, 2, 0.5], np.float32)), (N, 3, 64, 16)),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, Op) else "",
)
def test_a_symbolic_batch_passes_through(
    op: Op, operands: tuple[NDArray[Any] | None, ...], expected: tuple[Dim, ...]
) -> None:
    net = Net(N, 3, 32, 32)
    assert dims(net.add(op, net.x, *operands)) == expected


def test_symbolic_fields_shrink_and_grow_linearly() -> None:
    net = Net(1, 4, S, scale_dim(S, 2))
    assert dims(net.add(Conv(), net.x, weights(4, 4, 3, 3)))[2:] == (add_dims(S, -2), add_dims(scale_dim(S, 2), -2))
    assert dims(net.add(MaxPool((2, 2), strides=(2, 2)), net.x))[3] == S
    assert dims(net.add(Pad(), net.x, np.asarray([0, 0, 1, 0, 0, 0, 2, 0])))[2] == add_dims(S, 3)
    assert dims(net.add(DepthToSpace(2), net.x)) == (1, 1, scale_dim(S, 2), scale_dim(S, 4))
    strided = dims(net.add(Conv(strides=(2, 2)), net.x, weights(4, 4, 3, 3)))
    assert not isinstance(strided[2], int)
    assert strided[2] not in (S, add_dims(S, -2))


def test_a_chain_of_shape_arithmetic_gives_a_reshape() -> None:
    net = Net(N, 12, S, 64)
    shape = net.add(Shape(), net.x)
    batch = net.add(Gather(), shape, np.asarray(0))
    steps = net.add(Squeeze(), net.add(Slice(), shape, np.asarray([2]), np.asarray([3]), np.asarray([0])))
    parts = [net.add(Unsqueeze(), part, np.asarray([0])) for part in (batch, steps)]
    target = net.add(Concat(0), *parts, net.ints(-1))
    moved = net.add(Transpose((0, 2, 1, 3)), net.x)
    assert dims(net.add(Reshape(), moved, target)) == (N, S, 768)


def test_reshape_finds_what_is_left_of_symbolic_dimensions() -> None:
    net = Net(N, 3, scale_dim(S, 4), 5)
    assert dims(net.add(Reshape(), net.x, np.asarray([0, -1, 5]))) == (N, scale_dim(S, 12), 5)
    assert dims(net.add(Reshape(), net.x, np.asarray([0, 3, -1, 20]))) == (N, 3, S, 20)
    with pytest.raises(ShapeError, match="does not fit"):
        Net(2, 3).add(Reshape(), Net(2, 3).x, np.asarray([4, -1]))


def test_lengths_known_as_dimensions_make_ranges_fills_and_slices() -> None:
    net = Net(N, S)
    shape = net.add(Shape(), net.x)
    steps = net.add(Gather(), shape, np.asarray(1))
    count = net.add(Range(), np.asarray(0), steps, np.asarray(1))
    assert dims(count) == (S,)
    assert dims(net.add(ConstantOfShape(), shape)) == (N, S)
    last = net.add(Slice(), net.x, net.ints(-1), net.ints(2**62), net.ints(1))
    assert dims(last) == (N, 1)
    inner = net.add(Slice(), net.x, net.ints(1), net.ints(-1), net.ints(1))
    assert dims(inner) == (N, add_dims(S, -2))
    assert dims(net.add(Slice(), net.x, net.ints(-1), net.ints(-(2**62)), net.ints(1), net.ints(-1))) == (N, S)


def test_split_and_tile_of_symbolic_dimensions() -> None:
    net = Net(scale_dim(N, 6), 4)
    halves = net.builder.add(Split(num_outputs=3), [net.x], outputs=3)
    assert [dims(half) for half in halves] == [(scale_dim(N, 2), 4)] * 3
    assert dims(net.add(Tile(), net.x, np.asarray([1, 5]))) == (scale_dim(N, 6), 20)
    assert dims(net.add(Gemm(transB=1), net.x, weights(7, 4), weights(7))) == (scale_dim(N, 6), 7)


def test_every_part_of_a_split_shape_is_known() -> None:
    net = Net(2, 12, 5, 64)
    parts = net.builder.add(Split(), [net.add(Shape(), net.x)], outputs=4)
    target = net.add(Concat(0), parts[0], parts[3], parts[1], net.ints(-1))
    assert dims(net.add(Reshape(), net.x, target)) == (2, 64, 12, 5)


def test_errors_name_what_does_not_fit() -> None:
    net = Net(2, 3, 8, 8)
    with pytest.raises(ShapeError, match="channels"):
        net.add(Conv(), net.x, weights(4, 5, 3, 3))
    with pytest.raises(ShapeError, match="inner dimensions 8 and 9"):
        net.add(MatMul(), net.x, weights(9, 4))
    with pytest.raises(ShapeError, match="does not fit spatial dimension"):
        net.add(MaxPool((9, 9)), net.x)
    with pytest.raises(ShapeError, match="differs"):
        net.add(Concat(1), net.x, weights(2, 3, 8, 7))
    with pytest.raises(ShapeError, match="out of range"):
        net.add(Gather(axis=4), net.x, np.asarray([0]))
