"""Ops that move, repeat, pad or drop elements."""

from __future__ import annotations

import numpy as np

from halo_py.autodiff.registry import Gradients, by_formula, constant, gradient
from halo_py.autodiff.reverse import Backward
from halo_py.autodiff.terms import Term
from halo_py.ir.op import Op
from halo_py.ops import movement as ops
from halo_py.ops import reshaping
from halo_py.ops.dropout import DEFAULT_RATIO, Dropout
from halo_py.ops.indexing import Gather
from halo_py.ops.padding import CenterCropPad, Pad, PadTable, ReverseSequence, Trilu
from halo_py.ops.random import Bernoulli, RandomNormalLike, RandomUniformLike
from halo_py.ops.shape import EyeLike

constant(Bernoulli, EyeLike, RandomNormalLike, RandomUniformLike)


@gradient(reshaping.Reshape, reshaping.Flatten, reshaping.Squeeze, reshaping.Unsqueeze)
def _view(at: Backward, _op: Op) -> Gradients:
    return at.to(lambda: at.g().reshaped_like(at.x()))


@gradient(ops.Transpose)
def _transpose(at: Backward, op: ops.Transpose) -> Gradients:
    rank = at.x().rank
    order = tuple(reversed(range(rank))) if op.perm is None else op.perm
    return at.to(lambda: at.g().transposed(*(order.index(axis) for axis in range(rank))))


@gradient(ops.Expand)
def _expand(at: Backward, _op: ops.Expand) -> Gradients:
    return at.to(at.g)


@gradient(ops.Tile)
def _tile(at: Backward, _op: ops.Tile) -> Gradients:
    repeats = at.known_ints(1)
    pairs = [number for pair in zip(repeats, at.x().extents, strict=True) for number in pair]
    copies = range(0, len(pairs), 2)
    return at.to(lambda: at.g().reshaped(*pairs).sum(copies, keep=False))


@by_formula(ops.DepthToSpace, ops.SpaceToDepth)
def _blocks(at: Backward, op: ops.BlockOp) -> list[Term]:
    view, order, out = op.plan(at.x().extents)
    return [at.x().reshaped(*view).transposed(*order).reshaped(*out)]


@gradient(Trilu)
def _trilu(at: Backward, op: Trilu) -> Gradients:
    return at.to(lambda: at.g().apply(op, *([at.x(1)] if at.has(1) else [])))


@gradient(ReverseSequence)
def _reverse_sequence(at: Backward, op: ReverseSequence) -> Gradients:
    return at.to(lambda: at.g().apply(op, at.x(1)))


@gradient(CenterCropPad)
def _center_crop_pad(at: Backward, _op: CenterCropPad) -> Gradients:
    pairs = list(zip(at.x().extents, at.y().extents, strict=True))
    before = [(have - size) // 2 if size < have else -((size - have) // 2) for have, size in pairs]
    after = [have - size - first for (have, size), first in zip(pairs, before, strict=True)]
    return at.to(lambda: at.g().padded(before, after))


@gradient(Pad)
def _pad(at: Backward, op: Pad) -> Gradients:
    axes = at.known_ints(3) if at.has(3) else None
    pads = op.pads_of(at.x().rank, at.known_ints(1), axes)
    if op.mode != "constant":
        return at.through(lambda inner, _op: [_padded_with_itself(inner, op, pads)], op)
    before, after = zip(*pads, strict=True)

    def of_x() -> Term:
        return at.g().padded([-number for number in before], [-number for number in after])

    def of_fill() -> Term:
        everything = range(at.x().rank)
        return (at.g().sum(everything, keep=False) - of_x().sum(everything, keep=False)).reshaped_like(at.x(2))

    return at.to(of_x, None, of_fill)


def _padded_with_itself(at: Backward, op: Pad, pads: list[tuple[int, int]]) -> Term:
    """The padded operand, gathered along one dimension after another."""
    made = at.x()
    for axis, (before, after) in enumerate(pads):
        if before or after:
            positions = PadTable(op.mode, made.extents[axis], before, after).taps().positions[:, 0]
            made = made.apply(Gather(axis), made.writer.constant(np.asarray(positions, np.int64)))
    return made


@gradient(Dropout)
def _dropout(at: Backward, op: Dropout) -> Gradients:
    """What was kept, with the same weight; a node without a mask is drawn again, by its seed."""
    training = at.known(Dropout.TRAINING)
    if not at.has(Dropout.TRAINING) or (training is not None and not bool(training.reshape(()))):
        return at.to(at.g)
    x, g = at.x(), at.g()
    given = at.optional(1)
    ratio = x.writer.number(DEFAULT_RATIO, x.dtype) if given is None else given.cast(x.dtype).reshaped()
    mask = at.y(1) if len(at.node.outputs) > 1 else x.writer.add(op, x, given, at.x(Dropout.TRAINING), outputs=2)[1]
    scaled = g / (1.0 - ratio)
    if training is None:
        scaled = at.x(Dropout.TRAINING).reshaped().choose(scaled, g)
    return at.to(lambda: mask.choose(scaled, 0.0))
