"""Writes a C program that calls every function with arguments at random: good, stale and made-up handles, NULLs, wild
pointers, sizes and enumerators out of range. All memory it hands out as buffers is large enough for what it asks.
"""

from __future__ import annotations

from odla.api.table import Enumeration, Function, Parameter, functions, standard

_LEFT_OUT = {"odla_Dump"}
"""It would flood the output."""

_HANDLES = {
    "odla_value",
    "odla_computation",
    "odla_context",
    "odla_executable",
    "odla_device",
    "odla_device_config",
    "odla_vendor",
    "odla_constants_array",
    "odla_device_trace",
}
_PLAIN = {
    "odla_int32": "(odla_int32)number()",
    "odla_uint32": "(odla_uint32)number()",
    "odla_int64": "(odla_int64)number()",
    "odla_size_t": "(odla_size_t)number()",
    "odla_float32": "(odla_float32)number() / 4",
    "odla_bool": "(odla_bool)below(2)",
    "odla_value_id": "some_id()",
    "odla_value_ids": "some_ids()",
    "odla_values": "some_values()",
    "odla_value_shape": "some_shape()",
    "odla_value_type": "some_type()",
    "odla_resource_location": "some_location()",
    "odla_item_value": "(odla_item_value)datum()",
    "odla_device_config_item": '(odla_device_config_item)"device"',
    "odla_device_trace_item": '(odla_device_trace_item)"colour"',
    "odla_logging_func": "below(2) ? quiet : NULL",
    "odla_async_executor": "NULL",
    "odla_task": "some_task()",
    "const odla_char*": "some_text()",
    "const odla_uint32*": "(const odla_uint32*)small_numbers()",
    "const odla_int32*": "(const odla_int32*)small_numbers()",
    "const odla_loop_output_mode*": "(const odla_loop_output_mode*)small_numbers()",
    "const odla_void*": "datum()",
    "odla_void*": "buffer()",
    "odla_char*": "(odla_char*)buffer()",
    "odla_run_profile*": "some_profile()",
}
_PRELUDE = r"""
#include <ODLA/odla.h>
#include <ODLA/odla_halo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { KEPT = 64, BUFFER = 1 << 20, PATIENCE_SECONDS = 60 };
static const char* volatile calling = "";
static unsigned long long state;
static void* handles[KEPT];
static unsigned char memory[BUFFER];
static odla_run_profile profile;

static unsigned long long next_random(void) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return state >> 33;
}

static unsigned below(unsigned bound) { return (unsigned)(next_random() % bound); }

/** Mostly small numbers, now and then the ends of ranges. */
static long long number(void) {
  static const long long odd[] = {-1, 2147483647, -2147483648ll, 4294967295ll, 1ll << 40, -(1ll << 62)};
  return below(8) ? (long long)below(5) - 1 : odd[below(6)];
}

static void* some_handle(void) {
  switch (below(16)) {
    case 0: return NULL;
    case 1: return (void*)(size_t)next_random();
    case 2: return memory;
    default: return handles[below(KEPT)];
  }
}

static void keep(void* handle) {
  if (handle != NULL) handles[below(KEPT)] = handle;
}

static void* buffer(void) {
  switch (below(12)) {
    case 0: return NULL;
    case 1: return (void*)(size_t)below(4096);
    case 2: return (void*)(size_t)0x10000000000;
    default: return memory;
  }
}

static const void* datum(void) {
  memory[0] = (unsigned char)below(3);
  return buffer();
}

static const int* small_numbers(void) {
  static int numbers[64];
  for (int place = 0; place < 64; ++place) numbers[place] = (int)below(4);
  return below(10) ? numbers : NULL;
}

static const char* some_text(void) {
  static const char* const texts[] = {"/nowhere/file", "Relu", "ij,jk->ik", "", "custom_IpuGelu", "odla_Add"};
  return below(12) ? texts[below(6)] : (const char*)(size_t)below(4096);
}

static odla_value_id some_id(void) {
  static const char* const ids[] = {"a", "b", "c", "d", "e", "f"};
  return below(10) ? (odla_value_id)ids[below(6)] : (odla_value_id)(size_t)below(3);
}

static odla_value_ids some_ids(void) {
  odla_value_ids ids;
  memset(&ids, 0, sizeof ids);
  ids.size = below(20) ? below(3) : (size_t)number();
  for (int place = 0; place < 4; ++place) ids.value_ids[place] = some_id();
  return ids;
}

static odla_values some_values(void) {
  odla_values values;
  memset(&values, 0, sizeof values);
  values.size = below(20) ? below(4) : (size_t)number();
  for (int place = 0; place < 4; ++place) values.values[place] = (odla_value)some_handle();
  return values;
}

/** Now and then a dimension that no memory holds; never one that would only take minutes. */
static odla_value_shape some_shape(void) {
  odla_value_shape shape;
  memset(&shape, below(8) ? 0 : 0xA5, sizeof shape);
  if (below(10)) shape.size = (int)below(5);
  for (int axis = 0; axis < 4; ++axis) {
    shape.dims[axis] = (long long)below(4) + 1;
    if (below(30) == 0) shape.dims[axis] = below(2) ? -1 : 1ll << 44;
  }
  return shape;
}

static odla_value_type some_type(void) {
  odla_value_type type;
  type.element_type = (odla_element_type)(below(20) ? (below(3) ? ODLA_FLOAT32 : below(21)) : 200);
  type.shape = some_shape();
  return type;
}

static odla_resource_location some_location(void) {
  odla_resource_location location;
  location.location_type = (odla_resource_location_type)below(4);
  location.location = "/nowhere/file";
  if (location.location_type == ODLA_LOCATION_MEMORY) location.location = memory;
  location.size = below(4096);
  return location;
}

/** A loop of 2^40 iterations does not come back, as it should: all others have a few, or no trip count at all. */
static odla_value some_trips(void) {
  const odla_value_type type = {ODLA_INT64, {0, {0}}};
  const long long trips = (long long)below(4);
  return below(6) ? odla_CreateConstant(type, &trips, NULL) : (odla_value)(size_t)next_random();
}

static void do_nothing(odla_device device, odla_values inputs, odla_values outputs) {
  (void)device;
  (void)inputs;
  (void)outputs;
}

static odla_task some_task(void) {
  odla_task task;
  memset(&task, 0, sizeof task);
  task.func = below(4) ? do_nothing : NULL;
  return task;
}

static void quiet(const char* file, int line, const char* function, odla_log_level level, const char* message) {
  (void)file, (void)line, (void)function, (void)level, (void)message;
}

static odla_run_profile* some_profile(void) {
  profile.struct_size = below(2) ? sizeof profile : below(80);
  return &profile;
}

/** A statistics of answers: a fuzzer that is refused everything tests little. */
static unsigned long long succeeded, refused;

/** One call that does not come back is a defect as a crash is: say which. */
static void give_up(int number) {
  (void)number;
  const char* const name = calling;
  if (write(2, name, strlen(name)) < 0 || write(2, " does not come back\n", 20) < 0) _exit(4);
  _exit(3);
}

static void count(int success) { ++*(success ? &succeeded : &refused); }
"""
_MAIN = r"""
int main(int arguments, char** texts) {
  if (arguments != 4) return 2;
  state = strtoull(texts[1], NULL, 10);
  const unsigned long long most = strtoull(texts[2], NULL, 10);
  const double seconds = atof(texts[3]);
  (void)signal(SIGALRM, give_up);
  (void)odla_GetVersionString(); /* starting the library is not part of the time */
  const time_t end = time(NULL) + (time_t)seconds;
  unsigned long long calls = 0;
  while (calls < most && time(NULL) < end) {
    (void)alarm(PATIENCE_SECONDS);
    for (int repeat = 0; repeat < 100; ++repeat, ++calls) step(below(FUNCTIONS));
    if (below(20) == 0) { /* a fresh beginning now and then: argument, constant, operator, output, run */
      odla_computation made = NULL;
      if (odla_CreateComputation(&made) == ODLA_SUCCESS) keep(made);
      for (int place = 0; place < 4; ++place) keep(odla_CreateArgument(some_type(), some_id()));
      odla_context context = NULL;
      if (odla_CreateContext(&context) == ODLA_SUCCESS) keep(context);
    }
  }
  printf("%llu %llu %llu\n", calls, succeeded, refused);
  return 0;
}
"""


def fuzzer_source() -> str:
    """The program. Arguments: a seed, at most how many calls and seconds; it prints calls, successes and refusals."""
    chosen = [function for function in functions() if function.name not in _LEFT_OUT]
    enumerators = {item.name: item for item in standard().enumerations}
    steps = "".join(
        f"    case {number}: {{\n{_call(each, enumerators)}    }} break;\n" for number, each in enumerate(chosen)
    )
    head = f"enum {{ FUNCTIONS = {len(chosen)} }};\n\nstatic void step(unsigned which) {{\n"
    return f"{_PRELUDE}\n{head}  switch (which) {{\n{steps}  }}\n}}\n{_MAIN}"


def _call(function: Function, enumerators: dict[str, Enumeration]) -> str:
    lines: list[str] = []
    arguments = [_argument(parameter, enumerators, lines) for parameter in function.parameters]
    if function.variadic:
        arguments += ['"ipu-1"', "(const char*)NULL"] if function.name != "odla_CustomOp" else ["(const char*)NULL"]
    call = f"{function.name}({', '.join(arguments)})"
    lines.append(f'calling = "{function.name}";')
    outs = [line.split()[1] for line in lines if line.startswith("void*")]
    match function.result:
        case "odla_status":
            lines.append(f"count({call} == ODLA_SUCCESS);")
        case "odla_value":
            lines.append(f"odla_value made = {call};")
            lines += ["count(made != NULL);", "keep(made);"]
        case "odla_values":
            lines.append(f"odla_values made = {call};")
            lines += ["count(made.size != 0);", "if (made.size != 0) keep(made.values[0]);"]
        case _:
            lines.append(f"(void){call};")
    lines += [f"keep({out});" for out in outs]
    return "".join(f"      {line}\n" for line in lines)


def _argument(parameter: Parameter, enumerators: dict[str, Enumeration], lines: list[str]) -> str:
    type = parameter.type
    if parameter.name == "trip_count":
        return "some_trips()"
    if parameter.name == "depth":
        return "(odla_int32)below(6) - 1"  # of an array that is as large as it says
    if type in _HANDLES:
        return f"({type})some_handle()"
    if type in enumerators:
        bound = len(enumerators[type].values)
        return f"({type})(below(16) ? below({bound}) : 1000)"
    if type in _PLAIN:
        return _PLAIN[type]
    inner = type.removesuffix("*")
    name = f"out{len(lines)}"
    if inner in _HANDLES:
        lines.append(f"void* {name} = NULL;")
        return f"below(20) ? ({type})&{name} : NULL"
    return f"below(20) ? ({type})memory : NULL"
