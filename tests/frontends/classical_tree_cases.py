"""Small models of `ai.onnx.ml`'s ensembles of trees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import numpy_helper

from tests.frontends.classical_cases import TRANSFORMS, Case, case
from tests.frontends.onnx_models import Array, random


def tree_cases() -> list[Case]:
    """Ensembles of trees, and what follows their sums."""
    x = np.abs(random(7, 6, 4))
    three = grown(3, classes=3, trees=4, low=0.0)
    found: list[Case] = []
    for transform in TRANSFORMS:
        regressor: dict[str, Any] = {**targets_of(three), "n_targets": 3, "post_transform": transform}
        found.append(case(f"trees_{transform}", "TreeEnsembleRegressor", x, **regressor))
        classes: dict[str, Any] = {**three, "classlabels_int64s": [7, 3, 5], "post_transform": transform}
        found.append(case(f"tree_classes_{transform}", "TreeEnsembleClassifier", x, outputs=2, **classes))
    return [*found, *_regressing_trees(x, three), *_classifying_trees(x, three), *_trees_of_version_5(x)]


def _regressing_trees(x: Array, three: Mapping[str, Any]) -> list[Case]:
    one = targets_of(grown(4, classes=1, trees=3, low=-1.0))
    found: list[Case] = []
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        kinds: dict[str, Any] = {**one, "n_targets": 1, "aggregate_function": aggregate}
        found.append(case(f"trees_{aggregate}", "TreeEnsembleRegressor", x, base_values=[0.75], **kinds))
    plain: dict[str, Any] = {**targets_of(three), "n_targets": 3}
    holes = np.where(x < 0.3, np.float32(np.nan), x)
    missing = [number % 2 for number in range(len(three["nodes_nodeids"]))]
    return [
        *found,
        case("trees_missing", "TreeEnsembleRegressor", holes, nodes_missing_value_tracks_true=missing, **plain),
        case("trees_doubles", "TreeEnsembleRegressor", x.astype(np.float64), **plain),
        case("trees_vector", "TreeEnsembleRegressor", x[0], judged=[x[:1]], **plain),
        case("trees_hit_rates", "TreeEnsembleRegressor", x, nodes_hitrates=[1.0] * len(missing), **plain),
        case(
            "trees_integers",
            "TreeEnsembleRegressor",
            np.asarray([[1, 0, 3, 0]], np.int64),
            judged=[np.asarray([[1, 0, 3, 0]], np.float32)],
            **plain,
        ),
    ]


def _classifying_trees(x: Array, three: Mapping[str, Any]) -> list[Case]:
    words: dict[str, Any] = {**three, "classlabels_strings": ["a", "b", "c"]}
    numbers: dict[str, Any] = {**three, "classlabels_int64s": [4, 5, 6]}
    based: dict[str, Any] = {**numbers, "base_values": [1.0, 0.0, 0.5]}
    found = [
        case("tree_classes_strings", "TreeEnsembleClassifier", x, outputs=2, tiles=False, **words),
        case("tree_classes_base", "TreeEnsembleClassifier", x, outputs=2, **based),
        case("tree_classes_doubles", "TreeEnsembleClassifier", x.astype(np.float64), outputs=2, **numbers),
    ]
    for name, low in (("positive", 0.0), ("mixed", -1.0)):
        for transform in ("NONE", "LOGISTIC"):
            for base in ([], [0.2]):
                kinds: dict[str, Any] = {
                    **grown(5, classes=1, trees=3, low=low),
                    "classlabels_int64s": [0, 1],
                    "post_transform": transform,
                    **({"base_values": base} if base else {}),
                }
                name_of = f"tree_two_classes_{name}_{transform}_{len(base)}"
                found.append(case(name_of, "TreeEnsembleClassifier", x, outputs=2, **kinds))
    return found


def _trees_of_version_5(x: Array) -> list[Case]:
    def ensemble(dtype: type[np.generic], post: int = 0, aggregate: int = 1) -> dict[str, Any]:
        return {
            "nodes_featureids": [0, 1, 3],
            "nodes_splits": numpy_helper.from_array(np.asarray([0.6, 0.0, 0.8], dtype)),
            "nodes_modes": numpy_helper.from_array(np.asarray([0, 6, 3], np.uint8)),
            "nodes_truenodeids": [1, 0, 3],
            "nodes_falsenodeids": [2, 1, 2],
            "nodes_trueleafs": [0, 1, 1],
            "nodes_falseleafs": [1, 1, 1],
            "leaf_targetids": [0, 1, 1, 0],
            "leaf_weights": numpy_helper.from_array(np.asarray([0.5, 0.25, 0.75, 0.125], dtype)),
            "membership_values": numpy_helper.from_array(np.asarray([1.0, 2.0, np.nan], dtype)),
            "tree_roots": [0, 2],
            "n_targets": 2,
            "post_transform": post,
            "aggregate_function": aggregate,
        }

    halves = np.round(x * 2) / 2
    posts = [
        case(f"ensemble_{post}", "TreeEnsemble", halves, version=5, **ensemble(np.float32, post)) for post in range(5)
    ]
    # ONNX Runtime takes the numbers of SOFTMAX and LOGISTIC the other way round.
    softmax, logistic = replace(posts[1], judged=posts[2]), replace(posts[2], judged=posts[1])
    aggregates = [
        case(f"ensemble_aggregate_{kind}", "TreeEnsemble", halves, version=5, **ensemble(np.float32, 0, kind))
        for kind in range(4)
    ]
    doubles = case("ensemble_doubles", "TreeEnsemble", halves.astype(np.float64), version=5, **ensemble(np.float64))
    return [posts[0], softmax, logistic, *posts[3:], *aggregates, doubles]


def grown(seed: int, *, classes: int, trees: int, low: float) -> dict[str, Any]:
    """Random trees as TreeEnsembleClassifier's attributes; every leaf votes for every class, from `low` to 1."""
    random_numbers = np.random.default_rng(seed)
    found: dict[str, list[Any]] = {name: [] for name in (*_NODE_LISTS, *_VOTE_LISTS)}

    def grow(tree: int, level: int, numbers: list[int]) -> int:
        node = len(numbers)
        numbers.append(node)
        is_leaf = level == 3 or (level > 0 and random_numbers.random() < 0.2)
        modes = ("LEQ", "LT", "GTE", "GT", "EQ")
        mode = "LEAF" if is_leaf else f"BRANCH_{modes[int(random_numbers.integers(len(modes)))]}"
        row = (tree, node, int(random_numbers.integers(4)), mode, float(random_numbers.random()), 0, 0)
        for name, value in zip(_NODE_LISTS, row, strict=True):
            found[name].append(value)
        at = len(found["nodes_nodeids"]) - 1
        if is_leaf:
            for number in range(classes):
                for name, value in zip(_VOTE_LISTS, (tree, node, number, random_numbers.uniform(low, 1)), strict=True):
                    found[name].append(value)
        else:
            found["nodes_truenodeids"][at] = grow(tree, level + 1, numbers)
            found["nodes_falsenodeids"][at] = grow(tree, level + 1, numbers)
        return node

    for tree in range(trees):
        grow(tree, 0, [])
    return dict(found)


_NODE_LISTS = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids",
    "nodes_falsenodeids",
)  # fmt: skip
_VOTE_LISTS = ("class_treeids", "class_nodeids", "class_ids", "class_weights")


def targets_of(classes: Mapping[str, Any]) -> dict[str, Any]:
    """The same trees as TreeEnsembleRegressor's attributes."""
    return {name.replace("class_", "target_"): value for name, value in classes.items()}
