/* What a code generator of the C99 dialect writes in its interpreting mode, and a uniform signature around it: values that
 * hold data, operators that run at once, values released after their last use. Beside it the operators with several results.
 * SPDX-License-Identifier: Apache-2.0 */

#include <ODLA/odla.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

extern const float scale[1];
const float scale[1] = {3};

static void run_ranker(const float data[2 * 4], float out_best[2 * 2], odla_int64 out_where[2 * 2]) {
  odla_value in_data = odla_CreateValue((odla_value_type){ODLA_FLOAT32, (odla_value_shape){.size = 2, .dims = {2, 4}}},
                                        (const odla_value_id) "in_data");
  odla_SetValueData(in_data, data);
  odla_value scale_ = odla_CreateConstant((odla_value_type){ODLA_FLOAT32, (odla_value_shape){.size = 0, .dims = {0}}}, scale,
                                          (const odla_value_id) "scale_");
  odla_value mul = odla_Mul(in_data, scale_, (const odla_value_id) "mul");
  odla_ReleaseValue(in_data);
  odla_values top_array = odla_TopK(
      mul, 2, 1, 1, 1, (odla_value_type){ODLA_FLOAT32, (odla_value_shape){.size = 2, .dims = {2, 2}}},
      (odla_value_type){ODLA_INT64, (odla_value_shape){.size = 2, .dims = {2, 2}}},
      (odla_value_ids){.size = 2, .value_ids = {(const odla_value_id) "top", (const odla_value_id) "where"}});
  odla_ReleaseValue(mul);
  odla_value top = top_array.values[0];
  odla_value where = top_array.values[1];
  odla_GetValueData(top, out_best, NULL);
  odla_GetValueData(where, out_where, NULL);
  odla_ReleaseValue(top);
  odla_ReleaseValue(where);
}

int model_run(int num_inputs, const void* inputs[], int num_outputs, void* outputs[], int batch_size) {
  (void)num_inputs, (void)num_outputs, (void)batch_size;
  run_ranker((const float*)inputs[0], (float*)outputs[0], (odla_int64*)outputs[1]);
  return ODLA_SUCCESS;
}

static odla_value floats(int rank, const odla_int64* dims, const float* data) {
  odla_value_type type = {ODLA_FLOAT32, {.size = rank}};
  memcpy(type.shape.dims, dims, rank * sizeof *dims);
  odla_value made = odla_CreateValue(type, NULL);
  odla_SetValueData(made, data);
  return made;
}

static int differs(odla_value value, const float* expected, int count) {
  float found[64];
  if (value == NULL || odla_GetValueData(value, found, NULL) != ODLA_SUCCESS) return 1;
  for (int i = 0; i < count; ++i)
    if (!(fabsf(found[i] - expected[i]) < 1e-5f)) return 1;
  return 0;
}

static int recurrent(void) {
  /* All weights 0.1: each step's cell and hidden state follow by hand. */
  float x[6] = {1, 2, 3, 4, 5, 6}, w[24], r[36];
  for (int i = 0; i < 36; ++i) r[i] = 0.1f;
  for (int i = 0; i < 24; ++i) w[i] = 0.1f;
  odla_value input = floats(3, (odla_int64[]){3, 1, 2}, x);
  odla_value weights = floats(3, (odla_int64[]){1, 12, 2}, w), again = floats(3, (odla_int64[]){1, 12, 3}, r);
  odla_values made = odla_LSTM(
      input, ODLA_RNN_LDGOI, ODLA_RNN_IOFC, (odla_value_shape){.size = 3, .dims = {1, 12, 2}}, weights, again, NULL, NULL, NULL,
      NULL, NULL, 3, ODLA_RNN_FORWARD, ODLA_RNN_HIDDEN_CELL_STATE,
      (odla_value_ids){.size = 3,
                       .value_ids = {(odla_value_id) "y", (odla_value_id) "y_h", (odla_value_id) "y_c"}});
  float expected[9], h = 0, c = 0;
  for (int step = 0; step < 3; ++step) {
    const float sum = 0.1f * (x[2 * step] + x[2 * step + 1]) + 0.3f * h, gate = 1 / (1 + expf(-sum));
    c = gate * c + gate * tanhf(sum);
    h = gate * tanhf(c);
    for (int k = 0; k < 3; ++k) expected[3 * step + k] = h;
  }
  const float last[3] = {c, c, c};
  return made.size != 3 || differs(made.values[0], expected, 9) || differs(made.values[1], expected + 6, 3) ||
         differs(made.values[2], last, 3);
}

static int boxes(void) {
  const float corners[12] = {0, 0, 1, 1, 0, 0.1f, 1, 1.1f, 0, 10, 1, 11}, scores[3] = {0.9f, 0.75f, 0.6f};
  odla_value b = floats(3, (odla_int64[]){1, 3, 4}, corners), s = floats(3, (odla_int64[]){1, 1, 3}, scores);
  odla_value kept = odla_NMS(b, s, 3, 0.5f, 0.0f,
                             (odla_value_type){ODLA_INT64, (odla_value_shape){.size = 2, .dims = {-1, 3}}}, NULL);
  odla_value_type type;
  odla_int64 rows[9] = {0};
  if (kept == NULL || odla_GetValueType(kept, &type) != ODLA_SUCCESS || type.shape.dims[0] != 2) return 1;
  return odla_GetValueData(kept, rows, NULL) != ODLA_SUCCESS || rows[2] != 0 || rows[5] != 2;
}

static int custom(void) {
  const float x[4] = {-2, -1, 1, 2}, expected[4] = {-1, -0.5f, 1, 2};
  odla_values inputs = {.size = 1, .values = {floats(1, (odla_int64[]){4}, x)}};
  odla_values made = odla_CustomOp(inputs, "LeakyRelu", "leaky",
                                   (odla_value_ids){.size = 1, .value_ids = {(const odla_value_id) "leaky"}}, "alpha", 0.5,
                                   (const char*)NULL);
  return made.size != 1 || differs(made.values[0], expected, 4);
}

static int branches(int positive) {
  const float x[2] = {3, 5}, doubled[2] = {6, 10}, negated[2] = {-3, -5};
  const char flag = (char)positive;
  odla_computation comp = NULL;
  odla_CreateComputation(&comp);
  odla_value_type vector = {ODLA_FLOAT32, {.size = 1, .dims = {2}}};
  odla_value input = odla_CreateArgument(vector, (const odla_value_id) "input");
  odla_value condition =
      odla_CreateArgument((odla_value_type){ODLA_BOOL, {.size = 0}}, (const odla_value_id) "condition");
  odla_BeginIf(condition, (const odla_value_id) "if");
  odla_EnterBranchBody(1);
  odla_SetValueAsOutput(odla_Add(input, input, (const odla_value_id) "doubled"));
  odla_EnterBranchBody(0);
  odla_SetValueAsOutput(odla_Neg(input, (const odla_value_id) "negated"));
  odla_values made = odla_EndIf((odla_value_ids){.size = 1, .value_ids = {(const odla_value_id) "chosen"}});
  odla_SetValuesAsOutput(made);
  odla_context context = NULL;
  odla_CreateContext(&context);
  float out[2] = {0};
  odla_BindToArgumentById((const odla_value_id) "input", x, context);
  odla_BindToArgumentById((const odla_value_id) "condition", &flag, context);
  odla_BindToOutputById((const odla_value_id) "chosen", out, context);
  const odla_status status = odla_ExecuteComputation(comp, context, ODLA_COMPUTE_INFERENCE, NULL);
  odla_DestroyComputation(comp);
  odla_DestroyContext(context);
  return status != ODLA_SUCCESS || memcmp(out, positive ? doubled : negated, sizeof out) != 0;
}

int main(void) {
  const float data[8] = {3, 1, 4, 1.5f, 5, 9, 2, 6}, best[4] = {12, 9, 27, 18};
  const odla_int64 where[4] = {2, 0, 1, 3};
  float out_best[4];
  odla_int64 out_where[4];
  int failures = 0;
  for (int turn = 0; turn < 3; ++turn) {
    const void* inputs[1] = {data};
    void* outputs[2] = {out_best, out_where};
    failures += model_run(1, inputs, 2, outputs, 1) != 0;
    failures += memcmp(out_best, best, sizeof best) != 0 || memcmp(out_where, where, sizeof where) != 0;
  }
  failures += recurrent() + boxes() + custom() + branches(1) + branches(0);
  printf("%d: %d%d%d%d%d\n", failures, recurrent(), boxes(), custom(), branches(1), branches(0));
  return failures != 0;
}
