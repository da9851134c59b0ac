"""Declarations against ONNX's own schemas: newest version, attribute names and defaults, element types."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from halo_py.ir.op import REGISTRY, Op, RuntimeValue, Sample
from halo_py.ops import load_ops
from halo_py.types import DType, TensorType
from tests.ops.cases import Case, assert_fits, cases, of_every_op
from tests.ops.onnx_judge import OPSETS

load_ops()

DECLARED = sorted(
    (cls for cls in REGISTRY.by_name.values() if cls.declaration.onnx and cls.declaration.domain in ("", "ai.onnx")),
    key=lambda cls: cls.declaration.name,
)
every_op = pytest.mark.parametrize("cls", DECLARED, ids=lambda cls: cls.declaration.name)

_TYPE_NAMES = {"float": "float32", "double": "float64"}


def _schema(cls: type[Op]) -> Any:
    return onnx.defs.get_schema(str(cls.declaration.onnx), max(OPSETS), "")


@every_op
def test_since_is_the_newest_version(cls: type[Op]) -> None:
    assert cls.declaration.since == _schema(cls).since_version


@every_op
def test_fields_are_the_attributes_with_their_defaults(cls: type[Op]) -> None:
    """Graph attributes are bodies; fields that ONNX lacks (epilogues) are optional."""
    attributes = {
        name: attribute
        for name, attribute in _schema(cls).attributes.items()
        if attribute.type != onnx.defs.OpSchema.AttrType.GRAPH
    }
    declared = {entry.name: entry for entry in fields(cls)}
    assert not [name for name in attributes if name not in declared]
    for name, entry in declared.items():
        if name not in attributes:
            assert not entry.default, f"{name} is not ONNX's, so it must be optional and off"
            continue
        default = attributes[name].default_value
        if attributes[name].required:
            continue
        assert entry.default is not MISSING, f"{name} may be left out"
        found = entry.default
        if not default.type:
            assert found is None or found == () or name == "seed", f"{name} has no default in ONNX"
            continue
        wanted = onnx.helper.get_attribute_value(default)
        if found is None and "DType" in str(entry.type):
            assert wanted == onnx.TensorProto.UNDEFINED
        elif isinstance(found, float):
            assert found == pytest.approx(wanted, rel=1e-6), name
        else:
            assert _plain(found) == _plain(wanted), name


def _plain(value: Any) -> Any:
    if isinstance(value, DType):
        return value.onnx_number
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    return value


def _typed_samples() -> Iterator[tuple[str, Sample]]:
    """The first sample of every op, once for each element type ONNX allows for the type of operand 0."""
    for case in cases():
        declaration = case.sample.op.declaration
        if not case.name.endswith("-0") or declaration.onnx is None or declaration.host_only is not None:
            continue
        if declaration.domain or not case.sample.inputs or not isinstance(case.sample.inputs[0], np.ndarray):
            continue
        schema = _schema(type(case.sample.op))
        variable = schema.inputs[0].type_str
        names = [entry.allowed_type_strs for entry in schema.type_constraints if entry.type_param_str == variable]
        for text in sorted(names[0]) if names else ():
            match = re.fullmatch(r"tensor\((\w+)\)", text)
            name = _TYPE_NAMES.get(match[1], match[1]) if match else ""
            if not name or name in ("string", "complex64", "complex128", *UNKNOWN_TYPES):
                continue
            dtype = DType.from_text(name)
            if case.kind != "bit_cast" or dtype.bits == 32:
                yield f"{case.kind}-{name}", _retyped(case.sample, schema, variable, dtype)


UNKNOWN_TYPES = ("float6e2m3", "float6e3m2")
"""Element types of ONNX that NumPy and ml_dtypes arithmetic does not cover here."""


def _retyped(sample: Sample, schema: Any, variable: str, dtype: DType) -> Sample:
    inputs: list[RuntimeValue] = []
    for index, value in enumerate(sample.inputs):
        declared = schema.inputs[min(index, len(schema.inputs) - 1)].type_str
        inputs.append(_as(value, dtype) if isinstance(value, np.ndarray) and declared == variable else value)
    return Sample(sample.op, tuple(inputs), sample.constant, sample.outputs, sample.bodies)


def _as(array: NDArray[np.generic], dtype: DType) -> NDArray[np.generic]:
    wide = np.asarray(array, np.float64)
    if dtype.is_integer:
        wide = np.asarray(np.clip(wide, -2 if dtype.is_signed else 0, 3 if dtype.bits > 2 else 1)).round()
        return np.asarray(wide, np.int32).astype(dtype.numpy)
    return wide.astype(np.float32).astype(dtype.numpy) if dtype.bits < 32 else wide.astype(dtype.numpy)


TYPED = [Case(name, sample) for name, sample in _typed_samples()]


@of_every_op(TYPED)
def test_every_element_type_that_onnx_allows(case: Case) -> None:
    for type, value in zip(case.infer(), case.evaluate(), strict=True):
        assert isinstance(type, TensorType)
        assert_fits(type, value, {})
