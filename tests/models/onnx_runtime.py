"""ONNX Runtime as a judge, typed. The only file here that meets `onnxruntime`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray

from halo_py.byte_products import exact_source

_runtime: Any = onnxruntime
_ERRORS_ONLY = 3


class Judge:
    """A model (a file, or its bytes) in ONNX Runtime's CPU provider, without graph rewriting."""

    def __init__(self, model: Path | bytes) -> None:
        options = _runtime.SessionOptions()
        options.graph_optimization_level = _runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = _ERRORS_ONLY
        self._session = _runtime.InferenceSession(exact_source(model), options, providers=["CPUExecutionProvider"])
        self.output_names: list[str] = [output.name for output in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The outputs by name."""
        arrays = self._session.run(self.output_names, dict(inputs))
        return {name: np.asarray(array) for name, array in zip(self.output_names, arrays, strict=True)}
