"""What the per-op tests cannot judge: ONNX Runtime knows neither layout 1 nor all activation names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from halo_py.errors import ShapeError
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.op import Sample
from halo_py.ops import load_ops
from halo_py.ops.kernels.recurrent import activations_of
from halo_py.ops.recurrent import RNN, Recurrent
from halo_py.types import DType, tensor
from tests.ops.cases import Case, assert_close, cases

load_ops()


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if isinstance(case.sample.op, Recurrent) and case.sample.op.layout],
    ids=lambda case: case.name,
)
def test_layout_1_is_layout_0_with_batch_first(case: Case) -> None:
    op = case.sample.op
    assert isinstance(op, Recurrent)
    inputs = list(case.sample.inputs)
    for index in (0, 5, 6):
        value = inputs[index] if index < len(inputs) else None
        if isinstance(value, np.ndarray):
            inputs[index] = np.ascontiguousarray(np.swapaxes(value, 0, 1))
    sample = Sample(replace(op, layout=0), tuple(inputs), outputs=case.sample.outputs)
    y, *states = Case("layout0", sample).evaluate()
    y_first, *states_first = case.evaluate()
    assert isinstance(y, np.ndarray)
    assert isinstance(y_first, np.ndarray)
    assert_close(y_first, y.transpose(2, 0, 1, 3), 1e-6, 1e-6)
    for state, state_first in zip(states, states_first, strict=True):
        assert isinstance(state, np.ndarray)
        assert isinstance(state_first, np.ndarray)
        assert_close(state_first, state.transpose(1, 0, 2), 1e-6, 1e-6)


def test_activation_parameters_go_to_the_functions_that_have_them() -> None:
    found = activations_of(("Tanh", "LeakyRelu", "HardSigmoid"), (0.3, 0.4), (0.7,))
    assert [(entry.alpha, entry.beta) for entry in found] == [(0.0, 0.0), (0.3, 0.0), (0.4, 0.7)]


def test_activations_without_parameters_take_their_defaults() -> None:
    found = activations_of(("leakyrelu", "HARDSIGMOID", "Elu"), (), ())
    assert [(entry.alpha, entry.beta) for entry in found] == [(0.01, 0.0), (0.2, 0.5), (1.0, 0.0)]


def test_an_unknown_activation_names_the_known_ones() -> None:
    builder = GraphBuilder("g")
    x = builder.input("x", tensor(DType.FLOAT32, 4, 3, 5))
    w = builder.input("w", tensor(DType.FLOAT32, 1, 6, 5))
    r = builder.input("r", tensor(DType.FLOAT32, 1, 6, 6))
    with pytest.raises(ShapeError, match=r"unknown activation function 'Sin'.*hardsigmoid"):
        builder.add(RNN(activations=("Sin",)), [x, w, r], outputs=2)
