"""Trees of `ai.onnx.ml`: the ensembles are ops, what follows their sums is spelled out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from halo_frontends.onnx.attributes import AttributeValue
from halo_frontends.onnx.classical import expands
from halo_frontends.onnx.classical_scores import (
    TRANSFORMS,
    best,
    by_threshold,
    class_labels,
    of_two_classes,
    transformed,
)
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.formula import Array, Formula
from halo_frontends.onnx.upgrade import Upgraded
from halo_py.ir.graph import Value
from halo_py.types import DType

_TREE = (
    "nodes_falsenodeids", "nodes_featureids", "nodes_missing_value_tracks_true", "nodes_modes", "nodes_nodeids",
    "nodes_treeids", "nodes_truenodeids", "nodes_values", "nodes_values_as_tensor",
)  # fmt: skip
_UNUSED = ("nodes_hitrates", "nodes_hitrates_as_tensor")
_SHOWN = ("base_values", "base_values_as_tensor", "post_transform")


@expands("TreeEnsemble")
def _tree_ensemble(draft: Draft, maker: Maker) -> Upgraded:
    """The transform that may follow becomes operators of its own; how often a node is met does not matter.

    1 is SOFTMAX and 2 LOGISTIC, as the standard says (ONNX Runtime takes them the other way round).
    """
    formula, number = Formula(draft, maker), draft.integer("post_transform", 0)
    plain = draft.without("post_transform", "nodes_hitrates")
    if not number:
        return plain
    if not 0 <= number < len(TRANSFORMS):
        raise formula.error(f"post_transform {number} is unknown")
    scores = formula("ai.onnx.ml.TreeEnsemble", draft.value(0), **plain.attributes)
    return formula.end("Identity", transformed(formula, scores, TRANSFORMS[number]))


@expands("TreeEnsembleRegressor")
def _tree_ensemble_regressor(draft: Draft, maker: Maker) -> Upgraded:
    """The aggregates, with the base values added to all of them, transformed."""
    formula = Formula(draft, maker)
    targets = ("target_ids", "target_nodeids", "target_treeids", "target_weights", "target_weights_as_tensor")
    formula.allow(*_TREE, *_UNUSED, *_SHOWN, *targets, "n_targets", "aggregate_function")
    transform = formula.choice("post_transform", *TRANSFORMS)
    base, count = formula.floats("base_values"), draft.integer("n_targets", 0)
    if base.size not in (0, count):
        raise formula.error(f"has {base.size} base values for {count} targets")
    if not base.size and transform == "NONE" and draft.dtype(0).is_float and formula.rank() == 2:
        return draft.without(*_UNUSED, *_SHOWN)
    scores = _sums(formula, draft.without(*_UNUSED, *_SHOWN).attributes, base)
    return formula.end("Identity", transformed(formula, scores, transform))


@expands("TreeEnsembleClassifier")
def _tree_ensemble_classifier(draft: Draft, maker: Maker) -> Upgraded:
    """Labels by the highest sum of votes, and the sums, transformed.

    If all votes are for class 0 of two, they are the second one's score, and what is made of it depends on whether all
    of them are positive: that is how ONNX Runtime reads what exporters write for two classes.
    """
    formula = Formula(draft, maker)
    votes = ("class_ids", "class_nodeids", "class_treeids", "class_weights", "class_weights_as_tensor")
    formula.allow(*_TREE, *_UNUSED, *_SHOWN, *votes, "classlabels_int64s", "classlabels_strings")
    transform = formula.choice("post_transform", *TRANSFORMS)
    labels = class_labels(formula, "classlabels_int64s", "classlabels_strings")
    base, weights = formula.floats("base_values"), formula.floats("class_weights")
    single = labels.size == 2 and set(formula.ints("class_ids")) == {0} and base.size < 2
    if base.size not in (0, labels.size) and not single:
        raise formula.error(f"has {base.size} base values for {labels.size} labels")
    attributes = {name: draft.attributes[name] for name in _TREE if name in draft.attributes}
    attributes |= {
        f"target_{name.removeprefix('class_')}": draft.attributes[name] for name in votes if name in draft.attributes
    }
    scores = _sums(formula, {**attributes, "n_targets": 1 if single else labels.size}, base)
    if not single:
        return best(formula, labels, scores), transformed(formula, scores, transform)
    positive = bool((weights >= 0).all())
    shown = of_two_classes(formula, scores, transform, complement=positive)
    return by_threshold(formula, labels, scores, 0.5 if positive else 0.0), shown


def _sums(formula: Formula, attributes: Mapping[str, AttributeValue], base: Array) -> Value:
    """The aggregates [items, targets] as float32, with the base values added."""
    scores = formula("ai.onnx.ml.TreeEnsembleRegressor", formula.rows(), **attributes)
    scores = formula.cast(scores, DType.FLOAT32)
    return formula("Add", scores, base.astype(np.float32)) if base.size else scores
