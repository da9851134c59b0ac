/* Values without a computation: operators run at once. */

#include "check.h"

static void values(void) {
  odla_value v = odla_CreateValue(floats2(2, 2), ID("v"));
  float data[4] = {1, -2, 3, -4}, out[4] = {0};
  FAILS(ODLA_INVALID_PARAM, odla_GetValueData(v, out, NULL));
  OK(odla_SetValueData(v, data));
  data[0] = 50;
  OK(odla_GetValueData(v, out, NULL));
  CHECK(out[0] == 1);
  OK(odla_SetValueDataById(ID("v"), data));
  OK(odla_GetValueDataById(ID("v"), out));
  CHECK(out[0] == 50);
  void* raw = NULL;
  OK(odla_GetRawDataPtr(v, &raw));
  CHECK(raw != NULL && ((float*)raw)[1] == -2);
  ((float*)raw)[1] = 9;
  OK(odla_GetValueData(v, out, NULL));
  CHECK(out[1] == 9);

  odla_value copy = odla_CloneValueById(ID("v"), ID("copy"));
  ((float*)raw)[1] = 0;
  OK(odla_GetValueData(copy, out, NULL));
  CHECK(out[1] == 9);
  odla_value_type type;
  OK(odla_GetValueTypeById(ID("copy"), &type));
  CHECK(type.shape.size == 2 && type.shape.dims[1] == 2);

  odla_value r = odla_Relu(copy, ID("r"));
  OK(odla_GetValueData(r, out, NULL));
  CHECK(out[0] == 50 && out[1] == 9 && out[2] == 3 && out[3] == 0);
  odla_Dump(r);
  OK(odla_ReleaseValue(copy));
  FAILS(ODLA_INVALID_PARAM, odla_ReleaseValue(copy));
  FAILS(ODLA_INVALID_PARAM, odla_GetValueData(copy, out, NULL));
  OK(odla_ReleaseValueById(ID("r")));
  odla_value found = v;
  FAILS(ODLA_INVALID_PARAM, odla_FindValueById(ID("r"), &found));
  CHECK(found == NULL);
}

static void a_loop_at_once(void) {
  const int trips = 4;
  const float start = 1, step = 3;
  odla_value count = odla_CreateConstant(scalar(ODLA_INT32), &trips, NULL);
  odla_value first = odla_CreateConstant(scalar(ODLA_FLOAT32), &start, NULL);
  odla_value by = odla_CreateConstant(scalar(ODLA_FLOAT32), &step, NULL);
  OK(odla_BeginLoop(count, ID("loop")));
  odla_value total = odla_CreateLoopVariable(first, ID("total"));
  OK(odla_Assign(total, odla_Add(total, by, NULL)));
  const odla_loop_output_mode modes[1] = {ODLA_LOOP_LAST_VALUE};
  odla_values made = odla_EndLoop(NULL, values1(total), modes, no_ids());
  CHECK(made.size == 1);
  float out = 0;
  OK(odla_GetValueData(made.values[0], &out, NULL));
  CHECK(out == 13);
}

static void stated_types(void) {
  float out[6] = {9, 9, 9, 9, 9, 9};
  const float data[3] = {1, 2, 3};
  odla_value_type type;
  odla_value held = odla_CreateValue(floats1(3), NULL);
  OK(odla_SetValueData(held, data));
  OK(odla_InitValue(NULL, held, ODLA_FLOAT32, shape2(2, 3)));
  OK(odla_GetValueType(held, &type));
  CHECK(type.shape.size == 2 && type.shape.dims[1] == 3);
  OK(odla_GetValueData(held, out, NULL));
  CHECK(out[0] == 0 && out[5] == 0);
  OK(odla_InitValue(NULL, NULL, ODLA_FLOAT32, shape1(3)));
  FAILS(ODLA_INVALID_PARAM, odla_InitValue(NULL, held, (odla_element_type)99, shape1(3)));
  FAILS(ODLA_INVALID_PARAM, odla_InitValue(NULL, held, ODLA_FLOAT32, shape1(-1)));

  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  odla_value x = odla_CreateArgument(floats2(2, 3), ID("x"));
  odla_value counter = odla_CreateVariable(floats1(3), ID("counter"));
  odla_value y = odla_Relu(x, ID("y"));
  OK(odla_InitValue(computation, y, ODLA_FLOAT32, shape2(2, 3)));
  OK(odla_InitValue(computation, y, ODLA_FLOAT32, shape2(-1, 3)));
  FAILS(ODLA_INVALID_PARAM, odla_InitValue(computation, y, ODLA_INT32, shape2(2, 3)));
  FAILS(ODLA_INVALID_PARAM, odla_InitValue(computation, y, ODLA_FLOAT32, shape2(3, 2)));
  OK(odla_SetValueData(counter, data));
  OK(odla_InitValue(computation, counter, ODLA_FLOAT32, shape1(3)));
  OK(odla_GetValueData(counter, out, NULL));
  CHECK(out[0] == 0 && out[2] == 0);
  OK(odla_DestroyComputation(computation));
  OK(odla_SetActiveComputation(NULL));
}

static void mixed_with_a_computation(void) {
  odla_value holder = odla_CreateValue(floats1(3), ID("holder")), result = odla_CreateValue(floats1(3), NULL);
  odla_value other_holder = NULL;
  float data[3] = {1, 2, 3}, out[3] = {0}, expected[3] = {3, 6, 9};
  OK(odla_SetValueData(holder, data));
  odla_computation computation = make_affine(1);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  float row[3] = {1, 2, 3};
  OK(odla_BindToArgumentById(ID("x"), row, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(close_to(out, expected, 3));

  /* Eager values as source and destination. */
  other_holder = odla_CreateValue(floats2(1, 3), NULL);
  OK(odla_SetValueData(other_holder, row));
  OK(odla_BindValueToArgumentById(ID("x"), other_holder, context));
  OK(odla_BindValueToOutputById(ID("y"), result, context));
  row[0] = 5;
  OK(odla_SetValueData(other_holder, row));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  OK(odla_GetValueData(result, out, NULL));
  CHECK(out[0] == 11 && out[2] == 9);
  odla_value x = NULL;
  OK(odla_FindValueById(ID("x"), &x));
  FAILS(ODLA_INVALID_PARAM, odla_BindValueToArgumentById(ID("x"), x, context));

  /* Eager mode beside a living computation. */
  OK(odla_SetActiveComputation(NULL));
  odla_value negated = odla_Neg(holder, NULL);
  OK(odla_GetValueData(negated, out, NULL));
  CHECK(out[0] == -1 && out[2] == -3);
  OK(odla_SetActiveComputation(computation));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void checks(const char* folder) {
  (void)folder;
  values();
  a_loop_at_once();
  stated_types();
  mixed_with_a_computation();
}
