"""SequenceMap: nested graphs over the elements of sequences, of shapes and lengths of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import GraphProto, ModelProto, helper

import odla
from halo_py.errors import ModelError
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.op import RuntimeValue
from halo_py.ir.verify import verify_graph
from tests.frontends.onnx_models import FLOAT, Array, make_graph, make_model, random, tensor_input, untyped, write

_WEIGHTS = random(1, 4, 3)


def _body() -> GraphProto:
    """a w + b, where w is of the graph around it, and the shape of that."""
    nodes = [
        helper.make_node("MatMul", ["a", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        helper.make_node("Shape", ["sum"], ["shape"]),
    ]
    return make_graph(nodes, [untyped("a"), untyped("b")], [untyped("sum"), untyped("shape")])


def _model(*, tensor: bool) -> ModelProto:
    """The second operand is a sequence, or a tensor that is the same for every element."""
    node = helper.make_node("SequenceMap", ["as", "bs"], ["sums", "shapes"], body=_body())
    as_, bs = (helper.make_tensor_sequence_value_info(name, FLOAT, None) for name in ("as", "bs"))
    ports = [as_, tensor_input("bs", 1, 3) if tensor else bs]
    return make_model(make_graph([node], ports, [untyped("sums"), untyped("shapes")], {"w": _WEIGHTS}), opset=17)


@pytest.mark.parametrize("device", ["reference", "cpu", "ipu-tiny"])
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("tensor", [False, True])
def test_each_element_goes_through_the_body(tensor: bool, count: int, device: str, tmp_path: Path) -> None:
    firsts = [random(number, number + 2, 4) for number in range(count)]
    seconds = [random(9, 1, 3)] * count if tensor else [random(20 + number, number + 2, 3) for number in range(count)]
    given: dict[str, RuntimeValue] = {"as": [*firsts], "bs": random(9, 1, 3) if tensor else [*seconds]}
    path = write(_model(tensor=tensor), tmp_path)
    verify_graph(load_model(path, ImportOptions(keep_symbolic=True)))

    found = odla.execute(path, given, device=device)

    sums: list[Array] = found["sums"]
    shapes: list[Array] = found["shapes"]
    assert len(sums) == len(shapes) == count
    for first, second, ours, shape in zip(firsts, seconds, sums, shapes, strict=True):
        np.testing.assert_allclose(ours, first @ _WEIGHTS + second, rtol=1e-5, atol=1e-6)
        assert shape.tolist() == [*first.shape[:1], 3]


def test_the_body_takes_every_operand(tmp_path: Path) -> None:
    model = _model(tensor=True)
    del model.graph.node[0].input[-1]

    with pytest.raises(ModelError, match="the body takes 2 values, the node gives 1"):
        load_model(write(model, tmp_path))


def test_the_first_operand_is_a_sequence(tmp_path: Path) -> None:
    model = _model(tensor=True)
    model.graph.input[0].CopyFrom(tensor_input("as", 2, 4))

    with pytest.raises(ModelError, match="operand 0 must be a sequence"):
        load_model(write(model, tmp_path), ImportOptions(keep_symbolic=True))
