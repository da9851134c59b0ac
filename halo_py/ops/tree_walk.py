"""Many decision trees walked at once, their tables being operands: the form in which trees run on tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.dims import unknown_dim
from halo_py.ops.forms import EMPTY, has_no_elements, one_kernel
from halo_py.ops.kernels.walk import Reduction, WalkCodelet, walk_kernel
from halo_py.ops.sampling import floats
from halo_py.ops.tree_tables import COMPARISONS, MISSING, Forest, Tables
from halo_py.types import DType, TensorType, Type

Numbers = NDArray[Any]

_COMPARE: dict[str, Callable[[Numbers, Any], Any]] = {
    "LEQ": np.less_equal, "LT": np.less, "GTE": np.greater_equal, "GT": np.greater, "EQ": np.equal, "NEQ": np.not_equal,
}  # fmt: skip
_COMBINE: dict[str, np.ufunc] = {"add": np.add, "min": np.minimum, "max": np.maximum}
_START = {"add": 0.0, "min": np.inf, "max": -np.inf}


@op("tree_walk")
class TreeWalk(Op):
    """For each item the weights of the leaves that it reaches, put together by `reduction` for each target.

    Operands: items [n, features], and the tables of `tree_tables.Tables`: feature, split, test, children, target,
    weight. `depth` levels lead to every leaf. A target that no leaf names is infinite under min and max.
    """

    depth: int
    targets: int
    reduction: Reduction = "add"

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        shape = args.shape(0)
        if shape is not None and len(shape) != 2:
            raise args.error(f"items must be a matrix, found {args.tensor(0)}")
        if args.dtype(2) is not args.dtype(0):
            raise args.error(f"items are {args.dtype(0).text}, what they are compared with is {args.dtype(2).text}")
        items = unknown_dim(args, "items") if shape is None else shape[0]
        return (TensorType(args.dtype(6), (items, self.targets)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        items, *tables = (args.array(index) for index in range(7))
        feature, split, test, children, target, weight = cast("tuple[Any, ...]", tuple(tables))
        found = combined(
            Tables(feature, split, test, children, target, weight, self.depth), items, self.targets, self.reduction
        )
        return (found.astype(args.array(6).dtype),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        if has_no_elements(args):
            return EMPTY
        items, nodes, leaves = (args.tensor(index) for index in (0, 1, 6))
        kernel = walk_kernel(
            cast("tuple[int, int]", items.static_shape),
            cast("tuple[int, int]", nodes.static_shape),
            cast("tuple[int, int, int]", leaves.static_shape),
            self.targets,
            (items.dtype, leaves.dtype),
            WalkCodelet(self.depth, self.reduction),
        )
        return one_kernel(args, kernel)

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        for dtype in (DType.FLOAT32, DType.FLOAT16, DType.FLOAT64):
            tables = grown(5, 4, 3).tables(dtype.numpy)
            yield Sample(cls(tables.depth, 3), (floats(1, 6, 4, dtype=dtype), *tables.operands()))
        for number, reduction in enumerate(("min", "max")):
            tables = grown(7 + number, 3, 5).tables(np.dtype(np.float32))
            items: Numbers = floats(2 + number, 4, 4)
            items[1, :2] = np.nan
            yield Sample(cls(tables.depth, 5, cast("Reduction", reduction)), (items, *tables.operands()))


def combined(tables: Tables, items: Numbers, targets: int, reduction: Reduction) -> Numbers:
    """[item, target]: what the leaves say that each item reaches, one tree after another, in float32 or wider."""
    result: Numbers = np.full((len(items), targets), _START[reduction], np.promote_types(items.dtype, np.float32))
    rows = np.arange(len(items))
    for tree in range(len(tables.feature)):
        leaf = -1 - _reached(tables, tree, items)
        for entry in range(tables.target.shape[2]):
            target, weight = tables.target[tree, leaf, entry], tables.weight[tree, leaf, entry]
            given = target >= 0
            _COMBINE[reduction].at(result, (rows[given], target[given]), weight[given].astype(result.dtype))
    return result


def _reached(tables: Tables, tree: int, items: Numbers) -> NDArray[np.int64]:
    """What stands for the leaf of one tree that each item reaches."""
    node: NDArray[np.int64] = np.zeros(len(items), np.int64)
    while (node >= 0).any():
        for here in np.unique(node[node >= 0]).tolist():
            inside = node == here
            value, test = items[inside, tables.feature[tree, here]], int(tables.test[tree, here])
            passes = _COMPARE[COMPARISONS[test % MISSING]](value, tables.split[tree, here])
            if test >= MISSING:
                passes = passes | np.isnan(value)
            true, false = tables.children[tree, here].tolist()
            node[inside] = np.where(passes, true, false)
    return node


def grown(seed: int, trees: int, targets: int, features: int = 4) -> Forest:
    """A random forest for samples: nodes of every comparison, leaves at several depths."""
    random = np.random.default_rng(seed)
    forest = Forest([], [], [], [], [], [], [], [])

    def grow(level: int) -> int:
        if level == 4 or (level and random.random() < 0.25):
            forest.leaves.append([(int(random.integers(targets)), float(random.normal()))])
            return -len(forest.leaves)
        node = len(forest.feature)
        forest.feature.append(int(random.integers(features)))
        forest.split.append(float(random.choice([-1.0, 0.0, 0.5, 1.0])))
        forest.comparison.append(int(random.integers(len(COMPARISONS))))
        forest.missing.append(int(random.integers(2)))
        forest.true.append(0)
        forest.false.append(0)
        forest.true[node], forest.false[node] = grow(level + 1), grow(level + 1)
        return node

    forest.roots.extend(grow(0) for _ in range(trees))
    return forest
