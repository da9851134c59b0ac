"""Operators of `ai.onnx.ml` that prepare features: scaling, replacing, choosing, joining."""

from __future__ import annotations

import math

import numpy as np

from halo_frontends.onnx.classical import expands
from halo_frontends.onnx.draft import Draft, Maker
from halo_frontends.onnx.formula import Array, Formula
from halo_frontends.onnx.upgrade import Upgraded
from halo_py.ir.graph import Value
from halo_py.types import DType

_LAST = np.asarray([-1], np.int64)


@expands("Binarizer")
def _binarizer(draft: Draft, maker: Maker) -> Upgraded:
    """1 where an element is greater than the threshold, else 0; integers are compared exactly."""
    formula = Formula(draft, maker)
    formula.allow("threshold")
    threshold, x = draft.number("threshold") or 0.0, draft.value(0)
    if draft.dtype(0).is_integer:
        op, bound = _integer_bound(threshold, formula.like(0, x).dtype)
        above = formula(op, x, bound)
    else:
        above = formula("Greater", x, formula.like(threshold, x))
    return formula.end("Cast", above, to=draft.dtype(0).onnx_number)


def _integer_bound(threshold: float, dtype: np.dtype[np.generic]) -> tuple[str, Array]:
    """An integer x is greater than the threshold if it is greater than the largest integer below that."""
    limits = np.iinfo(np.dtype(dtype.name))
    if math.isnan(threshold) or threshold >= limits.max:
        return "Greater", np.asarray(limits.max, dtype)
    if threshold < limits.min:
        return "GreaterOrEqual", np.asarray(limits.min, dtype)
    return "Greater", np.asarray(math.floor(threshold), dtype)


@expands("Scaler")
def _scaler(draft: Draft, maker: Maker) -> Upgraded:
    """(x - offset) scale, each one number or one per feature."""
    formula = Formula(draft, maker)
    formula.allow("scale", "offset")
    x = formula.real()
    offset = _per_feature(formula, formula.floats("offset"), "offset")
    scale = _per_feature(formula, formula.floats("scale"), "scale")
    if offset.size:
        x = formula("Sub", x, formula.like(offset, x))
    if scale.size:
        x = formula("Mul", x, formula.like(scale, x))
    return formula.end("Cast", x, to=DType.FLOAT32.onnx_number)


def _per_feature(formula: Formula, numbers: Array, name: str) -> Array:
    """Numbers of which there are one or as many as features (or none). Raises ModelError."""
    features = formula.last_extent()
    if numbers.size > 1 and features not in (None, numbers.size):
        raise formula.error(f"has {numbers.size} numbers in {name!r} for {features} features")
    return numbers


@expands("Normalizer")
def _normalizer(draft: Draft, maker: Maker) -> Upgraded:
    """Rows divided by their largest element, the sum of their magnitudes or their Euclidean length, if that is not 0.

    The standard's formula for L1 has no magnitudes and that for L2 loses the sign; ONNX Runtime's results are these.
    """
    formula = Formula(draft, maker)
    formula.allow("norm")
    reduce = {"MAX": "ReduceMax", "L1": "ReduceL1", "L2": "ReduceL2"}[formula.choice("norm", "MAX", "L1", "L2")]
    if formula.rank() not in (1, 2):
        raise formula.error(f"operand 0 must have 1 or 2 dimensions, found {formula.rank()}")
    x = formula.real()
    norm = formula(reduce, x, _LAST, keepdims=1)
    zero = formula("Equal", norm, formula.like(0, x))
    quotient = formula("Div", x, formula("Where", zero, formula.like(1, x), norm))
    return formula.end("Cast", quotient, to=DType.FLOAT32.onnx_number)


@expands("Imputer")
def _imputer(draft: Draft, maker: Maker) -> Upgraded:
    """Elements that equal one value (or are NaN) replaced by another, or by one per feature."""
    formula = Formula(draft, maker)
    formula.allow("imputed_value_floats", "imputed_value_int64s", "replaced_value_float", "replaced_value_int64")
    x = draft.value(0)
    if draft.dtype(0).is_integer:
        wanted: float = draft.integer("replaced_value_int64", 0)
        imputed: Array = np.asarray(formula.ints("imputed_value_int64s"), np.int64)
    else:
        wanted = draft.number("replaced_value_float") or 0.0
        imputed = formula.floats("imputed_value_floats")
    if not imputed.size:
        raise formula.error(f"has no imputed values for elements of type {draft.dtype(0).text}")
    missing = formula("IsNaN", x) if math.isnan(wanted) else formula("Equal", x, formula.like(wanted, x))
    values = _per_feature(formula, imputed, "imputed_value")
    return formula.end("Where", missing, formula.like(values, x), x)


@expands("FeatureVectorizer")
def _feature_vectorizer(draft: Draft, maker: Maker) -> Upgraded:
    """All operands as float32 side by side, each cut or filled up with zeros to its size in `inputdimensions`."""
    formula = Formula(draft, maker)
    formula.allow("inputdimensions")
    sizes = formula.ints("inputdimensions")
    if sizes and len(sizes) != len(draft.inputs):
        raise formula.error(f"has {len(sizes)} inputdimensions for {len(draft.inputs)} operands")
    parts: list[Value] = []
    for index in range(len(draft.inputs)):
        part = formula.cast(formula.rows(index), DType.FLOAT32)
        parts.append(_resized(formula, part, index, sizes[index]) if sizes else part)
    return formula.end("Concat", *parts, axis=1)


def _resized(formula: Formula, part: Value, index: int, size: int) -> Value:
    """A matrix with this many columns."""
    columns = formula.last_extent(index)
    if columns == size:
        return part
    if columns is None or columns < size:
        widest = size if columns is None else size - columns
        part = formula("Pad", part, np.asarray([0, 0, 0, widest], np.int64))
    return formula("Slice", part, *(np.asarray([number], np.int64) for number in (0, size, 1)))


@expands("ArrayFeatureExtractor")
def _array_feature_extractor(draft: Draft, maker: Maker) -> Upgraded:
    """Columns of the last dimension; a vector is one row."""
    formula = Formula(draft, maker)
    formula.allow()
    data = draft.value(0)
    if formula.rank() == 1:
        data = formula("Unsqueeze", data, np.asarray([0], np.int64))
    return formula.end("Gather", data, formula("Reshape", draft.value(1), _LAST), axis=max(formula.rank(), 2) - 1)


@expands("OneHotEncoder")
def _one_hot_encoder(draft: Draft, maker: Maker) -> Upgraded:
    """A new last dimension with a 1 at the place of the element's category, the last one if it is there twice.

    Where an unknown category must end the run, the operator stays as it is: only the host can do that.
    """
    formula = Formula(draft, maker)
    formula.allow("cats_int64s", "cats_strings", "zeros")
    if not draft.integer("zeros", 1) or draft.dtype(0) is DType.STRING:
        return draft
    categories = formula.ints("cats_int64s")
    if not categories:
        raise formula.error(f"has no categories for elements of type {draft.dtype(0).text}")
    whole = formula("Unsqueeze", formula.cast(draft.value(0), DType.INT64), _LAST)
    hot = formula("Equal", whole, np.asarray(categories, np.int64))
    if len(set(categories)) < len(categories):
        last = [category not in categories[place + 1 :] for place, category in enumerate(categories)]
        hot = formula("And", hot, np.asarray(last, np.bool_))
    return formula.end("Cast", hot, to=DType.FLOAT32.onnx_number)


@expands("CategoryMapper")
def _category_mapper(draft: Draft, maker: Maker) -> Upgraded:
    """Strings to numbers or back, by the lookup that LabelEncoder is."""
    formula = Formula(draft, maker)
    formula.allow("cats_int64s", "cats_strings", "default_int64", "default_string")
    numbers, strings = formula.ints("cats_int64s"), formula.strings("cats_strings")
    plain = draft.without("cats_int64s", "cats_strings").renamed("LabelEncoder", draft.domain)
    if draft.dtype(0) is DType.STRING:
        return plain.setting(keys_strings=strings, values_int64s=numbers)
    return plain.setting(keys_int64s=numbers, values_strings=strings)


@expands("LabelEncoder")
def _label_encoder(draft: Draft, maker: Maker) -> Upgraded:
    """The first version had one list of strings, whose positions are the numbers."""
    classes = Formula(draft, maker).strings("classes_strings")
    if not classes:
        return draft
    plain, numbers = draft.without("classes_strings"), tuple(range(len(classes)))
    if draft.dtype(0) is DType.STRING:
        return plain.setting(keys_strings=classes, values_int64s=numbers)
    return plain.setting(keys_int64s=numbers, values_strings=classes)
