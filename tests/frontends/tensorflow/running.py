"""Runs made networks on a device and compares every output with the framework's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import odla
from halo_py.frontend import ImportOptions, inspect_model, load_model
from halo_py.ir.graph import Graph, Node
from halo_py.passes.pipelines import pipeline
from tests.frontends.tensorflow.agreement import ill_conditioned_difference, quantised_difference
from tests.frontends.tensorflow.made import FORMS, Made, network_file
from tests.frontends.tensorflow.networks import networks

OPTIONS: dict[str, dict[str, Any]] = {"cpu": {}, "ipu-pod16": {"mode": "whole"}, "ipu-tiny": {"mode": "tiled"}}
"""How each device runs."""


def given(made: Made, name: str) -> dict[str, NDArray[Any]]:
    """The inputs by the names that this file gives them."""
    arrays = list(made.inputs().values())
    ports = [port.name for port in inspect_model(made.path).inputs]
    wanted = list(networks()[name].inputs)
    return dict(zip(wanted if len(ports) > 1 else ports, arrays, strict=True))


def problems(name: str, form: str, device: str) -> list[str]:
    """In what the outputs of a network in one form differ from the framework's."""
    made = network_file(name, form)
    inputs = given(made, name)
    shapes = {key: array.shape for key, array in inputs.items()}
    result = odla.execute(made.path, inputs, device=device, shapes=shapes, **OPTIONS[device])
    found = {key: np.asarray(result[key]) for key in sorted(result)}
    names = sorted(made.output_names) or list(found)
    if sorted(found) != sorted(names):
        return [f"outputs {sorted(found)}, not {sorted(names)}"]
    order = made.output_names or tuple(found)
    arrays = [found[key] for key in order]
    judge = _tensorflow if form in FORMS else _lite
    return [f"{key}: {text}" for key, text in zip(order, judge(arrays, made, form), strict=True) if text]


def _tensorflow(found: list[NDArray[Any]], made: Made, _form: str) -> list[str | None]:
    expected = made.outputs()
    exact = made.outputs("exact__") or [None] * len(expected)
    return [
        ill_conditioned_difference(value, [wanted], wide)
        for value, wanted, wide in zip(found, expected, exact, strict=True)
    ]


def _lite(found: list[NDArray[Any]], made: Made, form: str) -> list[str | None]:
    """Against TensorFlow Lite's default kernels or, where those differ, its reference kernels."""
    voices = [outputs for outputs in (made.outputs(), made.outputs("ref__")) if outputs]
    exact = _exact(made) if form == "float" else None
    answers: list[str | None] = []
    for number, value in enumerate(found):
        own = [outputs[number] for outputs in voices]
        if form in ("float", "float16"):
            answers.append(ill_conditioned_difference(value, own, exact))
            continue
        texts = [quantised_difference(value, wanted, own) for wanted in own]
        answers.append(None if None in texts else texts[0])
    return answers


def _exact(made: Made) -> NDArray[Any] | None:
    """The output of the same network in float64, if it has one output (several have another order here)."""
    found = Made(made.path, made.path.parent / "tensorflow.npz").outputs("exact__")
    return found[0] if len(found) == 1 else None


def transposes(name: str, form: str) -> tuple[int, int]:
    """How many transposes the passes leave of a network, and how many inputs and outputs it has."""
    made = network_file(name, form)
    shapes = {key: array.shape for key, array in given(made, name).items()}
    graph = pipeline("ipu").run(load_model(made.path, ImportOptions(shapes=shapes)))
    left = sum(type(node.op).__name__ == "Transpose" for node in _nodes(graph))
    return left, len(graph.inputs) + len(graph.outputs)


def _nodes(graph: Graph) -> Iterator[Node]:
    for node in graph.nodes:
        yield node
        for body in node.bodies:
            yield from _nodes(body)
