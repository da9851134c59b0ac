"""One-node ONNX models judged by ONNX Runtime, or by ONNX's reference evaluator where that lacks the op."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, cast

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from halo_py.byte_products import exact_source
from halo_py.ir.op import Sample
from halo_py.ops.literal import TensorLiteral
from halo_py.types import DType

Numbers = NDArray[Any]

OPSETS = (28, 21, 17, 13)
"""The newest opset first; older ones where ONNX Runtime knows only an older form with the same meaning."""


class NoJudgeError(Exception):
    """Neither evaluator can run the model."""


def is_judged(sample: Sample) -> bool:
    """Whether the sample can be a one-node ONNX model with tensor operands."""
    declaration = sample.op.declaration
    tensors = all(value is None or isinstance(value, np.ndarray) for value in sample.inputs)
    fused = getattr(sample.op, "epilogue", None) is not None
    return declaration.onnx is not None and tensors and not (sample.bodies or fused) and sample.input_types is None


def one_node_model(sample: Sample, output_types: Sequence[DType], opset: int = OPSETS[0]) -> onnx.ModelProto:
    """The sample as a model; an operand that is a constant of the sample is an initialiser.

    Raises NoJudgeError if the op of that opset lacks an attribute that matters.
    """
    names = ["" if value is None else f"x{index}" for index, value in enumerate(sample.inputs)]
    while names and not names[-1]:
        names.pop()
    results = [f"y{index}" for index in range(sample.outputs)]
    declaration = sample.op.declaration
    attributes = _attributes(sample, opset) if not declaration.domain else _changed_attributes(sample)
    attributes = {name: _attribute(value) for name, value in attributes.items()}
    node = helper.make_node(cast("str", declaration.onnx), names, results, domain=declaration.domain, **attributes)
    inputs: list[Any] = []
    initializers: list[Any] = []
    for index, value in enumerate(sample.inputs):
        if value is None:
            continue
        assert isinstance(value, np.ndarray)
        if index in sample.constant:
            initializers.append(onnx.numpy_helper.from_array(value, f"x{index}"))
        else:
            number = DType.from_numpy(value.dtype).onnx_number
            inputs.append(helper.make_tensor_value_info(f"x{index}", number, list(value.shape)))
    outputs = [
        helper.make_tensor_value_info(name, dtype.onnx_number, None)
        for name, dtype in zip(results, output_types, strict=False)
    ]
    graph = helper.make_graph([node], "one_node", inputs, outputs, initializers)
    versions = {"": opset, declaration.domain: opset if not declaration.domain else declaration.since}
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(*entry) for entry in versions.items()])
    model.ir_version = 10
    return model


def _attributes(sample: Sample, opset: int) -> dict[str, Any]:
    """The attributes that the standard's operator of that opset has."""
    declaration = sample.op.declaration
    schema = onnx.defs.get_schema(cast("str", declaration.onnx), opset, declaration.domain)
    newest = onnx.defs.get_schema(cast("str", declaration.onnx), OPSETS[0], declaration.domain)
    changed = _changed_attributes(sample)
    for name in changed:
        if name in newest.attributes and name not in schema.attributes:
            raise NoJudgeError(f"opset {opset} has no attribute {name}")
    given = {name: value for name, value in sample.op.attributes().items() if value is not None}
    return {name: value for name, value in given.items() if name in schema.attributes}


def _changed_attributes(sample: Sample) -> dict[str, Any]:
    """The attributes that differ from their defaults."""
    defaults = {entry.name: entry.default for entry in dataclasses.fields(sample.op)}
    return {name: value for name, value in sample.op.attributes().items() if value != defaults[name]}


def _attribute(value: object) -> Any:
    if isinstance(value, DType):
        return value.onnx_number
    return onnx.numpy_helper.from_array(value.array()) if isinstance(value, TensorLiteral) else value


def judge(sample: Sample, output_types: Sequence[DType], only_reference: bool = False) -> list[Numbers]:
    """Results of the sample by another implementation. Raises NoJudgeError if there is none."""
    feeds = {f"x{index}": value for index, value in enumerate(sample.inputs) if isinstance(value, np.ndarray)}
    for index in sample.constant:
        feeds.pop(f"x{index}", None)
    attempts = [(_by_reference, OPSETS[0])]
    if not only_reference:
        attempts = [*((_by_onnxruntime, opset) for opset in OPSETS), *attempts]
    reasons: list[str] = []
    for run, opset in attempts:
        try:
            model = one_node_model(sample, output_types, opset)
            return [_retyped(*pair) for pair in zip(run(model, feeds), output_types, strict=False)]
        except Exception as error:  # noqa: BLE001 - whatever an evaluator raises means that it cannot judge
            reasons.append(f"{type(error).__name__}: {str(error)[:160]}")
    raise NoJudgeError("; ".join(reasons))


def _by_onnxruntime(model: onnx.ModelProto, feeds: dict[str, Numbers]) -> list[Numbers]:
    import onnxruntime

    if any(array.dtype.name in _ml_names() for array in feeds.values()):
        raise NoJudgeError("ONNX Runtime takes no such arrays from Python")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    source = exact_source(model.SerializeToString())
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return [np.asarray(result) for result in session.run(None, feeds)]


def _retyped(result: Numbers, dtype: DType) -> Numbers:
    """ONNX Runtime hands narrow floats to Python as their bytes."""
    raw = result.dtype == np.uint8 and dtype.is_float and dtype.bits == 8
    return result.view(dtype.numpy) if raw else result


def _ml_names() -> frozenset[str]:
    return frozenset(name for name in dir(ml_dtypes) if name.startswith(("float", "bfloat", "int", "uint")))


def _by_reference(model: onnx.ModelProto, feeds: dict[str, Numbers]) -> list[Numbers]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        return [np.asarray(result) for result in ReferenceEvaluator(model).run(None, feeds)]
