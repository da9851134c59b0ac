"""Small models of `ai.onnx.ml` operators: one node each, over their attributes and element types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.frontends.onnx_models import Array, make_graph, random, tensor_input, untyped

DOMAIN = "ai.onnx.ml"
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@dataclass(frozen=True, slots=True)
class Case:
    """A model and its inputs; ONNX Runtime is the judge unless the results are given."""

    name: str
    model: ModelProto
    inputs: Mapping[str, Array]
    expected: Sequence[Array] | None = None
    tiles: bool = True
    """Whether all of it runs on tiles."""
    judged: Case | None = None
    """A case of the same results, where ONNX Runtime lacks this one's element types."""


def case(
    name: str,
    op: str,
    *operands: Array,
    outputs: int = 1,
    version: int = 3,
    expected: Sequence[Array] | None = None,
    tiles: bool = True,
    judged: Sequence[Array] | None = None,
    **attributes: Any,
) -> Case:
    """A one-node model of that version of the domain; `judged` are operands of types that ONNX Runtime takes."""
    names = [f"x{number}" for number in range(len(operands))]
    results = [f"y{number}" for number in range(outputs)]
    node = helper.make_node(op, names, results, name="node", domain=DOMAIN, **attributes)
    ports = [tensor_input(key, *value.shape, type=_number(value)) for key, value in zip(names, operands, strict=True)]
    graph = make_graph([node], ports, [untyped(result) for result in results])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, version)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    other = None if judged is None else case(name, op, *judged, outputs=outputs, version=version, **attributes)
    return Case(name, model, dict(zip(names, operands, strict=True)), expected, tiles, other)


def _number(array: Array) -> int:
    return TensorProto.STRING if array.dtype == object else int(helper.np_dtype_to_tensor_dtype(array.dtype))


def words(*items: str) -> Array:
    """A vector of strings."""
    return np.asarray(items, object)


def feature_cases() -> list[Case]:
    """Operators that prepare features."""
    x = random(1, 3, 4)
    numbers = np.asarray([[1, -2, 0, 3], [2, 7, -1, 0]], np.int64)
    with_zeros = np.concatenate([x, np.zeros((1, 4), np.float32), -np.abs(x[:1])])
    return [
        *_binarizers(numbers, x),
        case("scaler", "Scaler", x, scale=[2.0, -1.0, 0.5, 3.0], offset=[1.0, 0.0, -2.0, 0.25]),
        case("scaler_one_number", "Scaler", random(2, 2, 3, 4), scale=[2.0], offset=[1.5]),
        case("scaler_integers", "Scaler", numbers, scale=[0.5], offset=[3.0]),
        case("scaler_doubles", "Scaler", x.astype(np.float64), scale=[0.5] * 4, offset=[3.0] * 4),
        case("scaler_vector", "Scaler", x[0], scale=[0.5], offset=[3.0]),
        *(case(f"normalizer_{norm}", "Normalizer", with_zeros, norm=norm) for norm in ("MAX", "L1", "L2")),
        *(case(f"normalizer_{norm}_vector", "Normalizer", x[0], norm=norm) for norm in ("MAX", "L1", "L2")),
        case("normalizer_integers", "Normalizer", numbers, norm="L2"),
        case("normalizer_doubles", "Normalizer", x.astype(np.float64), norm="L1"),
        *_imputers(numbers),
        *_joins(x),
        *_categories(),
    ]


def _binarizers(numbers: Array, x: Array) -> list[Case]:
    found = [case("binarizer", "Binarizer", x, threshold=0.2), case("binarizer_default", "Binarizer", x)]
    # ONNX Runtime has a kernel for float32 only.
    for dtype in (np.int32, np.int64):
        for threshold in (0.0, 1.5, -1.0, 1e30, -1e30, float("nan")):
            values = np.append(numbers, [[np.iinfo(dtype).min, np.iinfo(dtype).max]]).astype(dtype)
            above = np.asarray([item > threshold for item in values.tolist()])
            found.append(
                case(
                    f"binarizer_{np.dtype(dtype)}_{threshold}",
                    "Binarizer",
                    values,
                    threshold=threshold,
                    expected=[above.astype(dtype)],
                )
            )
    doubles = np.asarray([0.1, np.float64(np.float32(0.1)), 0.11, np.nan])
    above = doubles > np.float64(np.float32(0.1))
    return [
        *found,
        case("binarizer_double", "Binarizer", doubles, threshold=0.1, expected=[above.astype(np.float64)]),
    ]


def _imputers(numbers: Array) -> list[Case]:
    holes = np.asarray([[1, np.nan, 3], [np.nan, np.nan, -1]], np.float32)
    nan = float("nan")
    return [
        case("imputer_nan", "Imputer", holes, imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=nan),
        case("imputer_number", "Imputer", holes, imputed_value_floats=[5.5], replaced_value_float=-1.0),
        case("imputer_int64", "Imputer", numbers, imputed_value_int64s=[9, 8, 7, 6], replaced_value_int64=0),
        case(
            "imputer_int32",
            "Imputer",
            numbers.astype(np.int32),
            imputed_value_int64s=[9],
            expected=[np.where(numbers == 0, 9, numbers).astype(np.int32)],
        ),
        case(
            "imputer_double",
            "Imputer",
            holes.astype(np.float64),
            imputed_value_floats=[1.0, 2.0, 3.0],
            replaced_value_float=nan,
            expected=[np.where(np.isnan(holes), [1.0, 2.0, 3.0], holes.astype(np.float64))],
        ),
    ]


def _joins(x: Array) -> list[Case]:
    columns = np.asarray([[2, 0]], np.int64)
    return [
        case("vectorizer", "FeatureVectorizer", x, x[:, :2], inputdimensions=[4, 2]),
        case("vectorizer_cut_and_filled", "FeatureVectorizer", x, x[:, :2], inputdimensions=[3, 4]),
        case("vectorizer_vectors", "FeatureVectorizer", x[0], x[1], inputdimensions=[4, 4]),
        case("vectorizer_integers", "FeatureVectorizer", columns, columns, inputdimensions=[2, 2]),
        case("extractor", "ArrayFeatureExtractor", x, columns),
        case("extractor_vector", "ArrayFeatureExtractor", x[0], columns[0]),
        case("extractor_more_dimensions", "ArrayFeatureExtractor", random(3, 2, 3, 4), columns.reshape(2, 1)),
        case("extractor_strings", "ArrayFeatureExtractor", words("a", "b", "c"), columns, tiles=False),
    ]


def _categories() -> list[Case]:
    floats = np.asarray([[1.7, 2.0], [3.0, 5.0]], np.float32)
    found = [
        case("one_hot", "OneHotEncoder", np.asarray([3, 1, 2], np.int64), cats_int64s=[1, 2, 3]),
        case("one_hot_twice", "OneHotEncoder", np.asarray([3, 1, 2], np.int64), cats_int64s=[1, 2, 1, 3, 2]),
        case("one_hot_floats", "OneHotEncoder", floats, cats_int64s=[1, 2, 3]),
        case("one_hot_all_known", "OneHotEncoder", floats, cats_int64s=[1, 2, 3, 5], zeros=0, tiles=False),
        case("one_hot_strings", "OneHotEncoder", words("b", "a", "?"), cats_strings=["a", "b"], tiles=False),
    ]
    pairs: dict[str, Any] = {"cats_strings": ["a", "b"], "cats_int64s": [7, -7]}
    text, numbers = words("b", "?", "a"), np.asarray([[7, 0], [-7, 7]], np.int64)
    found += [
        case("mapper_to_numbers", "CategoryMapper", text, default_int64=5, tiles=False, **pairs),
        case("mapper_to_strings", "CategoryMapper", numbers, default_string="none", tiles=False, **pairs),
        case("labels_of_version_1", "LabelEncoder", text, version=1, classes_strings=["a", "b"], tiles=False),
        case("strings_of_version_1", "LabelEncoder", numbers, version=1, classes_strings=["a", "b"], tiles=False),
        case("labels", "LabelEncoder", numbers, version=4, keys_int64s=[7, -7], values_floats=[0.5, 2.0]),
        # ONNX Runtime takes the first of equal keys, the standard the last.
        case(
            "labels_twice",
            "LabelEncoder",
            numbers,
            version=4,
            keys_int64s=[7, -7, 7],
            values_floats=[0.5, 2.0, 4.0],
            default_float=-1.0,
            expected=[np.asarray([[4.0, -1.0], [2.0, 4.0]], np.float32)],
        ),
        case(
            "labels_many",
            "LabelEncoder",
            numbers,
            version=2,
            keys_int64s=list(range(-50, 50)),
            values_int64s=list(range(100)),
            tiles=False,
        ),
    ]
    return found


def linear_cases() -> list[Case]:
    """Linear models."""
    x = np.abs(random(5, 4, 3)) * 0.2
    three: dict[str, Any] = {"coefficients": (random(6, 9) * 0.3).tolist(), "intercepts": [0.3, 0.4, 0.2]}
    one: dict[str, Any] = {"coefficients": [0.4, -0.3, 0.9], "intercepts": [0.1]}
    found: list[Case] = []
    for transform in TRANSFORMS:
        found.append(case(f"regressor_{transform}", "LinearRegressor", x, targets=3, post_transform=transform, **three))
        for labels in ({"classlabels_ints": [5, 6, 9]}, {"classlabels_strings": ["a", "b", "c"]}):
            is_text = "classlabels_strings" in labels
            name = f"classifier_{transform}_{'strings' if is_text else 'ints'}"
            kinds: dict[str, Any] = {**three, **labels, "post_transform": transform}
            found.append(case(name, "LinearClassifier", x, outputs=2, tiles=not is_text, **kinds))
    for transform in ("NONE", "LOGISTIC"):
        kinds = {**one, "classlabels_ints": [5, 6], "post_transform": transform}
        found.append(case(f"classifier_one_score_{transform}", "LinearClassifier", x - 0.2, outputs=2, **kinds))
    sigmoid = 1 / (1 + np.exp(-(x @ np.asarray(one["coefficients"]) + 0.1).astype(np.float32)))
    logistic: dict[str, Any] = {**one, "post_transform": "LOGISTIC", "expected": [sigmoid.reshape(4, 1)]}
    whole = np.asarray([[1, -2, 3], [0, 5, 1]], np.int64)
    labels: dict[str, Any] = {"classlabels_ints": [1, 2, 3]}
    return [
        *found,
        case("regressor_one_target", "LinearRegressor", x, **one),
        case("regressor_one_target_transformed", "LinearRegressor", x, **logistic),
        case("regressor_without_intercepts", "LinearRegressor", x, coefficients=one["coefficients"]),
        case("regressor_vector", "LinearRegressor", x[0], **one),
        case("regressor_integers", "LinearRegressor", whole, judged=[whole.astype(np.float32)], **one),
        case("regressor_doubles", "LinearRegressor", x.astype(np.float64), judged=[x], targets=3, **three),
        case("classifier_vector", "LinearClassifier", x[0], outputs=2, **three, **labels),
        case("classifier_integers", "LinearClassifier", whole, outputs=2, **three, **labels),
        case("classifier_doubles", "LinearClassifier", x.astype(np.float64), outputs=2, **three, **labels),
    ]


def svm_cases() -> list[Case]:
    """Support vector machines."""
    x = random(8, 6, 4)
    vectors = random(9, 7, 4).reshape(-1).tolist()
    regressor: dict[str, Any] = {
        "coefficients": random(10, 7).tolist(),
        "kernel_params": [0.3, 0.2, 3.0],
        "n_supports": 7,
        "rho": [0.15],
        "support_vectors": vectors,
    }
    found: list[Case] = []
    for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        kinds: dict[str, Any] = {**regressor, "kernel_type": kernel}
        found.append(case(f"svm_regressor_{kernel}", "SVMRegressor", x, **kinds))
        found.append(case(f"svm_one_class_{kernel}", "SVMRegressor", x, one_class=1, **kinds))
    far = case("svm_far_away", "SVMRegressor", x + 100, kernel_type="RBF", **_moved(regressor, 100))
    linear: dict[str, Any] = {"coefficients": [0.5, -0.3, 0.1, 1.0], "kernel_params": [0.0] * 3, "rho": [0.25]}
    return [
        *found,
        far,
        case("svm_regressor_linear_model", "SVMRegressor", x, **linear),
        case("svm_regressor_doubles", "SVMRegressor", x.astype(np.float64), judged=[x], **regressor),
        *_svm_classifiers(x, vectors),
    ]


def _moved(attributes: Mapping[str, Any], by: float) -> dict[str, Any]:
    return {**attributes, "support_vectors": [number + by for number in attributes["support_vectors"]]}


def _svm_classifiers(x: Array, vectors: list[float]) -> list[Case]:
    found: list[Case] = []
    for sizes in ((3, 4), (2, 3, 2), (2, 1, 3, 1)):
        classes = len(sizes)
        pairs = classes * (classes - 1) // 2
        plain: dict[str, Any] = {
            "coefficients": random(20 + classes, 7 * (classes - 1)).tolist(),
            "kernel_params": [0.3, 0.2, 3.0],
            "kernel_type": "RBF",
            "rho": random(30 + classes, pairs).tolist(),
            "support_vectors": vectors,
            "vectors_per_class": list(sizes),
            "classlabels_ints": list(range(5, 5 + classes)),
        }
        likely: dict[str, Any] = {**plain, "prob_a": [-1.2] * pairs, "prob_b": (random(40, pairs) * 0.3).tolist()}
        for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
            if classes > 2 or transform != "SOFTMAX":
                kinds: dict[str, Any] = {**plain, "post_transform": transform}
                found.append(case(f"svm_{classes}_classes_{transform}", "SVMClassifier", x, outputs=2, **kinds))
            kinds = {**likely, "post_transform": transform}
            name = f"svm_{classes}_probabilities_{transform}"
            found.append(case(name, "SVMClassifier", x, outputs=2, tiles=False, **kinds))
    three: dict[str, Any] = {
        "coefficients": random(50, 12).tolist(),
        "kernel_params": [0.0] * 3,
        "kernel_type": "LINEAR",
        "rho": [0.1],
        "classlabels_ints": [1, 2, 3],
    }
    found.append(case("svm_linear_classes", "SVMClassifier", x, outputs=2, **three))
    words: dict[str, Any] = {**three, "classlabels_strings": ["a", "b", "c"]}
    del words["classlabels_ints"]
    found.append(case("svm_linear_words", "SVMClassifier", x, outputs=2, tiles=False, **words))
    found.append(case("svm_linear_doubles", "SVMClassifier", x.astype(np.float64), outputs=2, **three))
    return found
