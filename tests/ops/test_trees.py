"""Attributes that are no trees are refused, whatever is wrong with them; trees of one leaf and empty sets are trees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from halo_py.errors import HaloError
from halo_py.ops.literal import TensorLiteral
from halo_py.ops.tree_tables import Forest
from halo_py.ops.trees import TreeEnsemble, TreeEnsembleRegressor
from halo_py.types import DType
from tests.ops.operators import evaluated

_ITEMS = np.asarray([[0.0, 1.0], [3.0, np.nan]], np.float32)


def _literal(dtype: DType, *values: float) -> TensorLiteral:
    return TensorLiteral(dtype, (len(values),), values)


_ENSEMBLE = TreeEnsemble(
    leaf_targetids=(0, 1, 0),
    leaf_weights=_literal(DType.FLOAT32, 1.0, 2.0, 4.0),
    nodes_falseleafs=(0, 1),
    nodes_falsenodeids=(1, 2),
    nodes_featureids=(0, 1),
    nodes_modes=_literal(DType.UINT8, 0, 6),
    nodes_splits=_literal(DType.FLOAT32, 1.0, 0.0),
    nodes_trueleafs=(1, 1),
    nodes_truenodeids=(0, 1),
    tree_roots=(0,),
    membership_values=_literal(DType.FLOAT32, 2.0, float("nan")),
    n_targets=2,
)

_REGRESSOR = TreeEnsembleRegressor(
    n_targets=2,
    nodes_falsenodeids=(2, 0, 0),
    nodes_featureids=(0, 0, 0),
    nodes_modes=("BRANCH_LEQ", "LEAF", "LEAF"),
    nodes_nodeids=(0, 1, 2),
    nodes_treeids=(0, 0, 0),
    nodes_truenodeids=(1, 0, 0),
    target_ids=(0, 1),
    target_nodeids=(1, 2),
    target_treeids=(0, 0),
    nodes_values=(1.0, 0.0, 0.0),
    target_weights=(1.0, 2.0),
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes_featureids": (0,)}, "lists of nodes differ in length"),
        ({"nodes_falsenodeids": (0, 2)}, "node 0 is reached twice"),
        ({"nodes_falsenodeids": (7, 2)}, "node 7 does not exist"),
        ({"nodes_falsenodeids": (1, 9)}, "leaf 9 does not exist"),
        ({"nodes_falsenodeids": (-1, 2)}, "number below zero"),
        ({"tree_roots": (0, 0)}, "node 0 is reached twice"),
        ({"tree_roots": (5,)}, "node 5 does not exist"),
        ({"tree_roots": ()}, "there is no tree"),
        ({"nodes_featureids": (0, -1)}, "reads feature -1"),
        ({"nodes_featureids": (0, 2)}, "the trees read 3 features, an item has 2"),
        ({"nodes_modes": _literal(DType.UINT8, 0, 7)}, "mode is unknown"),
        ({"leaf_targetids": (0, 2, 0)}, "none of the 2"),
        ({"leaf_targetids": (0, 1)}, "3 weights for 2 leaves"),
        ({"membership_values": None}, "0 sets for 1 nodes"),
        ({"membership_values": _literal(DType.FLOAT32, 1.0, float("nan"), 2.0)}, "2 sets for 1 nodes"),
        ({"nodes_splits": _literal(DType.FLOAT64, 1.0, 0.0)}, "items are float32, its splits are float64"),
        ({"nodes_splits": TensorLiteral(DType.STRING, (2,), ("a", "b"))}, "splits are string|strings where numbers"),
    ],
    ids=str,
)
def test_what_is_no_ensemble_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HaloError, match=message):
        evaluated(replace(_ENSEMBLE, **changes), _ITEMS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nodes_values": (1.0,)}, "lists of nodes differ in length"),
        ({"nodes_nodeids": (0, 1, 1)}, "tree 0 has two nodes 1"),
        ({"nodes_truenodeids": (8, 0, 0)}, "tree 0 has no node 8"),
        ({"nodes_truenodeids": (0, 0, 0)}, "node 0 is reached twice"),
        ({"nodes_modes": ("BRANCH_NEAR", "LEAF", "LEAF")}, "mode 'BRANCH_NEAR' is unknown"),
        ({"target_ids": (0, 5)}, "none of the 2"),
        ({"target_weights": (1.0,)}, "lists of targets differ in length"),
        ({"nodes_missing_value_tracks_true": (1,)}, "lists of nodes differ in length"),
    ],
    ids=str,
)
def test_what_is_no_forest_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HaloError, match=message):
        evaluated(replace(_REGRESSOR, **changes), _ITEMS)


def test_unknown_aggregates_are_refused() -> None:
    with pytest.raises(ValueError, match="aggregate_function 9"):
        replace(_ENSEMBLE, aggregate_function=9)
    unknown: Any = "MEDIAN"
    with pytest.raises(ValueError, match="aggregate_function 'MEDIAN'"):
        replace(_REGRESSOR, aggregate_function=unknown)


def test_a_tree_may_be_one_leaf() -> None:
    single = replace(
        _REGRESSOR,
        nodes_falsenodeids=(0,),
        nodes_featureids=(0,),
        nodes_modes=("LEAF",),
        nodes_nodeids=(0,),
        nodes_treeids=(0,),
        nodes_truenodeids=(0,),
        nodes_values=(0.0,),
        target_ids=(1,),
        target_nodeids=(0,),
        target_treeids=(0,),
        target_weights=(3.0,),
    )
    (found,) = evaluated(single, _ITEMS)
    np.testing.assert_array_equal(found, [[0, 3], [0, 3]])


def test_nothing_is_in_the_empty_set() -> None:
    (found,) = evaluated(replace(_ENSEMBLE, membership_values=_literal(DType.FLOAT32, float("nan"))), _ITEMS + 2)
    np.testing.assert_array_equal(found, [[4, 0], [4, 0]])


def test_tables_of_any_size_are_not_claimed() -> None:
    """One long tree among many short ones would need a square of the file's size."""
    count = 20_000
    chain = range(count)
    forest = Forest(
        [0] * count,
        [0.0] * count,
        [0] * count,
        [0] * count,
        [-1] * count,
        [*(node + 1 for node in chain[:-1]), -1],
        [0, *[-1] * count],
        [[(0, 1.0)]],
    )
    with pytest.raises(ValueError, match="are too many"):
        forest.tables(np.dtype(np.float32))
