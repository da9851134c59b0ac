"""Scores of `ai.onnx.ml`'s models: the transforms that may follow them, and the labels that are chosen by them."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from halo_frontends.onnx.formula import Array, Formula
from halo_py.errors import UnsupportedError
from halo_py.ir.graph import Value
from halo_py.types import DType

TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")

_CLASSES = np.asarray([1], np.int64)
_NEARLY_ZERO = 1e-7
"""SOFTMAX_ZERO leaves scores that are no larger out (ONNX's and ONNX Runtime's evaluators agree on the number)."""

_WINITZKI = 0.147
"""The constant of Winitzki's approximation of the inverse error function (2008), by which both define PROBIT."""


def transformed(formula: Formula, scores: Value, transform: str) -> Value:
    """Scores [items, classes] of type float32 after one of `TRANSFORMS`."""
    match transform:
        case "SOFTMAX":
            return formula("Softmax", scores, axis=1)
        case "LOGISTIC":
            return formula("Sigmoid", scores)
        case "SOFTMAX_ZERO":
            return _softmax_zero(formula, scores)
        case "PROBIT":
            return _probit(formula, scores)
        case _:
            return scores


def _softmax_zero(formula: Formula, scores: Value) -> Value:
    """Softmax over the scores that are not zero; those that are stay so."""
    top = formula("ReduceMax", scores, _CLASSES, keepdims=1)
    powers = formula("Exp", formula("Sub", scores, top))
    small = formula("Mul", scores, formula("Exp", formula("Neg", top)))
    is_zero = formula("LessOrEqual", formula("Abs", scores), formula.like(_NEARLY_ZERO, scores))
    weights = formula("Where", is_zero, small, powers)
    return formula("Div", weights, formula("ReduceSum", weights, _CLASSES, keepdims=1))


def _probit(formula: Formula, scores: Value) -> Value:
    """The inverse of the normal distribution function: sqrt(2) erf^-1(2 p - 1)."""

    def number(value: float) -> Array:
        return formula.like(value, scores)

    x = formula("Sub", formula("Mul", scores, number(2)), number(1))
    log = formula("Log", formula("Mul", formula("Sub", number(1), x), formula("Add", x, number(1))))
    half = formula("Add", formula("Mul", log, number(0.5)), number(2 / (pi * _WINITZKI)))
    product = formula("Mul", log, number(-1 / _WINITZKI))
    root = formula("Sqrt", formula("Add", formula("Mul", half, half), product))
    # root - half loses digits where half is positive; there it is the other root's reciprocal.
    plain, stable = formula("Sub", root, half), formula("Div", product, formula("Add", root, half))
    square = formula("Where", formula("Greater", half, number(0)), stable, plain)
    magnitude = formula("Mul", formula("Sqrt", square), number(sqrt(2)))
    return formula("Mul", formula("Sign", x), magnitude)


def of_two_classes(formula: Formula, score: Value, transform: str, *, complement: bool) -> Value:
    """Both scores of two classes for which a model has one, [items, 1], that of the second.

    The first one's is 1 - score with `complement`, else -score. This is what ONNX Runtime answers; the standard says
    nothing of it. Raises UnsupportedError for the transforms of which ONNX Runtime makes no sense either.
    """
    if transform == "LOGISTIC":
        return formula("Sigmoid", formula("Concat", formula("Neg", score), score, axis=1))
    if transform != "NONE":
        message = f"{transform} of the one score that is given for two classes has no agreed meaning"
        raise UnsupportedError(message, formula.draft.where)
    first = formula("Sub", formula.like(1, score), score) if complement else formula("Neg", score)
    return formula("Concat", first, score, axis=1)


def class_labels(formula: Formula, integers: str, strings: str) -> Array:
    """The labels in the attribute of one of these names. Raises ModelError if there are fewer than two."""
    found = [*formula.strings(strings)] or [*formula.ints(integers)]
    if len(found) < 2:
        raise formula.error(f"needs two or more labels in {integers!r} or {strings!r}, found {len(found)}")
    return np.asarray(found, object if isinstance(found[0], str) else np.int64)


def best(formula: Formula, labels: Array, scores: Value) -> Value:
    """The label of the class with the highest score, of equals the first."""
    return formula("Gather", labels, formula("ArgMax", scores, axis=1, keepdims=0))


def by_threshold(formula: Formula, labels: Array, score: Value, threshold: float) -> Value:
    """The second label where the one score [items, 1] is greater than the threshold, else the first."""
    above = formula("Greater", score, formula.like(threshold, score))
    number = formula("Squeeze", formula.cast(above, DType.INT64), _CLASSES)
    return formula("Gather", labels, number)
