"""Libraries that leave functions out or want others: each is driven in a way that works, and gives the right values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import odla
from halo_backends.native.calls import calls_of
from halo_backends.native.handshake import connect
from halo_backends.native.library import Settings
from halo_py.types import DType, TensorType
from odla.computation import Computation
from tests.odla_native.graphs import X, alternating, counted, perceptron, run
from tests.odla_native.libraries import library, tiny, tiny_with

_IDS = """
static struct { char* id; odla_value value; } known[64];
static int count;
static odla_value find(odla_value_id id) {
  for (int i = count - 1; i >= 0; --i) if (strcmp(known[i].id, (const char*)id) == 0) return known[i].value;
  return NULL;
}
static odla_value keep(odla_value_id id, odla_value value) {
  known[count].id = strdup((const char*)id);
  known[count++].value = value;
  return value;
}
odla_value tiny_CreateArgument(odla_value_type, odla_value_id);
odla_value tiny_Softmax(odla_value, odla_int32, odla_value_id);
odla_status tiny_BindToArgument(odla_value, const void*, odla_context);
odla_status tiny_BindToOutput(odla_value, void*, odla_context);
odla_value odla_CreateArgument(const odla_value_type type, const odla_value_id id) {
  return keep(id, tiny_CreateArgument(type, id));
}
odla_value odla_Add(odla_value a, odla_value b, const odla_value_id id) {
  extern odla_value tiny_Add(odla_value, odla_value, odla_value_id);
  return keep(id, tiny_Add(a, b, id));
}
odla_value odla_Softmax(odla_value x, odla_int32 axis, const odla_value_id id) {
  return keep(id, tiny_Softmax(x, axis, id));
}
odla_status odla_BindToArgumentById(const odla_value_id id, const void* data, odla_context context) {
  odla_value value = find(id);
  return value == NULL ? ODLA_INVALID_PARAM : tiny_BindToArgument(value, data, context);
}
odla_status odla_BindToOutputById(const odla_value_id id, void* data, odla_context context) {
  odla_value value = find(id);
  return value == NULL ? ODLA_INVALID_PARAM : tiny_BindToOutput(value, data, context);
}
"""

_DEVICE = """
static int there;
odla_status tiny_ExecuteComputation(odla_computation, odla_context, odla_compute_mode, odla_device);
odla_status odla_GetVendor(const odla_vendor_name name, odla_vendor* vendor) {
  (void)name;
  *vendor = (odla_vendor)&there;
  return ODLA_SUCCESS;
}
odla_status odla_AllocateDevice(odla_vendor vendor, odla_device_name name, odla_int32 index, odla_device* device) {
  (void)name, (void)index;
  if ((void*)vendor != (void*)&there) return ODLA_INVALID_PARAM;
  *device = (odla_device)&there;
  return ODLA_SUCCESS;
}
odla_status odla_ExecuteComputation(odla_computation c, odla_context x, odla_compute_mode mode, odla_device device) {
  if ((void*)device != (void*)&there) return ODLA_UNSUPPORTED_DEVICE_TYPE;
  return tiny_ExecuteComputation(c, x, mode, device);
}
"""

_FETCH = """
static struct { odla_value value; float* data; odla_context context; } kept[32];
static int count;
static size_t bytes;
odla_value tiny_CreateArgument(odla_value_type, odla_value_id);
odla_status tiny_BindToOutput(odla_value, void*, odla_context);
odla_status tiny_CreateContext(odla_context*);
odla_status tiny_SetValueAsOutput(odla_value);
odla_value odla_CreateArgument(const odla_value_type type, const odla_value_id id) {
  bytes = (size_t)type.shape.dims[0] * (size_t)type.shape.dims[1] * 4;
  return tiny_CreateArgument(type, id);
}
odla_status odla_SetValuesAsOutput(odla_values values) {
  for (odla_size_t i = 0; i < values.size; ++i) {
    kept[count].data = malloc(4096);
    kept[count++].value = values.values[i];
    tiny_SetValueAsOutput(values.values[i]);
  }
  return ODLA_SUCCESS;
}
odla_status odla_CreateContext(odla_context* context) {
  tiny_CreateContext(context);
  tiny_BindToOutput(kept[count - 1].value, kept[count - 1].data, *context);
  return ODLA_SUCCESS;
}
odla_status odla_GetValueData(const odla_value value, void* data, odla_context context) {
  (void)context;
  for (int i = 0; i < count; ++i) if (kept[i].value == value) memcpy(data, kept[i].data, bytes);
  return ODLA_SUCCESS;
}
"""

_SINGLETON = """
static odla_computation only;
odla_status tiny_CreateComputation(odla_computation*);
odla_status tiny_DestroyComputation(odla_computation);
odla_status odla_CreateComputation(odla_computation* computation) {
  if (only == NULL) tiny_CreateComputation(&only);
  *computation = only;
  return ODLA_SUCCESS;
}
odla_status odla_DestroyComputation(odla_computation computation) {
  only = NULL;
  return tiny_DestroyComputation(computation);
}
"""

_LAUNCH = """
struct _odla_executable { odla_computation computation; };
odla_status tiny_ExecuteComputation(odla_computation, odla_context, odla_compute_mode, odla_device);
odla_status odla_CompileComputation(odla_computation c, odla_device device, odla_executable* executable) {
  (void)device;
  *executable = (odla_executable)malloc(sizeof **executable);
  (*executable)->computation = c;
  return ODLA_SUCCESS;
}
odla_status odla_LaunchExecutable(odla_executable executable, odla_context context) {
  return tiny_ExecuteComputation(executable->computation, context, ODLA_COMPUTE_INFERENCE, NULL);
}
"""

_NO_CONTEXT = """
odla_status tiny_CreateComputation(odla_computation*);
odla_status tiny_CreateContext(odla_context*);
odla_status tiny_BindToArgument(odla_value, const void*, odla_context);
odla_status tiny_BindToOutput(odla_value, void*, odla_context);
odla_status tiny_ExecuteComputation(odla_computation, odla_context, odla_compute_mode, odla_device);
static odla_context only;
odla_status odla_CreateComputation(odla_computation* computation) {
  tiny_CreateComputation(computation);
  return tiny_CreateContext(&only);
}
odla_status odla_BindToArgument(odla_value value, const void* data, odla_context context) {
  return context != NULL ? ODLA_INVALID_PARAM : tiny_BindToArgument(value, data, only);
}
odla_status odla_BindToOutput(odla_value value, void* data, odla_context context) {
  return context != NULL ? ODLA_INVALID_PARAM : tiny_BindToOutput(value, data, only);
}
odla_status odla_ExecuteComputation(odla_computation c, odla_context context, odla_compute_mode m, odla_device d) {
  return context != NULL ? ODLA_INVALID_PARAM : tiny_ExecuteComputation(c, only, m, d);
}
"""

VARIANTS = {
    "bound by id": (_IDS, "CreateArgument Add Softmax BindToArgument BindToOutput"),
    "a device allocated": (_DEVICE, "ExecuteComputation"),
    "outputs fetched": (_FETCH, "CreateArgument SetValueAsOutput CreateContext BindToOutput"),
    "bound by value": (_SINGLETON, "CreateComputation DestroyComputation"),
    "compiled and launched": (_LAUNCH, "ExecuteComputation"),
    "graph mode": (_NO_CONTEXT, "CreateComputation CreateContext BindToArgument BindToOutput ExecuteComputation"),
}
"""How the library says it is driven -> what is added to the example library, and what that replaces."""


@pytest.mark.parametrize("way", VARIANTS)
def test_a_library_is_driven_as_it_wants(way: str, tmp_path: Path) -> None:
    source, replaced = VARIANTS[way]
    path = tiny_with(tmp_path, source, *(f"odla_{name}" for name in replaced.split()))

    if way != "outputs fetched":
        assert not run(perceptron(), path).fallbacks
    result = run(alternating(), path)

    assert [refused.op for refused in result.fallbacks] == ["Erf"]
    assert way in str(connect(path, Settings()).ways)


def test_a_library_of_one_operator_is_tried_with_that(tmp_path: Path) -> None:
    names = ("Add", "Mul", "Relu", "Conv", "Softmax", "Gemm")
    path = tiny_with(tmp_path, "", *(f"odla_{name}" for name in names))

    library = connect(path, Settings())

    assert library.has("odla_Reshape")
    assert not library.has("odla_Add")
    assert str(library.ways) == "graph mode, bound by value"
    assert library.ways.several


def test_computations_that_disturb_each_other_get_processes_of_their_own(tmp_path: Path) -> None:
    source, replaced = VARIANTS["bound by value"]
    one = tiny_with(tmp_path, source, *(f"odla_{name}" for name in replaced.split()))

    assert not connect(one, Settings()).ways.several
    assert connect(tiny(tmp_path), Settings()).ways.several


def test_a_library_in_cpp_with_a_current_computation_per_thread(tmp_path: Path) -> None:
    source = """
    extern "C" odla_status tiny_CreateComputation(odla_computation*);
    extern "C" odla_value tiny_Add(odla_value, odla_value, odla_value_id);
    static thread_local bool begun = false;
    odla_status odla_CreateComputation(odla_computation* c) { begun = true; return tiny_CreateComputation(c); }
    odla_value odla_Add(odla_value a, odla_value b, const odla_value_id id) {
      return begun ? tiny_Add(a, b, id) : NULL;
    }
    """
    path = tiny_with(tmp_path, source, "odla_CreateComputation", "odla_Add", language="cc")

    assert [refused.op for refused in run(alternating(), path).fallbacks] == ["Erf"]


_EAGER = """
struct _odla_value { odla_value_type type; float* data; };
static size_t count(odla_value v) {
  size_t n = 1;
  for (int i = 0; i < v->type.shape.size; ++i) n *= (size_t)v->type.shape.dims[i];
  return n;
}
odla_value odla_CreateValue(const odla_value_type type, const odla_value_id id) {
  (void)id;
  odla_value made = malloc(sizeof *made);
  made->type = type;
  made->data = calloc(count(made) + 1, 4);
  return made;
}
odla_status odla_SetValueData(odla_value value, const void* data) {
  memcpy(value->data, data, count(value) * 4);
  return ODLA_SUCCESS;
}
odla_value odla_Add(odla_value a, odla_value b, const odla_value_id id) {
  if (a->type.element_type != ODLA_FLOAT32 || count(a) != count(b)) return NULL;
  odla_value made = odla_CreateValue(a->type, id);
  for (size_t i = 0; i < count(a); ++i) made->data[i] = a->data[i] + b->data[i];
  return made;
}
odla_value odla_Relu(odla_value a, const odla_value_id id) {
  if (a->type.shape.dims[1] == 5) return NULL;
  odla_value made = odla_CreateValue(a->type, id);
  for (size_t i = 0; i < count(a); ++i) made->data[i] = a->data[i] > 0 ? a->data[i] : 0;
  return made;
}
odla_status odla_GetValueData(const odla_value value, void* data, odla_context context) {
  (void)context;
  memcpy(data, value->data, count(value) * 4);
  return ODLA_SUCCESS;
}
odla_status odla_ReleaseValue(odla_value value) {
  free(value->data);
  free(value);
  return ODLA_SUCCESS;
}
"""


_BY_ID = """
odla_status odla_GetValueDataById(const odla_value_id id, void* data) {
  if (id == NULL) return ODLA_INVALID_PARAM;
  memcpy(data, last->data, count(last) * 4);
  return ODLA_SUCCESS;
}
"""


def test_results_of_eager_mode_are_read_by_id_if_there_is_no_other_way(tmp_path: Path) -> None:
    source = _EAGER.partition("odla_status odla_GetValueData")[0] + _BY_ID
    source = "static odla_value last;\n" + source.replace("  return made;", "  return last = made;")

    assert [refused.op for refused in run(alternating(), library(tmp_path, source)).fallbacks] == ["Erf"]


def test_operands_are_turned_where_the_order_does_not_matter() -> None:
    made = Computation("turned")
    x = made.argument("x", TensorType(DType.FLOAT32, (3, 4)))
    row = made.argument("row", TensorType(DType.FLOAT32, (4,)))
    for op in ("add", "sub", "mul"):
        made.output(made.add(op, row, x, name=op))

    calls = [call for node in calls_of(made.graph()).nodes for call in node.calls]

    assert [(call.function, call.arguments) for call in calls] == [
        ("odla_Add", (x, row)), ("odla_Sub", (row, x)), ("odla_Mul", (x, row)),
    ]  # fmt: skip


def test_a_library_with_eager_mode_only_refuses_while_it_runs(tmp_path: Path) -> None:
    path = library(tmp_path, _EAGER)
    assert "eager mode" in str(connect(path, Settings()).ways)

    assert [refused.op for refused in run(alternating(), path).fallbacks] == ["Erf"]
    refused = {entry.op: entry.reason for entry in run(perceptron(), path).fallbacks}

    assert set(refused) == {"Gemm", "Add", "Relu", "Softmax"}
    assert refused["Relu"] == "odla_Relu answered NULL"


def test_element_types_that_a_library_lacks_go_to_the_cpu(tmp_path: Path) -> None:
    refused = {entry.op: entry.reason for entry in run(counted(), tiny(tmp_path)).fallbacks}

    assert set(refused) == {"Greater", "Cast", "Add"}
    assert refused["Add"] == "odla_CreateArgument answered NULL for int64[3, 4]"


def test_what_a_library_says_of_its_operators_is_believed(tmp_path: Path) -> None:
    source = """
    odla_status odla_QueryOpSupport(odla_device d, const odla_char* name, odla_bool* yes, odla_size_t n, char* text) {
      (void)d;
      *yes = strcmp(name, "odla_Softmax") != 0;
      snprintf(text, n, "%s", *yes ? "" : "only in the next version");
      return ODLA_SUCCESS;
    }"""
    (refused,) = run(perceptron(), tiny_with(tmp_path, source)).fallbacks

    assert (refused.node, refused.reason) == (
        "probabilities", "the library says of odla_Softmax: only in the next version",
    )  # fmt: skip


def test_what_fails_only_when_it_runs_goes_to_the_cpu_from_then_on(tmp_path: Path) -> None:
    source = """
    static int products;
    odla_value tiny_Gemm(odla_value, odla_bool, odla_value, odla_bool, float, float, odla_value, odla_value_shape,
                         odla_value_id);
    odla_status tiny_CreateComputation(odla_computation*);
    odla_status tiny_ExecuteComputation(odla_computation, odla_context, odla_compute_mode, odla_device);
    odla_status odla_CreateComputation(odla_computation* c) { products = 0; return tiny_CreateComputation(c); }
    odla_value odla_Gemm(odla_value a, odla_bool ta, odla_value b, odla_bool tb, odla_float32 alpha, odla_float32 beta,
                         odla_value c, odla_value_shape dims, const odla_value_id id) {
      ++products;
      return tiny_Gemm(a, ta, b, tb, alpha, beta, c, dims, id);
    }
    odla_status odla_ExecuteComputation(odla_computation c, odla_context x, odla_compute_mode m, odla_device d) {
      return products ? ODLA_UNSUPPORTED_OP : tiny_ExecuteComputation(c, x, m, d);
    }"""
    replaced = ("odla_Gemm", "odla_CreateComputation", "odla_ExecuteComputation")
    (refused,) = run(perceptron(), tiny_with(tmp_path, source, *replaced)).fallbacks

    assert (refused.node, refused.op) == ("product", "Gemm")
    assert refused.reason == "odla_ExecuteComputation answered status 7 (ODLA_UNSUPPORTED_OP)"


def test_functions_are_left_out_on_demand(tmp_path: Path) -> None:
    (refused,) = run(perceptron(), tiny(tmp_path), exclude=["odla_Relu"]).fallbacks

    assert (refused.node, refused.reason) == ("relu", "the library has no odla_Relu")


def test_an_executable_is_saved_and_loaded(tmp_path: Path) -> None:
    path = tiny(tmp_path)
    odla.compile_for(perceptron(), f"odla:{path}").save(tmp_path / "saved.halo")

    loaded = odla.load(tmp_path / "saved.halo")

    assert loaded.device == f"odla:{path}"
    np.testing.assert_array_equal(loaded.run([X])["y"], run(perceptron(), path)["y"])
