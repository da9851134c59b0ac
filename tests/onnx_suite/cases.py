"""The cases of ONNX's own backend suite as data: models, inputs, expected outputs, tolerances.

Kinds: node, simple, pytorch-converted, pytorch-operator (as the suite's loader lists them), and light (whole networks
that come with the onnx package, with the runner's dummy inputs and the package's expected outputs).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test import loader, runner

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from halo_py.ir.op import RuntimeValue

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "light")

RANDOM = frozenset(
    f"test_bernoulli{variant}{form}" for variant in ("", "_double", "_seed") for form in ("", "_expanded")
)
"""Cases whose expected values are one draw of a random operator that ONNX ties to no generator."""

DataSet = tuple[list["RuntimeValue"], list["RuntimeValue"]]
"""Inputs and expected outputs, in the model's order."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `origin` is the suite's own object, or the model's file for kind light."""

    kind: str
    name: str
    origin: Any

    def __str__(self) -> str:
        return self.name

    def load(self) -> tuple[onnx.ModelProto, list[DataSet], float, float]:
        """Model, data sets, relative and absolute tolerance."""
        if self.kind == "light":
            return _light(self.origin)
        case = self.origin
        if case.model is not None:
            return case.model, [_arrays(*pair) for pair in case.data_sets], case.rtol, case.atol
        folder = Path(case.model_dir)
        model = onnx.load_model_from_string((folder / "model.onnx").read_bytes())
        return model, list(_stored_sets(folder, model)), case.rtol, case.atol

    def in_shard(self, shard: int, shards: int) -> bool:
        """Whether it belongs to this one of so many equal parts of the suite."""
        return zlib.crc32(f"{self.kind}/{self.name}".encode()) % shards == shard


@cache
def all_cases(kinds: tuple[str, ...] = KINDS) -> tuple[Case, ...]:
    """Every case of these kinds, by kind and name."""
    found: list[Case] = []
    for kind in kinds:
        if kind == "light":
            folder = Path(onnx.__file__).parent / "backend/test/data/light"
            found += [Case(kind, path.stem, path) for path in sorted(folder.glob("*.onnx"))]
        else:
            found += [
                Case(kind, case.name, case)
                for case in sorted(loader.load_model_tests(kind=kind), key=lambda case: case.name)
            ]
    return tuple(found)


BFLOAT16_RELATIVE = 2**-6
"""Two units in the last place: what the suite's runner allows for bfloat16."""


def differences(
    expected: Sequence[RuntimeValue], found: Sequence[RuntimeValue], rtol: float, atol: float
) -> str | None:
    """What is wrong with outputs by the rules of the suite's runner, None if nothing is."""
    try:
        _compare(list(expected), list(found), rtol, atol)
    except AssertionError as error:
        return " ".join(str(error).split())[:200]
    return None


def _compare(expected: RuntimeValue, found: RuntimeValue, rtol: float, atol: float) -> None:
    if expected is None or found is None:
        assert expected is found, "an optional is there on one side only"
    elif isinstance(expected, list) or isinstance(found, list):
        assert isinstance(expected, list), "a sequence instead of a tensor"
        assert isinstance(found, list), "a tensor instead of a sequence"
        assert len(found) == len(expected), f"{len(found)} entries, expected {len(expected)}"
        for wanted, given in zip(expected, found, strict=True):
            _compare(wanted, given, rtol, atol)
    else:
        _compare_arrays(np.asarray(expected), np.asarray(found), rtol, atol)


def _compare_arrays(expected: NDArray[Any], found: NDArray[Any], rtol: float, atol: float) -> None:
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    if expected.dtype.kind in "OUST":
        np.testing.assert_array_equal(found.astype(str), expected.astype(str))
        return
    assert found.dtype == expected.dtype, f"type {found.dtype}, expected {expected.dtype}"
    if expected.dtype.name == "bfloat16":
        rtol = max(rtol, BFLOAT16_RELATIVE)
    if expected.dtype.kind not in "fiubc" or expected.dtype.name == "bfloat16":  # NumPy cannot promote these itself
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def _arrays(inputs: Sequence[Any], outputs: Sequence[Any]) -> DataSet:
    return [_array(entry) for entry in inputs], [_array(entry) for entry in outputs]


def _array(entry: Any) -> RuntimeValue:
    return numpy_helper.to_array(entry) if isinstance(entry, onnx.TensorProto) else entry


def _stored_sets(folder: Path, model: onnx.ModelProto) -> Iterator[DataSet]:
    for stored in sorted(folder.glob("test_data_set*")):
        yield _stored(stored, "input", model.graph.input), _stored(stored, "output", model.graph.output)


def _stored(folder: Path, prefix: str, entries: Sequence[onnx.ValueInfoProto]) -> list[RuntimeValue]:
    """Contents of the entries that have a file (inputs with an initialiser have none)."""
    paths = [(folder / f"{prefix}_{number}.pb", entry) for number, entry in enumerate(entries)]
    return [_read(path, entry.type) for path, entry in paths if path.exists()]


def _read(path: Path, type: onnx.TypeProto) -> RuntimeValue:
    contents = path.read_bytes()
    if type.HasField("sequence_type"):
        return list(numpy_helper.to_list(onnx.SequenceProto.FromString(contents)))
    if type.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(contents))
    return numpy_helper.to_array(onnx.TensorProto.FromString(contents))


def _light(path: Path) -> tuple[onnx.ModelProto, list[DataSet], float, float]:
    model = onnx.load_model_from_string(path.read_bytes())
    initialised = {entry.name for entry in model.graph.initializer}
    inputs: list[NDArray[Any]] = [
        np.asarray(runner.Runner.generate_dummy_data(entry, seed=0, name=path.stem, random=False))
        for entry in model.graph.input
        if entry.name not in initialised
    ]
    outputs = [
        _read(path.with_name(f"{path.stem}_output_{number}.pb"), entry.type)
        for number, entry in enumerate(model.graph.output)
    ]
    return model, [(list(inputs), outputs)], 1e-3, 1e-7
