"""Runs made networks on a device and compares every output with the framework's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import odla
from halo_py.frontend import inspect_model
from tests.frontends.tensorflow.agreement import difference, own_rounding, quantised_difference
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
        difference(value, wanted, own_rounding(wanted, wide))
        for value, wanted, wide in zip(found, expected, exact, strict=True)
    ]


def _lite(found: list[NDArray[Any]], made: Made, form: str) -> list[str | None]:
    """Against TensorFlow Lite's default kernels or, where those differ, its reference kernels."""
    judge = difference if form in ("float", "float16") else quantised_difference
    voices = [outputs for outputs in (made.outputs(), made.outputs("ref__")) if outputs]
    answers: list[str | None] = []
    for number, value in enumerate(found):
        texts = [judge(value, outputs[number]) for outputs in voices]
        answers.append(None if None in texts else texts[0])
    return answers
