"""Small models of `com.microsoft` operators: one node each, over all its attributes and optional operands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from tests.frontends.onnx_models import Array, make_graph, tensor_input, untyped

DOMAIN = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Case:
    """A model, its inputs, and how far a result may be from ONNX Runtime's."""

    name: str
    model: ModelProto
    inputs: Mapping[str, Array]
    steps: int = 1
    """Steps of a quantised result."""
    relative: float = 1e-5
    """Part of the largest magnitude of a result of floats."""
    judged: ModelProto | None = None
    """A model with the same meaning, where ONNX Runtime fails on this one."""
    expected: tuple[Array, ...] | None = None
    """The results by definition, where ONNX Runtime has no kernel or one that fails."""


def spelled_out(plain: Case, full: Case) -> Case:
    """The first case, judged by the model of the second one, in which what the first leaves out is given."""
    return replace(plain, judged=full.model)


def case(
    name: str,
    op: str,
    operands: Mapping[str, Array | None],
    run_time: Iterable[str] = (),
    *,
    outputs: int = 1,
    standard: int = 21,
    steps: int = 1,
    relative: float = 1e-5,
    **attributes: Any,
) -> Case:
    """A one-node model beside operator set `standard`.

    Operands stand in order by name; those in `run_time` are inputs, the others constants.
    """
    inputs = {key: value for key, value in operands.items() if key in set(run_time) and value is not None}
    constants = {key: value for key, value in operands.items() if key not in inputs and value is not None}
    names = [key if value is not None else "" for key, value in operands.items()]
    while not names[-1]:
        names.pop()
    results = [f"y{number}" for number in range(outputs)]
    node: NodeProto = helper.make_node(op, names, results, name="node", domain=DOMAIN, **attributes)
    declared = [tensor_input(key, *value.shape, type=_number(value)) for key, value in inputs.items()]
    graph = make_graph([node], declared, [untyped(result) for result in results], constants)
    opsets = [helper.make_opsetid("", standard), helper.make_opsetid(DOMAIN, 1)]
    return Case(name, helper.make_model(graph, opset_imports=opsets, ir_version=10), inputs, steps, relative)


def _number(array: Array) -> int:
    return int(helper.np_dtype_to_tensor_dtype(array.dtype))


def integers(seed: int, dtype: type[np.integer[Any]], *shape: int) -> Array:
    """Seeded integers over the whole range of an 8-bit or 16-bit type."""
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def normal(seed: int, *shape: int) -> Array:
    """Seeded standard normal numbers in float32."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def one(value: float, dtype: type[np.generic] = np.float32) -> Array:
    """A scalar."""
    return np.asarray(value, dtype)
