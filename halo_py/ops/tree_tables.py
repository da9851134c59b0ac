"""Decision trees as tables: what the attributes of `ai.onnx.ml`'s tree operators mean, checked.

Every tree is rows of tables of equal size, so that many trees and many items can be walked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]

COMPARISONS = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")
"""The comparisons `feature <op> split` of a node by their numbers in `Tables.test`."""

MEMBER = 6
"""ONNX's number of the comparison with each of a set; the tables have a chain of EQ nodes instead."""

MISSING = 8
"""Added to a node's comparison if NaN takes the true branch whatever the comparison says."""

MOST_ENTRIES = 1 << 28
"""Tables of more entries are refused: a few deep trees among many small ones could otherwise claim any size."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """`trees` trees of at most `nodes` nodes, and `entries` pairs of target and weight for each of at most `leaves`.

    A child that is not negative is a node; leaf i is -1 - i. Node 0 is the root. Unused rows are zero; an entry
    without a pair has target -1.
    """

    feature: NDArray[np.int32]
    """[trees, nodes]"""
    split: Numbers
    """[trees, nodes]"""
    test: NDArray[np.uint8]
    """[trees, nodes]: the comparison's number, and `MISSING`"""
    children: NDArray[np.int32]
    """[trees, nodes, 2]: the true one, the false one"""
    target: NDArray[np.int32]
    """[trees, leaves, entries]"""
    weight: Numbers
    """[trees, leaves, entries]"""
    depth: int
    """Nodes on the longest way from a root to a leaf."""

    @property
    def features(self) -> int:
        """How many features an item must have."""
        return int(self.feature.max(initial=0)) + 1

    def operands(self) -> tuple[Numbers, ...]:
        """The tables in the order of `TreeWalk`'s operands after the items."""
        return self.feature, self.split, self.test, self.children, self.target, self.weight


@dataclass(slots=True)
class Forest:
    """Trees whose nodes refer to each other by number. A child below zero is leaf -1 - child."""

    feature: list[int]
    split: list[float]
    comparison: list[int]
    missing: list[int]
    true: list[int]
    false: list[int]
    roots: list[int]
    """A root below zero is a tree that is one leaf."""
    leaves: list[list[tuple[int, float]]]
    """Target and weight of each leaf's pairs."""
    members: dict[int, list[float]] = field(default_factory=dict[int, list[float]])
    """The sets of nodes that compare with each of one."""

    def tables(self, dtype: np.dtype[Any]) -> Tables:
        """The tables, with splits and weights of this type.

        Raises ValueError for a node or leaf that does not exist, or a node that is reached twice.
        """
        reached: set[int] = set()
        trees = [_Tree(self, root, reached) for root in self.roots]
        if not trees:
            raise ValueError("there is no tree")
        count, nodes = len(trees), max(len(tree.rows) for tree in trees)
        leaves = max(len(tree.leaves) for tree in trees)
        entries = max((len(self.leaves[leaf]) for tree in trees for leaf in tree.leaves), default=0)
        if count * max(nodes, leaves * max(entries, 1)) > MOST_ENTRIES:
            raise ValueError(f"{count} trees of up to {nodes} nodes and {leaves} leaves are too many")
        made = Tables(
            np.zeros((count, nodes), np.int32),
            np.zeros((count, nodes), dtype),
            np.zeros((count, nodes), np.uint8),
            np.zeros((count, nodes, 2), np.int32),
            np.full((count, leaves, max(entries, 1)), -1, np.int32),
            np.zeros((count, leaves, max(entries, 1)), dtype),
            max(tree.depth for tree in trees),
        )
        for number, tree in enumerate(trees):
            tree.write(made, number)
        return made


class _Row(NamedTuple):
    """One node of a tree; children are rows of the tree, or leaves of the forest (-1 - leaf)."""

    feature: int
    split: float
    test: int
    true: int
    false: int


class _Tree:
    """The rows of one tree, in the order in which they are found; `reached` are the nodes of all trees so far."""

    def __init__(self, forest: Forest, root: int, reached: set[int]) -> None:
        self.forest = forest
        self.reached = reached
        self.rows: list[_Row] = []
        self.leaves: list[int] = []
        self.depth = 1
        if root < 0:
            leaf = self._leaf(root)
            self.rows.append(_Row(0, 0.0, 0, leaf, leaf))
            return
        first, levels = self._numbered(root)
        self.depth = max(levels.values())
        for node, row in first.items():
            self._append(node, row, *(self._child(child, first) for child in (forest.true[node], forest.false[node])))

    def _numbered(self, root: int) -> tuple[dict[int, int], dict[int, int]]:
        """The first row of every node (one that compares with a set takes a row for each member), and its depth."""
        first: dict[int, int] = {}
        levels: dict[int, int] = {}
        rows, waiting = 0, [(root, 0)]
        while waiting:
            node, above = waiting.pop()
            if not 0 <= node < len(self.forest.feature):
                raise ValueError(f"node {node} does not exist")
            if node in self.reached:
                raise ValueError(f"node {node} is reached twice")
            self.reached.add(node)
            length = max(1, len(self.forest.members.get(node, ())))
            first[node], levels[node] = rows, above + length
            rows += length
            children = (self.forest.false[node], self.forest.true[node])
            waiting.extend((child, above + length) for child in children if child >= 0)
        return first, levels

    def _child(self, child: int, first: Mapping[int, int]) -> int:
        return first[child] if child >= 0 else self._leaf(child)

    def _leaf(self, reference: int) -> int:
        """The tree's own reference to a leaf of the forest."""
        leaf = -1 - reference
        if leaf >= len(self.forest.leaves):
            raise ValueError(f"leaf {leaf} does not exist")
        self.leaves.append(leaf)
        return -len(self.leaves)

    def _append(self, node: int, row: int, true: int, false: int) -> None:
        """Add the row of a node, or the chain of rows that compare with each member of a set."""
        forest, missing = self.forest, MISSING if self.forest.missing[node] else 0
        feature = forest.feature[node]
        if feature < 0:
            raise ValueError(f"node {node} reads feature {feature}")
        if forest.comparison[node] != MEMBER:
            self.rows.append(_Row(feature, forest.split[node], forest.comparison[node] + missing, true, false))
            return
        members = forest.members.get(node, ())
        if not members:
            # Nothing is in the empty set, and nothing is less than minus infinity.
            self.rows.append(_Row(feature, -np.inf, COMPARISONS.index("LT") + missing, true, false))
        for number, member in enumerate(members, 1):
            other = false if number == len(members) else row + number
            self.rows.append(_Row(feature, member, COMPARISONS.index("EQ") + missing, true, other))

    def write(self, tables: Tables, number: int) -> None:
        """Fill the tree's part of the tables."""
        count = len(self.rows)
        feature, split, test, true, false = zip(*self.rows, strict=True)
        tables.feature[number, :count], tables.split[number, :count] = feature, split
        tables.test[number, :count] = test
        tables.children[number, :count, 0], tables.children[number, :count, 1] = true, false
        pairs = [self.forest.leaves[leaf] for leaf in self.leaves]
        for entry in range(max(map(len, pairs), default=0)):
            places = [place for place, found in enumerate(pairs) if len(found) > entry]
            target, weight = zip(*(pairs[place][entry] for place in places), strict=True)
            tables.target[number, places, entry], tables.weight[number, places, entry] = target, weight
