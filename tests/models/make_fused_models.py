"""Exported networks as ONNX Runtime's own optimisers rewrite them, in `com.microsoft` operators.

Run by `fused_models.py` with sympy on the path, which ONNX Runtime's Python optimiser imports:

    python make_fused_models.py SOURCES FOLDER

`session` networks are what an InferenceSession saves after its extended optimisations, `transformers` ones what
`onnxruntime.transformers.optimizer` makes of a network of that kind.
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Any

_HEADS, _HIDDEN = 4, 64
_ERRORS_ONLY = 3


def _by_session(source: Path, target: Path) -> None:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(target)
    options.log_severity_level = _ERRORS_ONLY
    runtime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _by_transformers(source: Path, target: Path, kind: str) -> None:
    optimizer: Any = importlib.import_module("onnxruntime.transformers.optimizer")
    made = optimizer.optimize_model(str(source), kind, num_heads=_HEADS, hidden_size=_HIDDEN, opt_level=0)
    made.save_model_to_file(str(target))


def main() -> None:
    """Makes every network of `fused.toml` from the exported ones in the folder named on the command line."""
    sources, folder = Path(sys.argv[1]), Path(sys.argv[2])
    table = tomllib.loads(Path(__file__).with_name("fused.toml").read_text(encoding="utf-8"))
    for network in table["network"]:
        source, target = sources / f"{network['source']}.onnx", folder / f"{network['name']}.onnx"
        if network["by"] == "session":
            _by_session(source, target)
        else:
            _by_transformers(source, target, network["kind"])


if __name__ == "__main__":
    main()
