"""Models of the catalogue as ONNX Runtime's quantiser writes them, typed. The only file here that meets it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.models.catalogue import ModelCase, NamedArrays

_CALIBRATIONS = 3
_ERRORS_ONLY = 4


class _Calibration:
    """Seeded inputs of a model, one after another."""

    def __init__(self, case: ModelCase) -> None:
        self._rest = [case.inputs(seed=seed) for seed in range(_CALIBRATIONS)]

    def get_next(self) -> NamedArrays | None:
        """The next inputs; None after the last ones."""
        return self._rest.pop() if self._rest else None


def quantised(case: ModelCase, way: str, folder: Path) -> Path:
    """The model quantised in one of `WAYS`."""
    target = folder / f"{case.name}.{way}.onnx"
    WAYS[way](case, target)
    return target


def _dynamic(case: ModelCase, target: Path) -> None:
    """8-bit weights; activations are quantised by their extrema while the model runs."""
    quantiser: Any = importlib.import_module("onnxruntime.quantization")
    quantiser.quantize_dynamic(case.path(), target, weight_type=quantiser.QuantType.QInt8)


def _fused(case: ModelCase, target: Path) -> None:
    """The same, as ONNX Runtime's optimiser leaves it: with operators of its own."""
    plain = target.with_suffix(".plain.onnx")
    _dynamic(case, plain)
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    runtime.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])


def _operators(case: ModelCase, target: Path) -> None:
    """Operators on quantised operands (QLinearAdd, ...)."""
    quantiser: Any = importlib.import_module("onnxruntime.quantization")
    types = {"activation_type": quantiser.QuantType.QUInt8, "weight_type": quantiser.QuantType.QInt8}
    form = quantiser.QuantFormat.QOperator
    quantiser.quantize_static(case.path(), target, _Calibration(case), quant_format=form, **types)


def _sixteen_bits(case: ModelCase, target: Path) -> None:
    """16-bit activations between QuantizeLinear and DequantizeLinear of ONNX Runtime's own domain."""
    quantiser: Any = importlib.import_module("onnxruntime.quantization")
    types = {"activation_type": quantiser.QuantType.QUInt16, "weight_type": quantiser.QuantType.QInt8}
    own = {"UseQDQContribOps": True}
    quantiser.quantize_static(case.path(), target, _Calibration(case), extra_options=own, **types)


WAYS: dict[str, Callable[[ModelCase, Path], None]] = {
    "dynamic": _dynamic,
    "fused": _fused,
    "operators": _operators,
    "sixteen_bits": _sixteen_bits,
}
"""Ways to quantise, by name."""
