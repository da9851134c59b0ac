"""The suite of the `onnx` package: every node case it generates, and the models converted from PyTorch it ships."""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx.backend.test
import pytest
from onnx import ModelProto, TensorProto, TypeProto, numpy_helper

import odla
from halo_py.errors import HaloError
from halo_py.frontend import ImportOptions, load_model

_SHIPPED = Path(onnx.backend.test.__file__).parent / "data"
_FOLDERS = ("simple", "pytorch-converted", "pytorch-operator")

_RANDOM = ("test_bernoulli", "test_training_dropout_default", "test_training_dropout")
"""Results are random, and the suite's own generator is another one."""

_ELSEWHERE = {
    "test_resize_downsample_scales_linear_align_corners": "its grid ends at an output size that is not whole; "
    "ONNX Runtime's, like ours, ends at the whole one",
    "test_resize_downsample_scales_cubic_align_corners": "the same",
}


@dataclass(frozen=True)
class SuiteCase:
    """A model with inputs and outputs."""

    name: str
    model: ModelProto
    data: Sequence[tuple[Sequence[Any], Sequence[Any]]]


@functools.cache
def generated() -> list[SuiteCase]:
    """The cases of `onnx.backend.test.case.node`, each once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module("onnx.backend.test.case.node")
        found = module.collect_testcases(None)
    cases = {case.name: SuiteCase(case.name, case.model, case.data_sets) for case in found}
    return list(cases.values())


def shipped(folder: str) -> list[SuiteCase]:
    """The cases of one data folder of the package."""
    return [_read(path.parent) for path in sorted((_SHIPPED / folder).glob("*/model.onnx"))]


def _read(folder: Path) -> SuiteCase:
    model = ModelProto.FromString((folder / "model.onnx").read_bytes())
    data: list[tuple[Sequence[Any], Sequence[Any]]] = []
    for part in sorted(folder.glob("test_data_set_*")):
        inputs = [_tensor(part / f"input_{index}.pb", entry.type) for index, entry in enumerate(model.graph.input)]
        outputs = [_tensor(part / f"output_{index}.pb", entry.type) for index, entry in enumerate(model.graph.output)]
        data.append((inputs, outputs))
    return SuiteCase(folder.name, model, data)


def _tensor(path: Path, type: TypeProto) -> Any:
    if not path.exists():
        return None
    if type.WhichOneof("value") == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(path.read_bytes()))
    return numpy_helper.to_array(TensorProto.FromString(path.read_bytes()))


def run_case(case: SuiteCase, device: str, folder: Path) -> str | None:
    """What is wrong with this case on this device; None if nothing is."""
    path = folder / "model.onnx"
    path.write_bytes(case.model.SerializeToString())
    graph = load_model(path, ImportOptions(keep_symbolic=True))
    names = [entry.name for entry in case.model.graph.input]
    executable = odla.Computation.of(graph).compile(device)
    for inputs, outputs in case.data:
        given: Mapping[str, Any] = dict(zip(names, map(_runtime, inputs), strict=False))
        found = executable.run([given[value.name] for value in graph.inputs]).in_order()
        for name, ours, theirs in zip(graph.output_names, found, outputs, strict=False):
            if not _equal(ours, _runtime(theirs)):
                return f"output {name!r} differs"
    return None


def _runtime(value: Any) -> Any:
    """A value of the suite as HALO has it at run time."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [_runtime(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, TensorProto):
        value = numpy_helper.to_array(value)
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind in "US" else array


_TOLERANCE = {"float16": 1e-2, "bfloat16": 3e-2}


def _equal(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, list):
        expected = cast("list[Any]", theirs)
        found = cast("list[Any]", ours) if isinstance(ours, list) else []
        return len(found) == len(expected) and all(map(_equal, found, expected))
    if theirs is None or ours is None:
        return ours is theirs
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return False
    if ours.dtype == object:
        return ours.tolist() == theirs.tolist()
    wide = np.complex128 if ours.dtype.kind == "c" else np.float64
    # Sums of many terms are as exact as their largest terms.
    scale = max(1.0, float(np.max(np.abs(theirs.astype(wide)), initial=0, where=np.isfinite(theirs.astype(wide)))))
    absolute = scale * _TOLERANCE.get(ours.dtype.name, 1e-5)
    return bool(np.allclose(ours.astype(wide), theirs.astype(wide), rtol=1e-3, atol=absolute, equal_nan=True))


def _expected_failure(case: SuiteCase) -> bool:
    return case.name.startswith(_RANDOM) or case.name in _ELSEWHERE


def _check(cases: Sequence[SuiteCase], device: str, folder: Path) -> int:
    """All cases but the listed ones are right; answers how many."""
    wrong: dict[str, str] = {}
    right = 0
    for case in cases:
        try:
            message = run_case(case, device, folder)
        except HaloError as error:
            message = f"{type(error).__name__}: {error}"
        right += message is None
        if message is not None and not _expected_failure(case):
            wrong[case.name] = message
    assert not wrong, "\n".join(f"{name}: {message}" for name, message in wrong.items())
    return right


@pytest.mark.slow
@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_generated_node_cases(device: str, tmp_path: Path) -> None:
    assert _check(generated(), device, tmp_path) > 1800


@pytest.mark.parametrize("folder", _FOLDERS)
@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_shipped_models(device: str, folder: str, tmp_path: Path) -> None:
    assert _check(shipped(folder), device, tmp_path) >= 15
