"""The ODLA interface: computations, executables, contexts, execute, devices of other distributions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import odla
from halo_py.errors import ModelError, OutputError, ShapeError, TargetError, UnsupportedError, UsageError
from halo_py.types import DType, tensor
from odla.driver import DeviceInfo, Options, RunResult, Signature
from tests.frontends.onnx_models import INT64, make_graph, make_model, random, tensor_input, untyped, write

F32 = DType.FLOAT32


def _linear() -> odla.Computation:
    """y = relu(x w + b) for x [2, 3]."""
    computation = odla.Computation("linear")
    x = computation.argument("x", tensor(F32, 2, 3))
    w = computation.constant(random(1, 3, 4), "w")
    b = computation.constant(random(2, 4), "b")
    computation.output(computation.add("relu", computation.add("add", computation.add("matmul", x, w), b)), "y")
    return computation


def _expected(x: Any) -> Any:
    return np.maximum(x @ random(1, 3, 4) + random(2, 4), 0)


@pytest.fixture(params=["cpu", "reference"])
def device(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_computation_runs(device: str) -> None:
    x = random(3, 2, 3)
    executable = _linear().compile(device)
    result = executable.run({"x": x})
    assert list(result) == ["y"]
    assert executable.device == device
    np.testing.assert_allclose(result["y"], _expected(x), rtol=1e-5)
    np.testing.assert_allclose(executable.run([x])["y"], result["y"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is not given"),
        ({"z": 1}, "input 'x' is not given; the model has no input 'z'"),
        ({"x": np.zeros((2, 3), np.float32), "z": 1}, "no input 'z'"),
        ([], "has 1 inputs, 0 are given"),
        ({"x": np.zeros((2, 4), np.float32)}, "must be float32[2, 3], found float32[2, 4]"),
        ({"x": np.zeros((2, 3))}, "must be float32[2, 3], found float64[2, 3]"),
        ({"x": "text"}, "must be float32[2, 3]"),
        (3, "mapping from name to array"),
    ],
)
def test_wrong_inputs_are_usage_errors(inputs: Any, message: str) -> None:
    executable = _linear().compile("cpu")
    with pytest.raises(UsageError) as caught:
        executable.run(inputs)
    assert message in str(caught.value)


def test_lists_of_numbers_are_taken() -> None:
    result = _linear().compile("cpu").run({"x": [[1, 2, 3], [4, 5, 6]]})
    np.testing.assert_allclose(result["y"], _expected(np.array([[1, 2, 3], [4, 5, 6]], np.float32)), rtol=1e-5)


def test_an_executable_is_saved_and_loaded(device: str, tmp_path: Path) -> None:
    path = tmp_path / "linear.halo"
    _linear().compile(device).save(path)
    x = random(3, 2, 3)
    loaded = odla.load(path)
    assert loaded.device == device
    np.testing.assert_allclose(loaded.run([x])["y"], _expected(x), rtol=1e-5)
    np.testing.assert_allclose(odla.execute(path, [x])["y"], _expected(x), rtol=1e-5)
    again = tmp_path / "again.halo"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(UsageError, match=f"compiled for '{device}'"):
        odla.execute(path, [x], device="elsewhere")
    with pytest.raises(OutputError):
        loaded.save(tmp_path / "no" / "such" / "folder.halo")


def test_an_unknown_device_lists_the_known_ones() -> None:
    with pytest.raises(TargetError, match="cpu") as caught:
        odla.device("abacus")
    assert "reference" in str(caught.value)
    assert odla.status_of(caught.value) is odla.Status.UNSUPPORTED_DEVICE_TYPE
    assert "abacus" in odla.last_error()


@pytest.mark.parametrize("device", ["cpu", "reference", "ipu-tiny"])
def test_an_unknown_option_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match="'colour'"):
        _linear().compile(device, colour="red")
    with pytest.raises(UsageError, match="did you mean 'batch_size'"):
        _linear().compile(device, batchsize=3)


def test_computations_check_what_is_added() -> None:
    computation = odla.Computation()
    x = computation.argument("x", tensor(F32, 2, 3))
    with pytest.raises(UnsupportedError, match="frobnicate"):
        computation.add("frobnicate", x)
    with pytest.raises(UsageError, match="attributes"):
        computation.add("relu", x, alpha=3)
    with pytest.raises(ShapeError):
        computation.add("matmul", x, x)
    with pytest.raises(UsageError, match="no output"):
        computation.graph()
    computation.output(computation.add("Relu", x))
    computation.graph()
    with pytest.raises(UsageError, match="finished"):
        computation.argument("z", tensor(F32))


def test_bindings_persist_and_outputs_are_filled(device: str) -> None:
    context = odla.Context(_linear().compile(device))
    x, y = random(3, 2, 3), np.zeros((2, 4), np.float32)
    context.bind_input("x", x)
    context.bind_output(0, y)
    context.execute()
    np.testing.assert_allclose(y, _expected(x), rtol=1e-5)
    x[:] = 1
    context.execute()
    np.testing.assert_allclose(y, _expected(np.ones((2, 3), np.float32)), rtol=1e-5)


def test_asynchronous_runs_give_what_was_bound() -> None:
    executable = _linear().compile("cpu")
    context = odla.Context(executable)
    inputs = [random(seed, 2, 3) for seed in range(16)]
    futures: list[Any] = []
    for x in inputs:
        context.bind_input(0, x)
        futures.append(context.execute_async())
    for x, future in zip(inputs, futures, strict=True):
        np.testing.assert_allclose(future.result(timeout=30)["y"], _expected(x), rtol=1e-5)


def test_wrong_bindings_are_usage_errors() -> None:
    context = odla.Context(_linear().compile("cpu"))
    with pytest.raises(UsageError, match="'z'"):
        context.bind_input("z", 1)
    with pytest.raises(UsageError, match="input 7"):
        context.bind_input(7, 1)
    with pytest.raises(UsageError, match="is not given"):
        context.execute()
    context.bind_input("x", random(0, 2, 3))
    context.bind_output("y", np.zeros((2, 5), np.float32))
    with pytest.raises(UsageError, match="bound to it"):
        context.execute()


def test_execute_takes_dynamic_dimensions_from_the_inputs(device: str, tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "bias"], ["y"])]
    ports = [tensor_input("x", "batch", "length", 3), tensor_input("bias", "length", 4)]
    path = write(make_model(make_graph(nodes, ports, [untyped("y")], {"w": random(1, 3, 4)})), tmp_path)
    x, bias = random(2, 5, 7, 3), random(3, 7, 4)
    result = odla.execute(str(path), {"x": x, "bias": bias}, device)
    np.testing.assert_allclose(result["y"], x @ random(1, 3, 4) + bias, rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match="'bias' must be"):
        odla.execute(path, {"x": x, "bias": bias[0]}, device)


def test_a_value_fixes_a_run_time_scalar(device: str, tmp_path: Path) -> None:
    ports = [tensor_input("x", 4, type=INT64), tensor_input("k", type=INT64)]
    node = helper.make_node("Mul", ["x", "k"], ["y"])
    path = write(make_model(make_graph([node], ports, [untyped("y")])), tmp_path)
    x = np.arange(4)
    np.testing.assert_array_equal(odla.execute(path, [x], device, values={"k": 7})["y"], x * 7)


def test_a_missing_model_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        odla.execute(tmp_path / "missing.onnx", [])


class Doubler:
    """A backend of another distribution: it doubles its first input whatever the graph says."""

    name = "doubler"

    def devices(self) -> Sequence[DeviceInfo]:
        return (DeviceInfo("doubler-0", "toy"),)

    def claims(self, device: str) -> bool:
        return device.startswith("doubler")

    def supports(self, graph: Any, device: str) -> Sequence[odla.Refused]:
        return [odla.Refused(node.name, node.op.kind, "only doubles") for node in graph.nodes]

    def compile(self, model: Any, device: str, options: Options) -> Any:
        return ("doubled", device, model)

    def owns(self, artefact: object) -> bool:
        return isinstance(artefact, tuple)

    def reads(self, path: Path, head: bytes) -> bool:
        return False

    def load(self, path: Path) -> Any:
        raise NotImplementedError

    def save(self, artefact: Any, path: Path) -> None:
        raise NotImplementedError

    def signature(self, artefact: Any) -> Signature:
        graph = artefact[2]
        ports = [odla.driver.Port(value.name, value.type) for value in (*graph.inputs, *graph.outputs)]
        return Signature(tuple(ports[: len(graph.inputs)]), tuple(ports[len(graph.inputs) :]))

    def device_of(self, artefact: Any) -> str:
        return artefact[1]

    def run(self, artefact: Any, inputs: Sequence[Any]) -> RunResult:
        return RunResult([2 * inputs[0]])


def test_a_backend_registers_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odla.driver._registered", {})
    odla.register(Doubler())
    x = random(0, 2, 3)
    result = odla.execute(_linear(), [x], device="doubler-7")
    np.testing.assert_array_equal(result.in_order()[0], 2 * x)
    assert [refused.op for refused in odla.device("doubler-0").supports(_linear().graph())] == ["matmul", "add", "relu"]
    assert "doubler-0" in [found.name for found in odla.devices()]


def test_importing_odla_imports_nothing_heavy() -> None:
    code = "import sys, odla; print([m for m in ('numpy', 'onnx', 'onnxruntime', 'halo_py.ops') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
