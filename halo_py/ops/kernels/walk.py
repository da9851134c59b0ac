"""Decision trees walked by a vertex: its items through its trees, the weights of their leaves added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.space import WHOLE, Access, Affine, Axis, Kernel, VertexArgs
from halo_py.ir.work import Count, FillWork, SerialWork, SumWork, Work
from halo_py.types import DType

if TYPE_CHECKING:
    Array = NDArray[Any]

Reduction = Literal["add", "min", "max"]

_ITEM, _TARGET, _TREE = range(3)
_STEP = ("copy", "copy", "copy", "copy", "compare", "select")
"""A level of a tree: loads of the node's feature, the item's value, the split and the test; then the child."""

_COMPARE = (np.less_equal, np.less, np.greater_equal, np.greater, np.equal, np.not_equal)
_MISSING = 8
_EMPTY = {"add": 0.0, "min": np.inf, "max": -np.inf}
_COMBINE = {"add": np.add, "min": np.minimum, "max": np.maximum}


@dataclass(frozen=True, slots=True)
class WalkCodelet:
    """Reads items, features, splits, tests, children, targets, weights; writes [item, target].

    `depth` levels lead to every leaf. A target that no leaf names is infinite under min and max.
    """

    depth: int
    reduction: Reduction

    @property
    def name(self) -> str:
        return f"walk_{self.reduction}"

    def work(self, extents: tuple[Count, ...], kernel: Kernel) -> Work:
        items, targets, trees = extents
        dtype, entries = kernel.write_types[0].text, kernel.reads[5].shape[-1]
        walks = SerialWork(items * trees, self.depth, _STEP, kernel.read_types[0].text)
        sums = SerialWork(items, trees * entries, (self.reduction, "compare"), dtype)
        return SumWork((FillWork(items * targets, dtype), walks, sums))

    def compute(self, args: VertexArgs, kernel: Kernel) -> tuple[Array, ...]:
        items, split, weight = (np.asarray(args.reads[index]) for index in (0, 2, 6))
        feature, test, children, target = (args.reads[index].astype(np.int64) for index in (1, 3, 4, 5))
        item, tree = np.indices((items.shape[0], feature.shape[0]))
        node: Array = np.zeros(item.shape, np.int64)
        for _ in range(self.depth):
            here = np.maximum(node, 0)
            chosen = _passes(items[item, feature[tree, here]], split[tree, here], test[tree, here])
            child = children[tree, here, np.where(chosen, 0, 1)]
            node = np.where(node < 0, node, child)
        leaf = -1 - node
        made = self._gathered(args, target[tree, leaf], weight[tree, leaf], kernel.partials_type)
        dtype = kernel.partials_type if args.partial else kernel.write_types[0]
        return (made.astype(dtype.numpy),)

    def _gathered(self, args: VertexArgs, target: Array, weight: Array, partials: DType) -> Array:
        """The weights [item, tree, entry] of this box's targets, put together per item and target."""
        shape = (target.shape[0], args.high[_TARGET] - args.low[_TARGET])
        made: Array = np.full(shape, _EMPTY[self.reduction], partials.numpy)
        local = target - args.low[_TARGET]
        place = np.nonzero((target >= 0) & (local >= 0) & (local < shape[1]))
        _COMBINE[self.reduction].at(made, (place[0], local[place]), weight[place].astype(made.dtype))
        return made


def _passes(value: Array, split: Array, test: Array) -> Array:
    """Whether each comparison holds; NaN where it takes the true branch."""
    comparison = test % _MISSING
    found: Array = (test >= _MISSING) & np.isnan(value)
    for number, compare in enumerate(_COMPARE):
        found = found | ((comparison == number) & compare(value, split))
    return found


def walk_kernel(
    items: tuple[int, int],
    nodes: tuple[int, int],
    leaves: tuple[int, int, int],
    targets: int,
    types: tuple[DType, DType],
    codelet: WalkCodelet,
) -> Kernel:
    """The kernel over items [items, features], trees of [trees, nodes] and leaves [trees, leaves, entries].

    `types` are those of items and splits, and of weights and results.
    """
    item, target, tree = (Affine(((axis, 1),)) for axis in (_ITEM, _TARGET, _TREE))
    axes = (Axis("item", items[0]), Axis("target", targets), Axis("tree", nodes[0], "reduce"))
    table, leaf = Access(nodes, (tree, WHOLE)), Access(leaves, (tree, WHOLE, WHOLE))
    reads = (
        Access(items, (item, WHOLE)),
        table,
        table,
        table,
        Access((*nodes, 2), (tree, WHOLE, WHOLE)),
        leaf,
        leaf,
    )
    value, weight = types
    return Kernel(
        axes,
        reads,
        (Access((items[0], targets), (item, target)),),
        (value, DType.INT32, value, DType.UINT8, DType.INT32, DType.INT32, weight),
        (weight,),
        codelet,
        combine=codelet.reduction,
        partials_type=DType.FLOAT64 if weight is DType.FLOAT64 else DType.FLOAT32,
    )
