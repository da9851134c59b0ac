"""Linear models of `ai.onnx.ml`."""

from __future__ import annotations

import numpy as np

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
from halo_frontends.onnx.formula import Formula
from halo_frontends.onnx.upgrade import Upgraded
from halo_py.ir.graph import Value
from halo_py.types import DType


@expands("LinearRegressor")
def _linear_regressor(draft: Draft, maker: Maker) -> Upgraded:
    """Scores x C' + b, transformed; the coefficients of each target stand together."""
    formula = Formula(draft, maker)
    formula.allow("coefficients", "intercepts", "post_transform", "targets")
    transform = formula.choice("post_transform", *TRANSFORMS)
    scores, _ = _scores(formula, draft.integer("targets", 1))
    return formula.end("Identity", transformed(formula, scores, transform))


@expands("LinearClassifier")
def _linear_classifier(draft: Draft, maker: Maker) -> Upgraded:
    """Labels by the highest score, and the scores x C' + b, transformed. One score for two classes is the second's."""
    formula = Formula(draft, maker)
    formula.allow(
        "classlabels_ints", "classlabels_strings", "coefficients", "intercepts", "multi_class", "post_transform"
    )
    transform = formula.choice("post_transform", *TRANSFORMS)
    labels = class_labels(formula, "classlabels_ints", "classlabels_strings")
    scores, count = _scores(formula, formula.floats("intercepts").size or None)
    if count == 1 and labels.size == 2:
        shown = of_two_classes(formula, scores, transform, complement=True)
        return by_threshold(formula, labels, scores, 0.0), shown
    if count != labels.size:
        raise formula.error(f"has {labels.size} labels for {count} scores")
    return best(formula, labels, scores), transformed(formula, scores, transform)


def _scores(formula: Formula, count: int | None) -> tuple[Value, int]:
    """The linear scores [items, count] as float32; the count is what the coefficients say if it is not given."""
    coefficients, intercepts = formula.floats("coefficients"), formula.floats("intercepts")
    features = formula.last_extent()
    if count is None and features:
        count = coefficients.size // features
    if not count or not coefficients.size or coefficients.size % count:
        raise formula.error(f"has {coefficients.size} coefficients for {count or 'an unknown number of'} scores")
    if features not in (None, coefficients.size // count) or intercepts.size not in (0, count):
        raise formula.error(
            f"has {coefficients.size} coefficients and {intercepts.size} intercepts "
            f"for {count} scores of {features} features"
        )
    x = formula.rows()
    matrix = formula.like(coefficients.reshape(count, -1), x)
    shift = formula.like(intercepts if intercepts.size else np.zeros(count, np.float32), x)
    return formula.cast(formula("Gemm", x, matrix, shift, transB=1), DType.FLOAT32), count
