"""Support vector machines of `ai.onnx.ml`."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from halo_frontends.onnx.classical import expands
from halo_frontends.onnx.classical_scores import TRANSFORMS, best, class_labels, of_two_classes, transformed
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.formula import Array, Formula
from halo_frontends.onnx.placed import PlacedNodes
from halo_frontends.onnx.upgrade import Upgraded
from halo_py.ir.graph import Value
from halo_py.ops.coupling import PairwiseCoupling
from halo_py.types import DType

_LEAST = 1e-7
"""Probabilities of pairs stay this far from 0 and 1."""

_KERNEL = ("coefficients", "kernel_params", "kernel_type", "post_transform", "rho", "support_vectors")


@expands("SVMRegressor")
def _svm_regressor(draft: Draft, maker: Maker) -> Upgraded:
    """Kernels with the support vectors, weighted, plus rho; their sign for one class. Without vectors it is linear."""
    formula = Formula(draft, maker)
    formula.allow(*_KERNEL, "n_supports", "one_class")
    transform = formula.choice("post_transform", *TRANSFORMS)
    coefficients, count = formula.floats("coefficients"), draft.integer("n_supports", 0)
    if count and coefficients.size != count:
        raise formula.error(f"has {coefficients.size} coefficients for {count} support vectors")
    x = formula.rows()
    weighted = _kernels(formula, x, count) if count else x
    features = formula.last_extent()
    if not count and features not in (None, coefficients.size):
        raise formula.error(f"has {coefficients.size} coefficients for {features} features")
    column = formula.like(coefficients.reshape(-1, 1), x)
    scores = formula.cast(formula("Gemm", weighted, column, formula.like(_rho(formula, 1), x)), DType.FLOAT32)
    if draft.integer("one_class", 0):
        inside = formula("Greater", scores, formula.like(0, scores))
        scores = formula("Where", inside, formula.like(1, scores), formula.like(-1, scores))
    return formula.end("Identity", transformed(formula, scores, transform))


@expands("SVMClassifier")
def _svm_classifier(draft: Draft, maker: Maker) -> Upgraded:
    """Labels and scores. With support vectors each pair of classes votes, and scores are the pairs' decisions.

    With `prob_a` and `prob_b` they are probabilities of the classes instead. Without vectors the model is linear and
    has a score for each class.
    """
    formula = Formula(draft, maker)
    formula.allow(*_KERNEL, "classlabels_ints", "classlabels_strings", "prob_a", "prob_b", "vectors_per_class")
    transform = formula.choice("post_transform", *TRANSFORMS)
    labels = class_labels(formula, "classlabels_ints", "classlabels_strings")
    sizes = formula.ints("vectors_per_class")
    if any(size < 0 for size in sizes) or (sum(sizes) and len(sizes) != labels.size):
        raise formula.error(f"has {len(sizes)} numbers of vectors for {labels.size} labels")
    if not sum(sizes):
        scores = _linear(formula, labels.size)
        return best(formula, labels, scores), transformed(formula, scores, transform)
    decisions = _decisions(formula, sizes)
    label = best(formula, labels, _votes(formula, decisions, labels.size))
    if formula.floats("prob_a").size:
        return label, transformed(formula, _probabilities(formula, decisions, labels.size), transform)
    if labels.size == 2:
        return label, of_two_classes(formula, decisions, transform, complement=False)
    return label, transformed(formula, decisions, transform)


def _linear(formula: Formula, classes: int) -> Value:
    coefficients = formula.floats("coefficients")
    features = formula.last_extent()
    if not coefficients.size or coefficients.size % classes or features not in (None, coefficients.size // classes):
        raise formula.error(f"has {coefficients.size} coefficients for {classes} classes of {features} features")
    x = formula.rows()
    matrix = formula.like(coefficients.reshape(classes, -1), x)
    scores = formula("Gemm", x, matrix, formula.like(_rho(formula, 1), x), transB=1)
    return formula.cast(scores, DType.FLOAT32)


def _decisions(formula: Formula, sizes: tuple[int, ...]) -> Value:
    """[item, pair]: greater than 0 for the first class of the pair. The vectors of a class stand together."""
    count, classes = sum(sizes), len(sizes)
    coefficients = formula.floats("coefficients")
    if coefficients.size != (classes - 1) * count:
        raise formula.error(f"has {coefficients.size} coefficients for {count} vectors of {classes} classes")
    table = coefficients.reshape(classes - 1, count)
    starts = np.cumsum((0, *sizes))
    pairs = list(combinations(range(classes), 2))
    weights: Array = np.zeros((count, len(pairs)), table.dtype)
    for number, (first, second) in enumerate(pairs):
        for one, other in ((first, second - 1), (second, first)):
            rows = slice(starts[one], starts[one + 1])
            weights[rows, number] = table[other, rows]
    x = formula.rows()
    shift = formula.like(_rho(formula, len(pairs)), x)
    found = formula("Gemm", _kernels(formula, x, count), formula.like(weights, x), shift)
    return formula.cast(found, DType.FLOAT32)


def _votes(formula: Formula, decisions: Value, classes: int) -> Value:
    """[item, class]: how many pairs decide for each class."""
    pairs = list(combinations(range(classes), 2))
    gains: Array = np.zeros((len(pairs), classes), np.float32)
    given: Array = np.zeros(classes, np.float32)
    for number, (first, second) in enumerate(pairs):
        gains[number, first], gains[number, second] = 1, -1
        given[second] += 1
    first_wins = formula.cast(formula("Greater", decisions, formula.like(0, decisions)), DType.FLOAT32)
    return formula("Gemm", first_wins, gains, given)


def _probabilities(formula: Formula, decisions: Value, classes: int) -> Value:
    """[item, class]: what the pairs' probabilities, logistic functions of their decisions, agree on."""
    slopes, shifts = formula.floats("prob_a"), formula.floats("prob_b")
    pairs = classes * (classes - 1) // 2
    if slopes.size != pairs or shifts.size != pairs:
        raise formula.error(f"has {slopes.size} and {shifts.size} coefficients of probabilities for {pairs} pairs")
    steep = formula(
        "Add", formula("Mul", decisions, formula.like(-slopes, decisions)), formula.like(-shifts, decisions)
    )
    bounds = (formula.like(bound, decisions) for bound in (_LEAST, 1 - _LEAST))
    likely = formula("Clip", formula("Sigmoid", steep), *bounds)
    return PlacedNodes(formula.maker.builder, formula.draft.where).add(PairwiseCoupling(classes=classes), likely)


def _rho(formula: Formula, count: int) -> Array:
    """The first `count` numbers of rho. Raises ModelError if there are fewer."""
    rho = formula.floats("rho")
    if rho.size < count:
        raise formula.error(f"has {rho.size} numbers in 'rho', needs {count}")
    return rho[:count]


def _kernels(formula: Formula, x: Value, count: int) -> Value:
    """[item, vector]: the kernel of every item with every support vector."""
    flat, kernel = formula.floats("support_vectors"), formula.choice("kernel_type", "LINEAR", "POLY", "RBF", "SIGMOID")
    features = formula.last_extent()
    if not flat.size or flat.size % count or features not in (None, flat.size // count):
        raise formula.error(f"has {flat.size} numbers for {count} support vectors of {features} features")
    vectors = formula.like(flat.reshape(count, -1), x)
    parameters = formula.floats("kernel_params")
    if kernel == "LINEAR":
        return formula("MatMul", x, vectors.T)
    if parameters.size != 3:
        raise formula.error(f"kernel_params must be gamma, coef0 and degree, found {parameters.size} numbers")
    gamma, shift, degree = (formula.like(number, x) for number in parameters)
    if kernel == "RBF":
        return formula("Exp", formula("Mul", _squared_distances(formula, x, vectors), -gamma))
    scaled = formula("Add", formula("Mul", formula("MatMul", x, vectors.T), gamma), shift)
    return formula("Pow", scaled, degree) if kernel == "POLY" else formula("Tanh", scaled)


def _squared_distances(formula: Formula, x: Value, vectors: Array) -> Value:
    """|x - v|² as |x|² - 2 x·v + |v|², around the vectors' mean, where the terms are no larger than they need be."""
    mean = vectors.mean(axis=0, dtype=np.float64).astype(vectors.dtype)
    near = vectors - mean
    item = formula("Sub", x, mean)
    lengths = formula("ReduceSumSquare", item, np.asarray([1], np.int64), keepdims=1)
    squares = (near.astype(np.float64) ** 2).sum(axis=1).astype(vectors.dtype)
    crossed = formula("Gemm", item, -2 * near.T, squares)
    return formula("Max", formula("Add", crossed, lengths), formula.like(0, x))
