"""One rank for a tensor to which the branches of an `if` give different ranks.

`if n > 0: y = x.reshape(n, -1, 4)`, else `y = x`: where n is a size of x, x has no elements in the second branch, and
its result can take the first one's rank without a change of contents. Torch would leave the empty tensor's rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from halo_frontends.torchscript.emitter import Level
from halo_frontends.torchscript.maker import Maker, Size
from halo_py.ops.conversion import Cast
from halo_py.ops.logic import Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Not
from halo_py.types import Dim, LinearDim, Shape, TensorType, add_dims, scale_dim, substitute

if TYPE_CHECKING:
    from halo_py.ir.graph import Value


def give_one_rank(m: Maker, condition: Value, levels: Sequence[Level], outputs: list[list[Value]]) -> None:
    """Change results of the two branches that have different ranks where one of them is empty."""
    for number, values in enumerate(zip(*outputs, strict=True)):
        shapes = [_shape(value) for value in values]
        if None in shapes or len(set(map(_rank, shapes))) == 1:
            continue
        for branch, holds in enumerate((True, False)):
            wanted = _as_empty(shapes[branch] or (), shapes[1 - branch] or (), zero_symbols(m, condition, holds))
            if wanted is not None:
                outputs[branch][number] = _reshaped(m, levels[branch], values[branch], wanted)
                break


def _shape(value: Value) -> Shape | None:
    return value.type.shape if isinstance(value.type, TensorType) else None


def _rank(shape: Shape | None) -> int:
    return len(shape or ())


def _as_empty(mine: Shape, wanted: Shape, zeros: dict[str, int]) -> list[int | LinearDim] | None:
    """The other branch's shape as one of no elements; None if `mine` or the outcome may have elements.

    A size that both shapes have stays as it is, for the type of the merged value to know it.
    """
    if 0 not in [substitute(dim, zeros) for dim in mine]:
        return None
    found: list[Dim] = []
    for dim in wanted:
        here = substitute(dim, zeros)
        found.append(dim if dim in mine else here if isinstance(here, int) else 0)
    return found if 0 in [substitute(dim, zeros) for dim in found] else None


def _reshaped(m: Maker, level: Level, value: Value, wanted: Sequence[Dim]) -> Value:
    m.emitter.levels.append(level)
    try:
        shape = m.type(value).shape or ()
        sizes: list[Size] = [dim if isinstance(dim, int) else m.size(value, shape.index(dim)) for dim in wanted]
        return m.op("Reshape", value, m.ints(sizes), allowzero=1)
    finally:
        m.emitter.levels.pop()


# -- what a condition says of sizes -----------------------------------------------------------------------------------


def zero_symbols(m: Maker, condition: Value, holds: bool) -> dict[str, int]:
    """The symbols of sizes that are 0 where a condition holds (or does not), each with its value 0."""
    node = m.emitter.producer(condition)
    if node is None:
        return {}
    first = node.inputs[0]
    if isinstance(node.op, Not) and first is not None:
        return zero_symbols(m, first, not holds)
    sides = [None if value is None else m.emitter.dim(value) for value in node.inputs]
    if isinstance(node.op, Cast):
        return {} if holds or sides[0] is None else _zeros(sides[0])
    if len(sides) != 2 or sides[0] is None or sides[1] is None:
        return {}
    difference = add_dims(sides[0], scale_dim(sides[1], -1))
    match node.op, holds:
        case (Greater(), False) | (LessOrEqual(), True):
            return _zeros(difference)
        case (Less(), True) | (GreaterOrEqual(), False):
            return _zeros(add_dims(difference, 1))
        case (Less(), False) | (GreaterOrEqual(), True):
            return _zeros(scale_dim(difference, -1))
        case (Greater(), True) | (LessOrEqual(), False):
            return _zeros(add_dims(scale_dim(difference, -1), 1))
        case Equal(), True:
            return _zeros(difference) | _zeros(scale_dim(difference, -1))
        case _:
            return {}


def _zeros(least: Dim) -> dict[str, int]:
    """The symbols that are 0 if `least` is at most 0: all of a sum of sizes, none of which is negative."""
    if isinstance(least, int) or least.constant or any(factor < 0 for _, factor in least.terms):
        return {}
    return {name: 0 for name, _ in least.terms}
