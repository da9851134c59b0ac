"""TensorFlow's and TFLite's operators through the frontends: how many cases of each give the framework's values.

    python -m tests.frontends.tensorflow.operators

writes the counts into the frontends' data files, which the table of operators shows.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halo_frontends.tensorflow.mappings import load_mappings as load_tensorflow
from halo_frontends.tensorflow.operation import MAPPINGS as TENSORFLOW
from halo_frontends.tensorflow.survey import PARTS_OF_LOOPS
from halo_frontends.tflite.mappings import load_mappings as load_tflite
from halo_frontends.tflite.operation import MAPPINGS as TFLITE
from halo_py.errors import HaloError
from halo_py.evaluate import evaluate_graph
from halo_py.frontend import ImportOptions, inspect_model, load_model
from halo_py.types import TensorType, Type
from tests.frontends.tensorflow.agreement import difference
from tests.frontends.tensorflow.made import operator_case, operator_index

_FRONTENDS = Path(__file__).parents[3] / "frontends" / "halo_frontends"
COUNTS = {"operators": _FRONTENDS / "tensorflow" / "checked.json", "lite": _FRONTENDS / "tflite" / "checked.json"}

_STEPS = {"int8": 0.05, "int16": 1.0}
"""Which part of the elements of a quantised result may be one step apart."""


def failure(kind: str, entry: dict[str, Any]) -> str | None:
    """Why a case does not give the framework's values; None if it does."""
    made = operator_case(kind, entry["name"])
    given = made.inputs()
    outputs = tuple(name.removesuffix(":0") for name in entry["outputs"])
    try:
        declared = {port.name: port.type for port in inspect_model(made.path).inputs}
        shapes = {name: given[name].shape for name, kind in declared.items() if not _is_static(kind)}
        graph = load_model(made.path, ImportOptions(outputs=outputs, shapes=shapes))
        with np.errstate(all="ignore"):
            found = evaluate_graph(graph, [given[value.name] for value in graph.inputs])
    except HaloError as error:
        return str(error)
    judge = _quantised_difference if entry.get("quantised") else difference
    problems = [
        next(filter(None, map(judge, found, outputs)), None)
        for outputs in (made.outputs(), made.outputs("own__"))
        if len(outputs) == len(found)
    ]
    return None if None in problems else next(iter(problems), "another number of outputs")


def _is_static(kind: Type | None) -> bool:
    return isinstance(kind, TensorType) and kind.is_static


def _quantised_difference(found: object, expected: NDArray[Any]) -> str | None:
    """Quantised results may be one step apart, in few places where the steps are large."""
    array = np.asarray(found)
    if array.shape != expected.shape or array.dtype != expected.dtype or expected.dtype.name not in _STEPS:
        return difference(found, expected)
    apart = np.abs(array.astype(np.int64) - expected.astype(np.int64))
    few = max(2, int(apart.size * _STEPS[expected.dtype.name]))
    if apart.max(initial=0) > 1 or np.count_nonzero(apart) > few:
        return f"{np.count_nonzero(apart)} of {apart.size} integers differ, by at most {apart.max()}"
    return None


def _imported_by_tensorflow(operator: str) -> bool:
    load_tensorflow()
    return operator in TENSORFLOW or operator in PARTS_OF_LOOPS


def _imported_by_tflite(operator: str) -> bool:
    load_tflite()
    return operator in TFLITE


_imported = {"operators": _imported_by_tensorflow, "lite": _imported_by_tflite}
"""Operators that the files hold and nothing imports only save and restore variables."""


def count(kind: str) -> dict[str, tuple[int, int]]:
    """Operator -> (cases that give the framework's values, cases)."""
    passed: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for entry in operator_index(kind):
        good = failure(kind, entry) is None
        named = [f"CUSTOM {name}" if f"CUSTOM {name}" in TFLITE else name for name in entry["operators"]]
        for operator in filter(_imported[kind], named):
            total[operator] += 1
            passed[operator] += good
    return {operator: (passed[operator], total[operator]) for operator in sorted(total)}


def recorded(kind: str) -> dict[str, list[int]]:
    """The counts in the data file."""
    return json.loads(COUNTS[kind].read_text(encoding="utf-8"))


def main() -> None:
    """Count all cases and write the data files."""
    warnings.simplefilter("ignore")
    for kind, path in COUNTS.items():
        rows = [f'  "{operator}": [{good}, {total}]' for operator, (good, total) in count(kind).items() if good]
        path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
