"""The C names in Python (`import odla.c`): every one is there, and programs in the style of C run."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odla
import odla.c as odla_c
from halo_py.errors import HaloError, UsageError
from odla.api.table import extensions, standard

FLOATS = (odla_c.ODLA_FLOAT32, (2, 3))


def _affine() -> tuple[Any, Any]:
    """The computation y = 2 x + b and a context of it."""
    computation = odla_c.odla_CreateComputation()
    x = odla_c.odla_CreateArgument(FLOATS, "x")
    two = odla_c.odla_CreateConstant((np.float32, ()), np.float32(2), "two")
    b = odla_c.odla_CreateConstant((np.float32, (3,)), np.array([1, 2, 3], np.float32), "b")
    y = odla_c.odla_Add(odla_c.odla_Mul(x, two, "product"), b, "y")
    odla_c.odla_SetValueAsOutput(y)
    return computation, odla_c.odla_CreateContext()


def test_every_function_and_enumerator_has_its_name() -> None:
    functions = {each.name for api in (standard(), extensions()) for each in api.functions}
    numbers = {name: number for each in standard().enumerations for name, number, _ in each.values}
    assert len(standard().functions) == 229
    assert all(callable(getattr(odla_c, name)) for name in functions)
    assert {name: getattr(odla_c, name) for name in numbers} == numbers
    assert functions | set(numbers) <= set(dir(odla_c))
    with pytest.raises(AttributeError, match="odla_Fantasy"):
        odla_c.odla_Fantasy  # noqa: B018


def test_importing_loads_neither_operators_nor_cffi() -> None:
    code = "import sys, odla.c; print(any(m.startswith(('cffi', 'halo_py.ops', 'numpy')) for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_program_binds_by_id_and_runs() -> None:
    computation, context = _affine()
    data, out = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((2, 3), np.float32)
    odla_c.odla_BindToArgumentById("x", data, context)
    odla_c.odla_BindToOutputById("y", out, context)
    odla_c.odla_ExecuteComputation(computation, context, odla_c.ODLA_COMPUTE_INFERENCE, None)
    np.testing.assert_array_equal(out, 2 * data + [1, 2, 3])

    data[:] = 1
    odla_c.odla_ExecuteComputation(computation, context, odla_c.ODLA_COMPUTE_INFERENCE, None)
    np.testing.assert_array_equal(out, [[3, 4, 5]] * 2)
    assert odla_c.odla_GetNumOfArgsFromComputation(computation) == 1
    x = odla_c.odla_GetArgFromComputationByIdx(computation, 0)
    assert odla_c.odla_GetValueId(x) == "x"
    assert odla_c.odla_GetValueType(x) == FLOATS
    assert odla_c.odla_GetRunProfile(context).runs == 2
    assert json.loads(odla_c.odla_GetRunProfileText(context))["runs"] == 2
    odla_c.odla_DestroyContext(context)
    odla_c.odla_DestroyComputation(computation)


def test_failures_are_errors_with_text_and_status() -> None:
    computation, context = _affine()
    x = odla_c.odla_FindValueById("x")
    small, out = np.zeros(2, np.float32), np.zeros((2, 3), np.float32)
    for message, call in (
        ("there is no argument 'z'", lambda: odla_c.odla_BindToArgumentById("z", out, context)),
        ("input is NULL", lambda: odla_c.odla_Relu(None, "r")),
        ("context is .*, not a context", lambda: odla_c.odla_BindToArgumentById("x", out, computation)),
        ("not contiguous", lambda: odla_c.odla_BindToArgumentById("x", out.T, context)),
        (
            "output_dims is 'wide', which is no odla_value_shape",
            lambda: odla_c.odla_Reshape(x, "wide", None),
        ),
        ("the 24 bytes of argument 'x'", lambda: _run(computation, context, small, out)),
        ("the memory bound to it 8", lambda: _run(computation, context, out, small)),
    ):
        with pytest.raises(UsageError, match=message) as caught:
            call()
        assert odla_c.odla_GetLastErrorText() == str(caught.value)
        assert odla_c.odla_GetLastErrorStatus() == odla_c.ODLA_INVALID_PARAM
    with pytest.raises(TypeError, match="odla_Relu takes input, value_id"):
        odla_c.odla_Relu()
    odla_c.odla_DestroyComputation(computation)
    with pytest.raises(HaloError, match="destroyed"):
        odla_c.odla_GetNumOfArgsFromComputation(computation)


def _run(computation: Any, context: Any, data: Any, out: Any) -> None:
    odla_c.odla_BindToArgumentById("x", data, context)
    odla_c.odla_BindToOutputById("y", out, context)
    odla_c.odla_ExecuteComputation(computation, context, odla_c.ODLA_COMPUTE_INFERENCE, None)


def test_a_python_function_hears_how_an_asynchronous_run_ends() -> None:
    computation, context = _affine()
    out, done = np.zeros((2, 3), np.float32), threading.Event()
    heard: list[tuple[object, int]] = []

    def hear(argument: object, status: int) -> None:
        heard.append((argument, status))
        done.set()

    odla_c.odla_SetContextItem(context, odla_c.ODLA_ASYNC_CALLBACK_FUNC, hear)
    odla_c.odla_SetContextItem(context, odla_c.ODLA_ASYNC_CALLBACK_ARG, {"name": "mine"})
    odla_c.odla_BindToArgumentById("x", np.ones((2, 3), np.float32), context)
    odla_c.odla_BindToOutputById("y", out, context)
    odla_c.odla_AsyncExecuteComputation(computation, context, odla_c.ODLA_COMPUTE_INFERENCE, None)
    assert done.wait(60)
    odla_c.odla_DestroyContext(context)
    odla_c.odla_DestroyComputation(computation)
    assert heard == [({"name": "mine"}, odla_c.ODLA_SUCCESS)]
    np.testing.assert_array_equal(out[0], [3, 4, 5])


def test_operators_with_several_results_lists_and_attributes() -> None:
    odla_c.odla_SetActiveComputation(None)
    x = odla_c.odla_CreateValue((np.float32, (2, 4)), "x")
    odla_c.odla_SetValueData(x, np.array([[3, 1, 4, 1], [5, 9, 2, 6]], np.float32))
    values, places = odla_c.odla_TopK(
        x, 2, True, True, 1, (odla_c.ODLA_FLOAT32, (2, 2)), (odla_c.ODLA_INT64, (2, 2)), ["values", "places"]
    )
    found, where = np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int64)
    odla_c.odla_GetValueData(values, found, None)
    odla_c.odla_GetValueData(places, where, None)
    np.testing.assert_array_equal(found, [[4, 3], [9, 6]])
    np.testing.assert_array_equal(where, [[2, 0], [1, 3]])
    (made,) = odla_c.odla_CustomOp([x], "LeakyRelu", None, ["out"], "alpha", 0.5)
    odla_c.odla_Neg(x, "negated")
    (leaky,) = odla_c.odla_CustomOp([odla_c.odla_FindValueById("negated")], "LeakyRelu", None, [None], "alpha", 0.5)
    rows = np.zeros((2, 4), np.float32)
    odla_c.odla_GetValueData(leaky, rows, None)
    np.testing.assert_array_equal(rows[0], [-1.5, -0.5, -2, -0.5])
    part = odla_c.odla_Slice(made, [0, 1], [2, 3], [1, 1], (2, 2), None)
    odla_c.odla_GetValueData(part, found, None)
    np.testing.assert_array_equal(found, [[1, 4], [9, 2]])


def test_devices_logs_tasks_memory_and_locations(tmp_path: Path) -> None:
    said: list[str] = []
    odla_c.odla_SetLogLevel(odla_c.ODLA_LOG_LEVEL_INFO)

    def hear(_file: str, _line: int, _name: str, _level: int, message: str) -> None:
        said.append(message)

    odla_c.odla_SetLogger(hear)
    computation, context = _affine()
    try:
        device = odla_c.odla_AllocateDevice(odla_c.odla_GetVendor(odla_c.ODLA_VENDOR_DEFAULT), 0, 0)
        config = odla_c.odla_CreateDeviceConfig()
        odla_c.odla_SetDeviceConfigItem(config, "device", "ipu-tiny4")
        pipeline = {"execution_mode": "pipeline", "pipeline": {"product": [0, 0], "y": [1, 1]}}
        odla_c.odla_SetDeviceConfigItem(config, "ODLA_POPART_CONFIG", json.dumps(pipeline))
        odla_c.odla_InitDevice(device, config)
        out = np.zeros((2, 3), np.float32)
        odla_c.odla_BindToArgumentById("x", np.ones((2, 3), np.float32), context)
        odla_c.odla_BindToOutputById("y", out, context)
        odla_c.odla_ExecuteComputation(computation, context, odla_c.ODLA_COMPUTE_INFERENCE, device)
        np.testing.assert_array_equal(out[1], [3, 4, 5])
        assert len(json.loads(odla_c.odla_GetRunProfileText(context))["device"]["time"]["stages"]) == 2
        assert odla_c.odla_GetRunProfile(context).device_cycles > 0
        assert odla_c.odla_GetDeviceInfo(device, odla_c.ODLA_DEVICE_INFO_DEV_COUNT) == 4
        assert any("compiling" in text for text in said)
        supported, why = odla_c.odla_QueryOpSupport(device, "odla_NMS")
        assert supported
        assert why.startswith("on the host: ")
    finally:
        odla_c.odla_SetLogger(None)
        odla_c.odla_SetLogLevel(odla_c.ODLA_LOG_LEVEL_ERROR)

    stored = str(tmp_path / "stored")
    odla_c.odla_StoreComputation(stored, computation)
    loaded = odla_c.odla_LoadComputation(stored)
    assert odla_c.odla_GetNumOfOutputsFromComputation(loaded) == 1

    eager = odla_c.odla_SetActiveComputation(None) or odla_c.odla_CreateValue((np.int64, (1,)), None)
    calls: list[tuple[Any, Any]] = []

    def run(_device: object, inputs: Any, outputs: Any) -> None:
        calls.append((inputs, outputs))

    odla_c.odla_RunTask(device, (run, [eager], []))
    assert calls == [((eager,), ())]

    address = odla_c.odla_AllocateHostMemory(24)
    odla_c.odla_CopyMemory(address, np.arange(3, dtype=np.int64), 24, odla_c.ODLA_MEMCPY_H2H)
    back = np.zeros(3, np.int64)
    odla_c.odla_CopyMemory(back, address, 24, odla_c.ODLA_MEMCPY_H2H)
    odla_c.odla_FreeHostMemory(address)
    np.testing.assert_array_equal(back, [0, 1, 2])


def test_a_model_file_is_loaded_as_an_executable() -> None:
    path = Path(__file__).parents[2] / "examples" / "digits.onnx"
    executable = odla_c.odla_LoadExecutable(str(path), None)
    context = odla_c.odla_CreateContext()
    image = odla_c.odla_GetArgFromExecutableByIdx(executable, 0)
    scores = odla_c.odla_GetOutputFromExecutableByIdx(executable, 0)
    for batch in (3, 2):
        data = np.random.default_rng(batch).normal(size=(batch, 1, 8, 8)).astype(np.float32)
        expected = next(iter(odla.execute(path, [data]).values()))
        odla_c.odla_SetRuntimeValueType(context, image, (odla_c.ODLA_FLOAT32, data.shape))
        out = np.zeros(expected.shape, np.float32)
        odla_c.odla_BindToArgument(image, data, context)
        odla_c.odla_BindToOutput(scores, out, context)
        odla_c.odla_LaunchExecutable(executable, context)
        np.testing.assert_allclose(out, expected, rtol=1e-5)
        assert odla_c.odla_GetRuntimeNumOfOutputs(context) == 1
        assert odla_c.odla_GetRuntimeValueType(context, scores) == (odla_c.ODLA_FLOAT32, expected.shape)
