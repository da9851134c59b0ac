"""Operators of `ai.onnx.ml` mean what ONNX Runtime computes, on every device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odla
from halo_py.errors import HaloError, ModelError, UnsupportedError
from halo_py.frontend import ImportOptions, load_model
from halo_py.passes.pipelines import pipeline
from tests.frontends.classical_cases import Case, case, feature_cases, linear_cases, svm_cases, words
from tests.frontends.classical_tree_cases import tree_cases
from tests.frontends.onnx_models import Array, judge, random, write

_CASES = [*feature_cases(), *linear_cases(), *svm_cases(), *tree_cases()]
_PARAMETERS = [pytest.param(entry, id=entry.name) for entry in _CASES]
_RELATIVE = 2e-5


def _check(entry: Case, folder: Path, device: str, **options: Any) -> None:
    judged = entry.judged or entry
    expected = list(entry.expected or judge(judged.model, judged.inputs))
    found = odla.execute(write(entry.model, folder), dict(entry.inputs), device=device, **options)
    assert len(found) == len(expected)
    for ours, theirs in zip(found.values(), expected, strict=True):
        _assert_close(ours, np.asarray(theirs))


def _assert_close(found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    if expected.dtype.kind in "OUS":
        assert found.tolist() == expected.tolist()
        return
    size = float(np.abs(expected[np.isfinite(expected)].astype(np.float64)).max(initial=1e-6))
    np.testing.assert_allclose(found, expected, rtol=0, atol=_RELATIVE * size if expected.dtype.kind == "f" else 0)


@pytest.mark.parametrize("entry", _PARAMETERS)
@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_values(device: str, entry: Case, tmp_path: Path) -> None:
    _check(entry, tmp_path, device)


@pytest.mark.parametrize("entry", _PARAMETERS)
@pytest.mark.parametrize("mode", ["whole", "tiled"])
def test_values_on_tiles(mode: str, entry: Case, tmp_path: Path) -> None:
    _check(entry, tmp_path, "ipu-tiny", mode=mode)


@pytest.mark.parametrize("entry", _PARAMETERS)
def test_what_is_not_of_strings_runs_on_tiles(entry: Case, tmp_path: Path) -> None:
    graph = pipeline("ipu").run(load_model(write(entry.model, tmp_path)))
    refused = odla.device("ipu-tiny").supports(graph)
    assert bool(refused) != entry.tiles, refused


def test_every_case_has_a_name_of_its_own() -> None:
    names = [entry.name for entry in _CASES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("device", ["reference", "cpu", "ipu-tiny"])
def test_an_unknown_category_ends_the_run_where_the_model_says_so(device: str, tmp_path: Path) -> None:
    entry = case("unknown", "OneHotEncoder", np.asarray([1, 9], np.int64), cats_int64s=[1, 2], zeros=0)
    with pytest.raises(HaloError, match=r"categor|Category"):
        odla.execute(write(entry.model, tmp_path), dict(entry.inputs), device=device)


_X = random(1, 2, 4)
_BAD: list[tuple[Case, str]] = [
    (case("two_lengths", "Scaler", _X, scale=[1.0, 2.0], offset=[0.0]), "2 numbers in 'scale' for 4 features"),
    (case("norm", "Normalizer", _X, norm="L7"), "norm must be one of MAX, L1, L2, found 'L7'"),
    (case("rank", "Normalizer", random(1, 2, 2, 2)), "must have 1 or 2 dimensions, found 3"),
    (case("imputed", "Imputer", _X, imputed_value_int64s=[1]), "no imputed values for elements of type float32"),
    (case("sizes", "FeatureVectorizer", _X, _X, inputdimensions=[4]), "1 inputdimensions for 2 operands"),
    (case("categories", "OneHotEncoder", _X, cats_strings=["a"]), "no categories for elements of type float32"),
    (case("coefficients", "LinearRegressor", _X, coefficients=[1.0] * 3), "has 3 coefficients"),
    (case("targets", "LinearRegressor", _X, coefficients=[1.0] * 4, targets=0), "has 4 coefficients"),
    (case("labels", "LinearClassifier", _X, coefficients=[1.0] * 4, classlabels_ints=[1]), "two or more labels"),
    (
        case("counts", "LinearClassifier", _X, coefficients=[1.0] * 8, classlabels_ints=[1, 2, 3]),
        "3 labels for 2 scores",
    ),
    (case("no_rho", "SVMRegressor", _X, coefficients=[1.0] * 4), "has 0 numbers in 'rho', needs 1"),
    (case("supports", "SVMRegressor", _X, coefficients=[1.0] * 4, n_supports=3, rho=[0.0]), "4 coefficients for 3"),
    (
        case("per_class", "SVMClassifier", _X, classlabels_ints=[1, 2], vectors_per_class=[3], coefficients=[1.0] * 3),
        "1 numbers of vectors for 2 labels",
    ),
    (
        case("below_zero", "SVMClassifier", _X, classlabels_ints=[1, 2], vectors_per_class=[3, -3]),
        "2 numbers of vectors",
    ),
    (case("text", "LinearRegressor", _X, coefficients=["a"] * 4), "must be a list of numbers"),
    (case("no_integers", "OneHotEncoder", _X, cats_int64s=["a"]), "must be a list of integers"),
    (case("key_type", "LabelEncoder", _X, keys_int64s=[1], values_int64s=[1]), "keys of type int64"),
    (case("no_keys", "LabelEncoder", _X, values_int64s=[1]), "exactly one list of keys, found 0"),
    (case("pairs", "LabelEncoder", words("a"), keys_strings=["a"], values_int64s=[1, 2]), "1 keys for 2 values"),
]


@pytest.mark.parametrize(("entry", "message"), _BAD, ids=[entry.name for entry, _ in _BAD])
def test_attributes_that_do_not_fit_are_refused(entry: Case, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(write(entry.model, tmp_path), ImportOptions(keep_symbolic=True))


_UNSUPPORTED: list[tuple[Case, str]] = [
    (
        case("one", "LinearClassifier", _X, coefficients=[1.0] * 4, classlabels_ints=[1, 2], post_transform="PROBIT"),
        "PROBIT of the one score",
    ),
    (case("attribute", "Scaler", _X, scales=[1.0]), "attribute 'scales' is not known"),
    (case("zip_map", "ZipMap", _X, classlabels_int64s=[1, 2, 3, 4]), r"ai\.onnx\.ml\.ZipMap.*HALO has no maps"),
    (case("unknown", "Oracle", _X), r"ai\.onnx\.ml\.Oracle: 1 node.*unknown operator"),
]


@pytest.mark.parametrize(
    ("entry", "message"), _UNSUPPORTED, ids=lambda item: item.name if isinstance(item, Case) else ""
)
def test_what_has_no_meaning_here_is_refused_by_name(entry: Case, message: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=f"(?s){message}"):
        load_model(write(entry.model, tmp_path), ImportOptions(keep_symbolic=True))
