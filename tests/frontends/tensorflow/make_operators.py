"""Makes one small frozen graph per operator and form, with inputs and TensorFlow's outputs.

Run by `made.py` in a virtual environment that holds TensorFlow:

    python make_operators.py FOLDER

Every case gives `NAME.pb` (or, if it has variables, the SavedModel `NAME/`) and `NAME.npz` (inputs `in__name`, outputs
`out__0` ...); `index.json` lists them with the operators of each graph and its output nodes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
tf: Any = importlib.import_module("tensorflow")
cases: Any = importlib.import_module("operator_cases")
images: Any = importlib.import_module("image_cases")
signals: Any = importlib.import_module("signal_programs")
programs: Any = importlib.import_module("operator_programs")
modules: Any = importlib.import_module("operator_modules")


def graph_of(call: Callable[..., Any], inputs: dict[str, NDArray[Any]]) -> tuple[Any, list[str], list[NDArray[Any]]]:
    """The graph of a function of these inputs, the names of its outputs, and their values."""
    specs = [tf.TensorSpec(array.shape, array.dtype, name=name) for name, array in inputs.items()]

    def called(*given: Any) -> Any:
        return call(*given)

    concrete = tf.function(called).get_concrete_function(*specs)
    results = concrete(*(tf.constant(array) for array in inputs.values()))
    flat = [np.asarray(result) for result in tf.nest.flatten(results)]
    return concrete.graph.as_graph_def(), [output.name for output in concrete.outputs], flat


def raw_call(case: Any) -> Callable[..., Any]:
    """A function of the case's inputs that applies the operator."""

    def call(*given: Any) -> Any:
        left = dict(zip(case.inputs, given, strict=True))
        arguments = {name: cases.filled(value, name, left) for name, value in case.arguments.items()}
        results = getattr(tf.raw_ops, case.op)(**arguments)
        return results if case.defined is None else results[: case.defined]

    return call


def old_graph_of(call: Callable[..., Any], inputs: dict[str, NDArray[Any]]) -> tuple[Any, list[str], list[Any]]:
    """The same for a graph of version 1, whose loops and choices are Switch, Merge, Enter, Exit, NextIteration."""
    old = tf.compat.v1
    old.disable_control_flow_v2()
    with tf.Graph().as_default() as graph:
        given = {old.placeholder(array.dtype, array.shape, name=name): array for name, array in inputs.items()}
        results = [tf.identity(result) for result in tf.nest.flatten(call(*given))]
        with old.Session(graph=graph) as session:
            values = session.run(results, given)
    old.enable_control_flow_v2()
    return graph.as_graph_def(), [result.name for result in results], values


def all_cases() -> Iterator[tuple[str, Callable[..., Any], dict[str, NDArray[Any]]]]:
    """Name, function and inputs of every case."""
    numbers: dict[str, int] = {}
    for case in (*cases.all_cases(), *images.all_cases()):
        numbers[case.op] = numbers.get(case.op, -1) + 1
        yield f"{case.op}_{numbers[case.op]}", raw_call(case), case.inputs
    for name, call, inputs in (*programs.all_programs(tf), *signals.all_programs(tf)):
        yield f"program_{name}", call, inputs


def graphs() -> Iterator[tuple[str, dict[str, NDArray[Any]], tuple[Any, list[str], list[Any]]]]:
    """Name, inputs, and graph with outputs of every case."""
    for name, call, inputs in all_cases():
        try:
            yield name, inputs, graph_of(call, inputs)
        except Exception as error:
            raise SystemExit(f"{name}: {error}") from error
    for name, call, inputs in programs.old_programs(tf):
        yield f"old_{name}", inputs, old_graph_of(call, inputs)


def operators(graph: Any) -> list[str]:
    """All operators of a graph and its functions."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sorted({node.op for node in nodes})


def store(folder: Path, name: str, inputs: dict[str, NDArray[Any]], values: list[Any]) -> None:
    arrays: dict[str, Any] = {f"in__{key}": array for key, array in inputs.items()}
    arrays |= {f"out__{number}": value for number, value in enumerate(values)}
    np.savez(folder / f"{name}.npz", **arrays)


def main(folder: Path) -> None:
    index: list[dict[str, Any]] = []
    for name, inputs, (graph, outputs, values) in graphs():
        (folder / f"{name}.pb").write_bytes(graph.SerializeToString())
        store(folder, name, inputs, values)
        index.append({"name": name, "operators": operators(graph), "outputs": outputs})
    for name, save, inputs in modules.all_modules(tf):
        results = save(str(folder / name), inputs)
        store(folder, name, inputs, list(results.values()))
        graph = saved_graph(folder / name)
        index.append({"name": name, "operators": operators(graph), "outputs": list(results)})
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def saved_graph(folder: Path) -> Any:
    """The graph of a SavedModel."""
    protobuf: Any = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    model = protobuf.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return model.meta_graphs[0].graph_def


if __name__ == "__main__":
    main(Path(sys.argv[1]))
