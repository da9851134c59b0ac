"""Ensembles of decision trees of `ai.onnx.ml`.

What may follow the sums of weights (base values, transforms, labels) is spelled out when a model is imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from halo_py.ir.op import EvaluateArgs, InferArgs, Op, RuntimeValue, Sample, TileArgs, op
from halo_py.ir.space import Refusal, TileForm
from halo_py.ops.dims import unknown_dim
from halo_py.ops.kernels.walk import Reduction
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.sampling import floats
from halo_py.ops.tree_tables import COMPARISONS, MEMBER, Forest, Tables
from halo_py.ops.tree_walk import combined
from halo_py.types import Dim, DType, TensorType, Type

Numbers = NDArray[Any]
ML = "ai.onnx.ml"
AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_REDUCTIONS: dict[str, Reduction] = {"AVERAGE": "add", "SUM": "add", "MIN": "min", "MAX": "max"}
_AS_OPERANDS = "trees run on tiles with their tables as operands, which the pass `forests` makes"


class Trees(Op):
    """What both operators are: an aggregate of weights for each item and target."""

    @property
    def targets(self) -> int:
        """Results per item."""
        raise NotImplementedError

    @property
    def aggregate(self) -> str:
        """One of `AGGREGATES`."""
        raise NotImplementedError

    @property
    def reduction(self) -> Reduction:
        """How weights are put together before an average is divided by the number of trees."""
        return _REDUCTIONS[self.aggregate]

    def forest(self) -> Forest:
        """The trees. Raises ValueError for attributes that are none."""
        raise NotImplementedError

    def tables(self, dtype: DType) -> Tables:
        """The trees as tables for items of this type. Raises ValueError."""
        return _tables(self, dtype)

    def result_type(self, items: DType) -> DType:
        """Element type of the result for items of this type. Raises ValueError for one that does not fit."""
        raise NotImplementedError

    def infer(self, args: InferArgs) -> tuple[Type, ...]:
        type = args.tensor(0)
        try:
            tables, dtype = self.tables(type.dtype), self.result_type(type.dtype)
        except ValueError as error:
            raise args.error(str(error)) from error
        shape = type.shape
        if shape is not None and len(shape) != 2:
            raise args.error(f"items must be a matrix, found {type}")
        if shape is not None and isinstance(shape[1], int) and shape[1] < tables.features:
            raise args.error(f"the trees read {tables.features} features, an item has {shape[1]}")
        items: Dim = unknown_dim(args, "items") if shape is None else shape[0]
        return (TensorType(dtype, (items, self.targets)),)

    def evaluate(self, args: EvaluateArgs) -> tuple[RuntimeValue, ...]:
        items = args.array(0)
        dtype = DType.from_numpy(items.dtype)
        tables = self.tables(dtype)
        found = combined(tables, items, self.targets, self.reduction)
        if self.reduction != "add":
            found = np.where(np.isinf(found), 0, found)
        if self.aggregate == "AVERAGE":
            found = found / len(tables.feature)
        return (found.astype(self.result_type(dtype).numpy),)

    def tile_form(self, args: TileArgs) -> TileForm | Refusal:
        return Refusal(_AS_OPERANDS)


@lru_cache(maxsize=16)
def _tables(trees: Trees, dtype: DType) -> Tables:
    return trees.forest().tables(dtype.numpy)


@op("tree_ensemble", onnx="TreeEnsemble", domain=ML, since=5)
class TreeEnsemble(Trees):
    """The mean, sum, least or greatest weight of the leaves that each item reaches, for each target.

    A target that none of them names is 0.
    """

    leaf_targetids: tuple[int, ...]
    leaf_weights: TensorLiteral
    nodes_falseleafs: tuple[int, ...]
    nodes_falsenodeids: tuple[int, ...]
    nodes_featureids: tuple[int, ...]
    nodes_modes: TensorLiteral
    nodes_splits: TensorLiteral
    nodes_trueleafs: tuple[int, ...]
    nodes_truenodeids: tuple[int, ...]
    tree_roots: tuple[int, ...]
    aggregate_function: int = 1
    membership_values: TensorLiteral | None = None
    n_targets: int | None = None
    nodes_missing_value_tracks_true: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _literals(self, "leaf_weights", "nodes_modes", "nodes_splits", "membership_values")
        if not 0 <= self.aggregate_function < len(AGGREGATES):
            raise ValueError(f"aggregate_function {self.aggregate_function} is unknown")

    @property
    def targets(self) -> int:
        return max(self.leaf_targetids, default=-1) + 1 if self.n_targets is None else self.n_targets

    @property
    def aggregate(self) -> str:
        return AGGREGATES[self.aggregate_function]

    def result_type(self, items: DType) -> DType:
        for name, literal in (("splits", self.nodes_splits), ("weights", self.leaf_weights)):
            if literal.dtype is not items:
                raise ValueError(f"items are {items.text}, its {name} are {literal.dtype.text}")
        return items

    def forest(self) -> Forest:
        modes = [int(mode) for mode in self.nodes_modes.values]
        missing = list(self.nodes_missing_value_tracks_true or (0,) * len(modes))
        columns = (
            self.nodes_featureids, self.nodes_splits.values, missing, self.nodes_trueleafs, self.nodes_falseleafs,
            self.nodes_truenodeids, self.nodes_falsenodeids,
        )  # fmt: skip
        if any(len(column) != len(modes) for column in columns):
            raise ValueError("its lists of nodes differ in length")
        if not all(0 <= mode <= MEMBER for mode in modes):
            raise ValueError("a node's mode is unknown")
        true, false = (
            _references(ids, leaves)
            for ids, leaves in (
                (self.nodes_truenodeids, self.nodes_trueleafs),
                (self.nodes_falsenodeids, self.nodes_falseleafs),
            )
        )
        weights = _numbers(self.leaf_weights.values)
        if len(weights) != len(self.leaf_targetids):
            raise ValueError(f"has {len(weights)} weights for {len(self.leaf_targetids)} leaves")
        leaves = [[pair] for pair in zip(_targets(self.leaf_targetids, self.targets), weights, strict=True)]
        splits = _numbers(self.nodes_splits.values)
        roots = _references(self.tree_roots, (0,) * len(self.tree_roots))
        forest = Forest([*self.nodes_featureids], splits, modes, missing, true, false, roots, leaves)
        forest.members.update(self._members(modes))
        return forest

    def _members(self, modes: Sequence[int]) -> dict[int, list[float]]:
        """The sets of the nodes that have one: they stand one after another, each ended by NaN."""
        values = [] if self.membership_values is None else _numbers(self.membership_values.values)
        found: list[list[float]] = [[]]
        for value in values:
            if math.isnan(value):
                found.append([])
            else:
                found[-1].append(value)
        if not found[-1]:
            found.pop()
        nodes = [node for node, mode in enumerate(modes) if mode == MEMBER]
        if len(found) != len(nodes):
            raise ValueError(f"has {len(found)} sets for {len(nodes)} nodes that compare with one")
        return dict(zip(nodes, found, strict=True))

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        items: Numbers = floats(1, 6, 3, low=0, high=4)
        yield Sample(_example(DType.FLOAT32, 1), (items,))
        yield Sample(_example(DType.FLOAT64, 0), (items.astype(np.float64),))
        yield Sample(_example(DType.FLOAT32, 2), (items,))
        yield Sample(_example(DType.FLOAT32, 3, missing=(1, 0, 1, 0)), (np.where(items < 1, np.nan, items),))


def _example(dtype: DType, aggregate: int, missing: tuple[int, ...] | None = None) -> TreeEnsemble:
    """Two trees of three targets; one node compares with a set."""
    return TreeEnsemble(
        leaf_targetids=(0, 1, 2, 0, 1, 1),
        leaf_weights=TensorLiteral(dtype, (6,), (0.5, -1.0, 2.0, 0.25, 4.0, -0.75)),
        nodes_falseleafs=(0, 1, 1, 1),
        nodes_falsenodeids=(2, 1, 3, 5),
        nodes_featureids=(0, 1, 2, 1),
        nodes_modes=TensorLiteral(DType.UINT8, (4,), (0, 6, 3, 5)),
        nodes_splits=TensorLiteral(dtype, (4,), (1.5, 0.0, 2.5, 2.0)),
        nodes_trueleafs=(0, 1, 1, 1),
        nodes_truenodeids=(1, 0, 2, 4),
        tree_roots=(0, 3),
        aggregate_function=aggregate,
        membership_values=TensorLiteral(dtype, (3,), (1.0, 2.0, math.nan)),
        n_targets=3,
        nodes_missing_value_tracks_true=missing,
    )


@op("tree_ensemble_regressor", onnx="TreeEnsembleRegressor", domain=ML, since=3)
class TreeEnsembleRegressor(Trees):
    """The mean, sum, least or greatest weight of the leaves that each item reaches, for each target, as float32.

    A leaf may have weights for several targets; a target that no leaf names is 0.
    """

    n_targets: int
    nodes_falsenodeids: tuple[int, ...]
    nodes_featureids: tuple[int, ...]
    nodes_modes: tuple[str, ...]
    nodes_nodeids: tuple[int, ...]
    nodes_treeids: tuple[int, ...]
    nodes_truenodeids: tuple[int, ...]
    target_ids: tuple[int, ...]
    target_nodeids: tuple[int, ...]
    target_treeids: tuple[int, ...]
    aggregate_function: Literal["AVERAGE", "SUM", "MIN", "MAX"] = "SUM"
    nodes_missing_value_tracks_true: tuple[int, ...] | None = None
    nodes_values: tuple[float, ...] | None = None
    nodes_values_as_tensor: TensorLiteral | None = None
    target_weights: tuple[float, ...] | None = None
    target_weights_as_tensor: TensorLiteral | None = None

    def __post_init__(self) -> None:
        _literals(self, "nodes_values_as_tensor", "target_weights_as_tensor")
        if self.aggregate_function not in AGGREGATES:
            raise ValueError(f"aggregate_function {self.aggregate_function!r} is unknown")

    @property
    def targets(self) -> int:
        return self.n_targets

    @property
    def aggregate(self) -> str:
        return self.aggregate_function

    def result_type(self, items: DType) -> DType:
        if not items.is_float:
            raise ValueError(f"items must be floats, found {items.text}")
        return DType.FLOAT32

    def forest(self) -> Forest:
        count = len(self.nodes_nodeids)
        values = self.nodes_values if self.nodes_values_as_tensor is None else self.nodes_values_as_tensor.values
        splits = _numbers(values or (0.0,) * count)
        missing = list(self.nodes_missing_value_tracks_true or (0,) * count)
        columns = (
            self.nodes_treeids, self.nodes_featureids, self.nodes_modes, self.nodes_truenodeids,
            self.nodes_falsenodeids, splits, missing,
        )  # fmt: skip
        if any(len(column) != count for column in columns):
            raise ValueError("its lists of nodes differ in length")
        references, leaves = self._named()
        true, false = (
            [
                0 if mode == "LEAF" else _child(references, (tree, child))
                for tree, child, mode in zip(self.nodes_treeids, children, self.nodes_modes, strict=True)
            ]
            for children in (self.nodes_truenodeids, self.nodes_falsenodeids)
        )
        # The root of a tree is its first node.
        roots = {name[0]: reference for name, reference in reversed(references.items())}
        order = [roots[tree] for tree in dict.fromkeys(self.nodes_treeids)]
        numbers = {mode: 0 if mode == "LEAF" else _mode(mode) for mode in dict.fromkeys(self.nodes_modes)}
        modes = [numbers[mode] for mode in self.nodes_modes]
        return Forest([*self.nodes_featureids], splits, modes, missing, true, false, order, leaves)

    def _named(self) -> tuple[dict[tuple[int, int], int], list[list[tuple[int, float]]]]:
        """Nodes and leaves (-1 - number) by tree and node, in order, and the pairs of each leaf."""
        pairs = self._pairs()
        references: dict[tuple[int, int], int] = {}
        leaves: list[list[tuple[int, float]]] = []
        names = zip(self.nodes_treeids, self.nodes_nodeids, strict=True)
        for number, (name, mode) in enumerate(zip(names, self.nodes_modes, strict=True)):
            if name in references:
                raise ValueError(f"tree {name[0]} has two nodes {name[1]}")
            references[name] = number
            if mode == "LEAF":
                leaves.append(pairs.get(name, []))
                references[name] = -len(leaves)
        return references, leaves

    def _pairs(self) -> dict[tuple[int, int], list[tuple[int, float]]]:
        """Targets and weights by tree and node."""
        weights = self.target_weights if self.target_weights_as_tensor is None else self.target_weights_as_tensor.values
        numbers = _numbers(weights or ())
        if not len(numbers) == len(self.target_ids) == len(self.target_nodeids) == len(self.target_treeids):
            raise ValueError("its lists of targets differ in length")
        found: dict[tuple[int, int], list[tuple[int, float]]] = {}
        names = zip(self.target_treeids, self.target_nodeids, strict=True)
        for name, pair in zip(names, zip(_targets(self.target_ids, self.targets), numbers, strict=True), strict=True):
            found.setdefault(name, []).append(pair)
        return found

    @classmethod
    def samples(cls) -> Iterable[Sample]:
        items: Numbers = floats(1, 6, 3, low=0, high=4)
        trees: dict[str, Any] = {
            "n_targets": 2,
            "nodes_treeids": (0,) * 5 + (1,) * 3,
            "nodes_nodeids": (0, 1, 2, 3, 4, 0, 1, 2),
            "nodes_featureids": (0, 1, 0, 0, 0, 2, 0, 0),
            "nodes_modes": ("BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"),
            "nodes_truenodeids": (1, 2, 0, 0, 0, 2, 0, 0),
            "nodes_falsenodeids": (4, 3, 0, 0, 0, 1, 0, 0),
            "target_treeids": (0, 0, 0, 0, 1, 1, 1),
            "target_nodeids": (2, 2, 3, 4, 1, 2, 2),
            "target_ids": (0, 1, 1, 0, 0, 0, 1),
        }
        values, weights = (2.0, 1.5, 0, 0, 0, 3.0, 0, 0), (0.5, 1.0, -2.0, 4.0, 0.25, -1.0, 3.0)
        plain: dict[str, Any] = {**trees, "nodes_values": values, "target_weights": weights}
        for aggregate in AGGREGATES:
            yield Sample(cls(**plain, aggregate_function=aggregate), (items,))
        holes = np.where(items < 1, np.nan, items)
        yield Sample(cls(**plain, nodes_missing_value_tracks_true=(1, 0, 0, 0, 0, 1, 0, 0)), (holes,))
        wide: dict[str, Any] = {
            "nodes_values_as_tensor": TensorLiteral(DType.FLOAT64, (8,), values),
            "target_weights_as_tensor": TensorLiteral(DType.FLOAT64, (7,), weights),
        }
        yield Sample(cls(**trees, **wide), (items.astype(np.float64),))


def _literals(op: Op, *names: str) -> None:
    """Tensors given as arrays become literals."""
    for name in names:
        found: object = getattr(op, name)
        if isinstance(found, np.ndarray):
            object.__setattr__(op, name, TensorLiteral.of(cast("Numbers", found)))


def _numbers(values: Sequence[object]) -> list[float]:
    """Raises ValueError for what is no number."""
    if str in set(map(type, values)):
        raise ValueError("has strings where numbers are needed")
    return list(map(float, cast("Sequence[float]", values)))


def _references(ids: Sequence[int], are_leaves: Sequence[int]) -> list[int]:
    """Nodes by their numbers, leaves as -1 - number. Raises ValueError for a number below zero."""
    if len(ids) != len(are_leaves):
        raise ValueError("its lists of nodes differ in length")
    if any(number < 0 for number in ids):
        raise ValueError("a node or leaf has a number below zero")
    return [-1 - number if leaf else number for number, leaf in zip(ids, are_leaves, strict=True)]


def _targets(ids: Sequence[int], count: int) -> Sequence[int]:
    """Raises ValueError for a target that does not exist."""
    if any(not 0 <= target < count for target in set(ids)):
        raise ValueError(f"names a target that is none of the {count}")
    return ids


def _mode(text: str) -> int:
    """The number of a comparison. Raises ValueError."""
    name = text.removeprefix("BRANCH_")
    if name not in COMPARISONS:
        raise ValueError(f"a node's mode {text!r} is unknown")
    return COMPARISONS.index(name)


def _child(references: dict[tuple[int, int], int], name: tuple[int, int]) -> int:
    """Raises ValueError for a node that its tree does not have."""
    if name not in references:
        raise ValueError(f"tree {name[0]} has no node {name[1]}")
    return references[name]
