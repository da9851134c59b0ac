// Unit tests of operators in the way of existing IPU libraries' tests: a computation per test, simulated IPUs, a static
// context, arguments by id, variables that nobody sets for layouts and shapes, the computation destroyed before the context.
// SPDX-License-Identifier: Apache-2.0

#include <ODLA/odla.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

static int failures = 0;

#define EXPECT(condition)                                              \
  do {                                                                 \
    if (!(condition)) {                                                \
      ++failures;                                                      \
      std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition);     \
    }                                                                  \
  } while (0)

static void set_items(odla_computation comp, bool simulate = true, int ipus = 1, int batches = 1,
                      bool engine_cache = false, std::string cache_dir = "/nowhere") {
  odla_SetComputationItem(comp, ODLA_USE_SIM_MODE, (odla_item_value)&simulate);
  odla_SetComputationItem(comp, ODLA_PROCESSOR_NUM, (odla_item_value)&ipus);
  odla_SetComputationItem(comp, ODLA_BATCHES_PER_STEP, (odla_item_value)&batches);
  odla_SetComputationItem(comp, ODLA_ENABLE_ENGINE_CACHE, (odla_item_value)&engine_cache);
  odla_SetComputationItem(comp, ODLA_CACHE_DIR, (odla_item_value)cache_dir.c_str());
}

static bool close(const std::vector<float>& found, const std::vector<float>& expected) {
  if (found.size() < expected.size()) return false;
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::fabs(found[i] - expected[i]) < 1e-4f)) return false;
  return true;
}

static odla_value argument(const char* name, odla_value_shape shape, odla_element_type type = ODLA_FLOAT32) {
  return odla_CreateArgument({type, shape}, (const odla_value_id)name);
}

struct Input {
  const char* name;
  std::vector<float> data;
};

static std::vector<float> run(odla_computation comp, std::vector<Input> inputs, const char* output, size_t size) {
  static odla_context ctx;
  EXPECT(odla_CreateContext(&ctx) == ODLA_SUCCESS);
  std::vector<float> out(size);
  for (auto& input : inputs)
    EXPECT(odla_BindToArgumentById((const odla_value_id)input.name, input.data.data(), ctx) == ODLA_SUCCESS);
  EXPECT(odla_BindToOutputById((const odla_value_id)output, out.data(), ctx) == ODLA_SUCCESS);
  EXPECT(odla_ExecuteComputation(comp, ctx, ODLA_COMPUTE_INFERENCE, nullptr) == ODLA_SUCCESS);
  EXPECT(odla_DestroyComputation(comp) == ODLA_SUCCESS);
  EXPECT(odla_DestroyContext(ctx) == ODLA_SUCCESS);
  return out;
}

static odla_computation computation() {
  odla_computation comp;
  EXPECT(odla_CreateComputation(&comp) == ODLA_SUCCESS);
  set_items(comp);
  return comp;
}

// What a variable holds that nobody has set.
template <typename T>
static T unset() {
  T value;
  unsigned char* bytes = reinterpret_cast<unsigned char*>(&value);
  for (size_t i = 0; i < sizeof value; ++i) bytes[i] = static_cast<unsigned char>(0x5A + 37 * i);
  return value;
}

static void pools_and_convolutions() {
  const std::vector<float> square = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  odla_memory_layout layout = unset<odla_memory_layout>();
  odla_value_shape dims = unset<odla_value_shape>();
  odla_uint32 window[2] = {3, 3}, none[2] = {0, 0}, one[2] = {1, 1};

  odla_computation comp = computation();
  odla_value x = argument("input", {.size = 4, .dims = {1, 1, 4, 4}});
  odla_SetValueAsOutput(
      odla_AveragePool(x, layout, window, one, none, none, 0, dims, (const odla_value_id) "AveragePool"));
  EXPECT(close(run(comp, {{"input", square}}, "AveragePool", 4), {6, 7, 10, 11}));

  comp = computation();
  x = argument("input", {.size = 4, .dims = {1, 1, 4, 4}});
  odla_SetValueAsOutput(odla_MaxPool(x, layout, window, one, none, none, dims, (const odla_value_id) "MaxPool"));
  EXPECT(close(run(comp, {{"input", square}}, "MaxPool", 4), {11, 12, 15, 16}));

  comp = computation();
  x = argument("input", {.size = 4, .dims = {1, 1, 3, 3}});
  odla_value kernel = argument("kernel", {.size = 4, .dims = {1, 1, 3, 3}});
  odla_SetValueAsOutput(
      odla_Conv(x, layout, 1, kernel, layout, one, one, one, one, NULL, dims, (const odla_value_id) "Conv"));
  EXPECT(close(run(comp, {{"input", {0, 1, 2, 3, 4, 5, 6, 7, 8}}, {"kernel", std::vector<float>(9, 1)}}, "Conv", 9),
               {8, 15, 12, 21, 36, 27, 20, 33, 24}));

  comp = computation();
  x = argument("input", {.size = 4, .dims = {1, 1, 2, 2}});
  kernel = argument("kernel", {.size = 4, .dims = {1, 2, 2, 2}});
  odla_SetValueAsOutput(
      odla_DeConv(x, layout, 1, kernel, layout, one, one, none, none, NULL, dims, (const odla_value_id) "DeConv"));
  EXPECT(close(run(comp, {{"input", {0, 1, 2, 3}}, {"kernel", std::vector<float>(8, 1)}}, "DeConv", 18),
               {0, 1, 1, 2, 6, 4, 2, 5, 3, 0, 1, 1, 2, 6, 4, 2, 5, 3}));

  comp = computation();
  x = argument("input", {.size = 4, .dims = {1, 1, 2, 4}});
  odla_value_shape wanted{.size = 4, .dims = {1, 1, 4, 2}};
  odla_SetValueAsOutput(odla_Resize(x, ODLA_NEAREST, unset<odla_resize_coordinate_mode>(), unset<odla_uint32>(), wanted,
                                    (const odla_value_id) "Resize"));
  EXPECT(close(run(comp, {{"input", {1, 2, 3, 4, 5, 6, 7, 8}}}, "Resize", 8), {1, 3, 1, 3, 5, 7, 5, 7}));
}

static void normalisation_and_reductions() {
  odla_memory_layout layout = unset<odla_memory_layout>();
  odla_value_shape dims = unset<odla_value_shape>();
  odla_computation comp = computation();
  odla_value x = argument("input", {.size = 4, .dims = {1, 2, 1, 3}});
  odla_value scale = argument("scale", {.size = 1, .dims = {2}}), offset = argument("offset", {.size = 1, .dims = {2}});
  odla_value mean = argument("mean", {.size = 1, .dims = {2}}), var = argument("var", {.size = 1, .dims = {2}});
  odla_SetValueAsOutput(odla_BatchNormalization(x, layout, mean, var, 1e-5f, scale, offset, 1, 1,
                                                (const odla_value_id) "BatchNormalization"));
  EXPECT(close(run(comp,
                   {{"input", {-1, 0, 1, 2, 3, 4}},
                    {"scale", {1.0f, 1.5f}},
                    {"offset", {0, 1}},
                    {"mean", {0, 3}},
                    {"var", {1, 1.5f}}},
                   "BatchNormalization", 6),
               {-0.999995f, 0, 0.999995f, -0.224741f, 1, 2.22474f}));

  comp = computation();
  x = argument("input", {.size = 2, .dims = {2, 2}});
  odla_uint32 axes[2] = {1, 0};
  odla_SetValueAsOutput(odla_ReduceMin(x, 1, axes, 2, dims, (const odla_value_id) "ReduceMin"));
  EXPECT(close(run(comp, {{"input", {-0.2f, -4, 8, 9}}}, "ReduceMin", 2), {-4, 8}));

  comp = computation();
  odla_value a = argument("a", {.size = 1, .dims = {2}}), b = argument("b", {.size = 1, .dims = {2}});
  odla_values both{.size = 2, .values = {a, b}};
  odla_SetValueAsOutput(odla_Mean(both, (const odla_value_id) "Mean"));
  EXPECT(close(run(comp, {{"a", {1, 2}}, {"b", {3, 5}}}, "Mean", 2), {2, 3.5f}));
}

static void model() {
  std::vector<float> two = {2}, six = {6};
  odla_value input = argument("Input", {.size = 1, .dims = {1}});
  odla_value_type type{ODLA_FLOAT32, {.size = 1, .dims = {1}}};
  odla_value by = odla_CreateConstant(type, two.data(), (const odla_value_id) "Mul_const");
  odla_value plus = odla_CreateConstant(type, six.data(), (const odla_value_id) "Add_const");
  odla_value product = odla_Mul(by, input, (const odla_value_id) "Mul");
  odla_SetValueAsOutput(odla_Add(plus, product, (const odla_value_id) "Add"));
}

static void work(odla_computation comp, float* in, float* out) {
  odla_context ctx;
  EXPECT(odla_CreateContext(&ctx) == ODLA_SUCCESS);
  EXPECT(odla_BindToArgumentById((const odla_value_id) "Input", in, ctx) == ODLA_SUCCESS);
  EXPECT(odla_BindToOutputById((const odla_value_id) "Add", out, ctx) == ODLA_SUCCESS);
  EXPECT(odla_ExecuteComputation(comp, ctx, ODLA_COMPUTE_INFERENCE, nullptr) == ODLA_SUCCESS);
  EXPECT(odla_DestroyContext(ctx) == ODLA_SUCCESS);
}

static void threads_and_handles() {
  odla_computation comp;
  odla_context ctx;
  EXPECT(odla_CreateComputation(&comp) == ODLA_SUCCESS);
  set_items(comp);
  EXPECT(odla_CreateContext(&ctx) == ODLA_SUCCESS);
  odla_computation again;
  EXPECT(odla_CreateComputation(&again) == ODLA_SUCCESS);
  EXPECT(odla_DestroyComputation(again) == ODLA_SUCCESS);
  EXPECT(odla_DestroyComputation(comp) == ODLA_SUCCESS);
  EXPECT(odla_DestroyContext(ctx) == ODLA_SUCCESS);

  EXPECT(odla_CreateComputation(&comp) == ODLA_SUCCESS);
  model();
  set_items(comp);
  std::vector<std::thread> threads;
  float in[5] = {1, 2, 3, 4, 5}, out[5] = {0};
  for (int i = 0; i < 5; ++i) threads.emplace_back(work, comp, &in[i], &out[i]);
  for (auto& thread : threads) thread.join();
  for (int i = 0; i < 5; ++i) EXPECT(out[i] == 2 * in[i] + 6);
  EXPECT(odla_CreateContext(&ctx) == ODLA_SUCCESS);
  EXPECT(odla_BindToArgumentById((const odla_value_id) "Input", &in[0], ctx) == ODLA_SUCCESS);
  EXPECT(odla_BindToOutputById((const odla_value_id) "Add", &out[0], ctx) == ODLA_SUCCESS);
  EXPECT(odla_AsyncExecuteComputation(comp, ctx, ODLA_COMPUTE_INFERENCE, nullptr) == ODLA_SUCCESS);
  EXPECT(odla_DestroyComputation(comp) == ODLA_SUCCESS);
  EXPECT(odla_DestroyContext(ctx) == ODLA_SUCCESS);

  EXPECT(odla_CreateComputation(&comp) == ODLA_SUCCESS);
  odla_value_type odd{ODLA_FLOAT32, {.size = 8, .dims = {1}}};
  EXPECT(odla_CreateConstant(odd, (int*)0x11, (const odla_value_id) "constant") != NULL);
  odla_value first = argument("first", {.size = 1, .dims = {1}}), second = argument("second", {.size = 1, .dims = {1}});
  odla_uint32 count = 0;
  odla_value found = first;
  EXPECT(odla_GetNumOfArgsFromComputation(comp, &count) == ODLA_SUCCESS && count == 2);
  EXPECT(odla_GetArgFromComputationByIdx(comp, 1, &found) == ODLA_SUCCESS && found == second);
  EXPECT(odla_GetArgFromComputationByIdx(comp, 2, &found) == ODLA_INVALID_PARAM && found == NULL);
  EXPECT(odla_SetValueAsOutput(first) == ODLA_SUCCESS && odla_SetValueAsOutput(second) == ODLA_SUCCESS);
  EXPECT(odla_GetOutputFromComputationByIdx(comp, 2, &found) == ODLA_INVALID_PARAM);
  odla_value_type type;
  EXPECT(odla_GetValueType(first, &type) == ODLA_SUCCESS && type.element_type == ODLA_FLOAT32 && type.shape.size == 1);
  EXPECT(odla_DestroyComputation(comp) == ODLA_SUCCESS);
}

int main() {
  pools_and_convolutions();
  normalisation_and_reductions();
  threads_and_handles();
  return failures != 0;
}
