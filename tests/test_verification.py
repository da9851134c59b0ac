"""The rules by which values count as equal, and the judge that runs a file of fixed batch in groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

import halo_py
from halo_py.cli.verify import boundary_effect
from halo_py.errors import VerificationError
from halo_py.frontend import load_model
from halo_py.ir.builder import GraphBuilder
from halo_py.ir.pattern import onnx_op
from halo_py.verification import OnnxRuntimeJudge, compare, quantises

JUDGED = np.array([[0.0, 1.0], [-100.0, 3.0]], np.float32)


@given(st.integers(0, 3), st.floats(0.0, 0.99), st.booleans())
def test_fp32_errors_inside_the_tolerance_are_equal(position: int, share: float, negative: bool) -> None:
    found = JUDGED.astype(np.float64)
    allowed = 1e-4 + 1e-3 * abs(float(JUDGED.flat[position]))
    found.flat[position] += (-1 if negative else 1) * share * allowed
    assert compare("y", found, JUDGED, "fp32").equal


@given(st.integers(0, 3), st.floats(1.01, 100.0), st.booleans())
def test_fp32_errors_beyond_it_are_different(position: int, times: float, negative: bool) -> None:
    found = JUDGED.astype(np.float64)
    allowed = 1e-4 + 1e-3 * abs(float(JUDGED.flat[position]))
    found.flat[position] += (-1 if negative else 1) * times * allowed
    result = compare("y", found, JUDGED, "fp32")
    assert not result.equal
    assert result.at == tuple(map(int, np.unravel_index(position, JUDGED.shape)))
    assert result.largest_error == pytest.approx(times * allowed, rel=1e-6)
    assert result.allowed == pytest.approx(allowed)


@pytest.mark.parametrize(
    ("error", "baseline_error", "equal"),
    [(0.39, 0.1, True), (0.41, 0.1, False), (1.9, 1.0, True), (2.1, 1.0, False), (0.0, 0.0, True)],
)
def test_half_precision_is_judged_by_a_baseline_and_by_the_range(
    error: float, baseline_error: float, equal: bool
) -> None:
    """Four times the baseline's error, and never more than 2 % of the range, which is 103 here."""
    found, baseline = JUDGED + np.float32(error), JUDGED + np.float32(baseline_error)
    result = compare("y", found, JUDGED, "mixed", baseline)
    assert result.equal is equal
    assert result.baseline_error == pytest.approx(baseline_error, abs=1e-5)
    assert not result.is_lost_in_half


def test_a_model_that_16_bits_break_is_told_apart() -> None:
    broken = JUDGED + np.array([[0, 0], [0, np.inf]], np.float32)
    result = compare("y", JUDGED + np.float32(5.0), JUDGED, "fp16", broken)
    assert not result.equal
    assert result.allowed == pytest.approx(0.02 * 103)
    assert result.is_lost_in_half


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_is_not_finite_must_agree(precision: str) -> None:
    judged = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)
    rule = "fp32" if precision == "fp32" else "fp16"
    assert compare("y", judged.copy(), judged, rule, judged).equal
    for wrong in ([0.0, np.inf, -np.inf, 1.0], [np.nan, -np.inf, -np.inf, 1.0], [np.nan, np.inf, -np.inf, np.nan]):
        assert not compare("y", np.array(wrong, np.float32), judged, rule, judged).equal


def test_integers_booleans_and_strings_must_be_equal() -> None:
    for judged, found in (
        (np.array([1, 2]), np.array([1, 3])),
        (np.array([True, False]), np.array([True, True])),
        (np.array(["a", "b"], object), np.array(["a", "c"], object)),
    ):
        assert compare("y", judged.copy(), judged, "fp32").equal
        result = compare("y", found, judged, "fp32")
        assert not result.equal
        assert result.largest_error == 1
        assert compare("y", found, judged, "fp16", found).equal


def test_shapes_must_agree() -> None:
    result = compare("y", JUDGED[:1], JUDGED, "fp32")
    assert not result.equal
    assert "shape" in result.reason
    assert compare("y", np.zeros((0, 2)), np.zeros((0, 2)), "fp32").equal


def _write_model(path: Path, batch: int | str, op: str = "Softmax") -> Path:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 3]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node(op, ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("batch", [2, "batch"])
def test_the_judge_runs_groups_of_the_size_that_the_file_accepts(batch: int | str, tmp_path: Path) -> None:
    judge = OnnxRuntimeJudge(_write_model(tmp_path / "m.onnx", batch))
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    found = np.asarray(judge.run({"x": x}, {}, {"x": 0, "y": 0})["y"], np.float32)
    e = np.exp(x)
    np.testing.assert_allclose(found, e / e.sum(1, keepdims=True), rtol=1e-5)


def test_a_file_that_onnx_runtime_cannot_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="cannot run the file, so nothing can be compared"):
        OnnxRuntimeJudge(_write_model(tmp_path / "m.onnx", 2, "Frobnicate"))


def test_what_steps_at_rounding_boundaries_do_is_added() -> None:
    found = JUDGED + np.float32(0.3)
    assert not compare("y", found, JUDGED, "fp32", moved=np.full(JUDGED.shape, 0.1)).equal
    assert compare("y", found, JUDGED, "fp32", moved=np.asarray([[0.0, 0.2], [0.0, 0.0]])).equal
    counts, one = np.arange(4), np.asarray([0, 1, 0, 0])
    assert not compare("n", counts + 1, counts, "fp32", moved=one).equal
    assert compare("n", counts + one, counts, "fp32", moved=one).equal


def test_a_number_at_a_rounding_boundary_moves_by_one_step(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["x", "c"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "s"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y"))
    constants = [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("c", 1.0), ("s", 0.25))]
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
    imported = load_model(path)
    assert quantises(imported)
    moved = boundary_effect(
        halo_py.compile(path, target="ipu-tiny"), imported, {"x": np.asarray([2.625, 2.5], np.float32)}
    )
    np.testing.assert_allclose(np.asarray(moved["y"], np.float64), [0.25, 0.0], atol=1e-4)


def test_models_that_only_hold_quantised_weights_do_not_quantise() -> None:
    builder = GraphBuilder("weights")
    fields, scale = builder.constant(np.arange(4, dtype=np.int8)), builder.constant(np.asarray(0.5, np.float32))
    assert not quantises(builder.finish(builder.add(onnx_op("DequantizeLinear"), [fields, scale])))
