"""Scan of operator set 8: a batch of sequences, of lengths of their own, forwards and backwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, helper

import odla
from halo_py.errors import ModelError
from halo_py.frontend import ImportOptions, load_model
from halo_py.ir.verify import verify_graph
from tests.frontends.onnx_models import (
    INT64,
    Array,
    judge,
    make_graph,
    make_model,
    random,
    tensor_input,
    untyped,
    write,
)

_BATCH, _STEPS = 3, 5
_LENGTHS = np.asarray([2, 5, 1], np.int64)


def _model(directions: Sequence[int] | None, *, lengths: bool, lengths_known: bool = False) -> ModelProto:
    """Two states and two scanned operands; the body reads a value of the graph around it."""
    nodes = [
        helper.make_node("Mul", ["a", "weight"], ["scaled"]),
        helper.make_node("Add", ["sum", "scaled"], ["new_sum"]),
        helper.make_node("Max", ["top", "b"], ["new_top"]),
        helper.make_node("Sub", ["new_sum", "a"], ["shown"]),
        helper.make_node("ReduceSum", ["b"], ["total"], keepdims=0),
    ]
    formal = [tensor_input("sum", 4), tensor_input("top", 2), tensor_input("a", 4), tensor_input("b", 2)]
    results = [tensor_input("new_sum", 4), tensor_input("new_top", 2), tensor_input("shown", 4), tensor_input("total")]
    attributes: dict[str, Any] = {} if directions is None else {"directions": list(directions)}
    scan = helper.make_node(
        "Scan",
        ["lengths" if lengths else "", "sums", "tops", "as", "bs"],
        ["ends", "end_tops", "all_shown", "totals"],
        body=make_graph(nodes, formal, results),
        num_scan_inputs=2,
        **attributes,
    )
    ports = [
        tensor_input("sums", _BATCH, 4),
        tensor_input("tops", _BATCH, 2),
        tensor_input("as", _BATCH, _STEPS, 4),
        tensor_input("bs", _BATCH, _STEPS, 2),
    ]
    constants: dict[str, Array] = {"weight": random(9, 4)}
    if lengths_known:
        constants["lengths"] = _LENGTHS
    elif lengths:
        ports.append(tensor_input("lengths", _BATCH, type=INT64))
    outputs = [untyped(name) for name in ("ends", "end_tops", "all_shown", "totals")]
    return make_model(make_graph([scan], ports, outputs, constants), opset=8)


def _inputs(*, lengths: bool) -> dict[str, Array]:
    found: dict[str, Array] = {
        "sums": random(1, _BATCH, 4),
        "tops": random(2, _BATCH, 2),
        "as": random(3, _BATCH, _STEPS, 4),
        "bs": random(4, _BATCH, _STEPS, 2),
    }
    return {**found, "lengths": _LENGTHS} if lengths else found


def _check(model: ModelProto, inputs: Mapping[str, Array], folder: Path, device: str, **options: Any) -> None:
    path = write(model, folder)
    verify_graph(load_model(path, ImportOptions(keep_symbolic=True)))
    found = odla.execute(path, dict(inputs), device=device, **options)
    for ours, theirs in zip(found.values(), judge(path, inputs), strict=True):
        assert np.asarray(ours).shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", ["reference", "cpu", "ipu-tiny"])
@pytest.mark.parametrize("directions", [None, (0, 1), (1, 1)], ids=str)
@pytest.mark.parametrize("lengths", [False, True])
def test_a_scan_over_a_batch(directions: tuple[int, ...] | None, lengths: bool, device: str, tmp_path: Path) -> None:
    _check(_model(directions, lengths=lengths), _inputs(lengths=lengths), tmp_path, device)


def test_known_lengths_run_on_tiles(tmp_path: Path) -> None:
    model = _model((0, 1), lengths=True, lengths_known=True)
    _check(model, _inputs(lengths=False), tmp_path, "ipu-tiny", mode="tiled")


def test_the_types_of_the_results_are_known(tmp_path: Path) -> None:
    path = write(_model(None, lengths=True), tmp_path)
    graph = load_model(path, ImportOptions(keep_symbolic=True))

    assert [str(value.type) for value in graph.outputs] == [
        "float32[3, 4]",
        "float32[3, 2]",
        "float32[3, 5, 4]",
        "float32[3, 5]",
    ]


@pytest.mark.parametrize(
    ("directions", "message"),
    [((0,), "1 directions for 2 scanned operands"), ((0, 1, 0), "3 directions for 2 scanned operands")],
    ids=str,
)
def test_every_scanned_operand_has_a_direction(directions: tuple[int, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(write(_model(directions, lengths=False), tmp_path))


def test_a_body_takes_as_many_values_as_the_node_gives(tmp_path: Path) -> None:
    model = _model(None, lengths=False)
    del model.graph.node[0].input[-1]

    with pytest.raises(ModelError, match="the body takes 4 values, the node gives 3"):
        load_model(write(model, tmp_path))
