"""A typed view of `onnxruntime`, which ships without type information: the only place that imports it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from halo_py.types import DType

    Array = NDArray[np.generic]

_ERRORS_ONLY = 4
_INEXACT_REWRITES = ("WeightBiasQuantization", "MatmulTransposeFusion")
"""Rewrites of ONNX Runtime's that change values: float weights and biases beside quantised data become integers; a
transposed matrix times a vector loses its transposition.
"""
_EXACT_ACTIVATIONS = ("session.qdq_matmulnbits_accuracy_level", "0")
"""Products with quantised weights do not quantise what they are multiplied with, which is the default."""

_EXACT_PRODUCTS = ("session.x64quantprecision", "1")
"""Weights of int8 in products that ONNX Runtime makes itself become uint8: see halo_py.byte_products."""


class InferenceSession(Protocol):
    """A loaded model."""

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any]) -> list[Any]:
        """The outputs of these names."""
        ...


class OrtValue(Protocol):
    """A tensor that ONNX Runtime uses in place; it does not own the memory."""


class RefusedError(Exception):
    """ONNX Runtime does not take this model."""


def ort_value(contents: Array, dtype: DType) -> OrtValue:
    """An array as ONNX Runtime sees it, sharing memory; the array must outlive it."""
    value = importlib.import_module("onnxruntime").OrtValue
    if contents.dtype.isbuiltin == 1:
        return cast("OrtValue", value.ortvalue_from_numpy(contents))
    return cast("OrtValue", value.ortvalue_from_numpy_with_onnx_type(contents, dtype.onnx_number))


def open_model(
    model: bytes, initialisers: Mapping[str, OrtValue], threads: int | None, optimise: bool
) -> InferenceSession:
    """A session of a serialised model whose external initialisers are given. Raises RefusedError."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    if threads is not None:
        options.intra_op_num_threads = threads
    options.add_session_config_entry(*_EXACT_ACTIVATIONS)
    options.add_session_config_entry(*_EXACT_PRODUCTS)
    if not optimise:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if initialisers:
        options.add_external_initializers(list(initialisers), list(initialisers.values()))
    try:
        session = runtime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(_INEXACT_REWRITES)
        )
    except Exception as error:
        raise RefusedError(str(error)) from error
    return cast("InferenceSession", session)
