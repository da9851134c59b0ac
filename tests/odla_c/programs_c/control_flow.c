/* Loops and conditionals in graph mode. */

#include "check.h"

static odla_context run_with(odla_computation computation, const char* const* ids, const void* const* inputs, int count) {
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  for (int number = 0; number < count; ++number) OK(odla_BindToArgumentById(ID(ids[number]), inputs[number], context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  return context;
}

/** total = total * 2 + x, three times from 1, with every way of collecting it. */
static void loop_outputs(void) {
  static const odla_loop_output_mode modes[] = {
      ODLA_LOOP_LAST_VALUE, ODLA_LOOP_FWD_BEFORE, ODLA_LOOP_FWD_AFTER, ODLA_LOOP_REV_BEFORE, ODLA_LOOP_REV_AFTER};
  static const float expected[5][3] = {{15, 0, 0}, {1, 3, 7}, {3, 7, 15}, {7, 3, 1}, {15, 7, 3}};
  for (int number = 0; number < 5; ++number) {
    odla_computation computation = NULL;
    OK(odla_CreateComputation(&computation));
    const odla_int64 trips = 3;
    const float one = 1, two = 2;
    odla_value x = odla_CreateArgument(scalar(ODLA_FLOAT32), ID("x"));
    odla_value count = odla_CreateConstant(scalar(ODLA_INT64), &trips, NULL);
    odla_value start = odla_CreateConstant(scalar(ODLA_FLOAT32), &one, NULL);
    OK(odla_BeginLoop(count, ID("loop")));
    odla_value total = odla_CreateLoopVariable(start, ID("total"));
    odla_value factor = odla_CreateConstant(scalar(ODLA_FLOAT32), &two, NULL);
    odla_value next = odla_Add(odla_Mul(total, factor, NULL), x, NULL);
    OK(odla_Assign(total, next));
    odla_values made = odla_EndLoop(NULL, values1(total), &modes[number], no_ids());
    CHECK(made.size == 1);
    OK(odla_SetValuesAsOutput(made));
    /* After the loop the variable stands for its last value. */
    odla_value last = odla_Neg(total, ID("negated"));
    OK(odla_SetValueAsOutput(last));
    const char* const ids[] = {"x"};
    const void* const inputs[] = {&one};
    odla_context context = run_with(computation, ids, inputs, 1);
    float out[3] = {0}, negated = 0;
    OK(odla_GetValueData(made.values[0], out, context));
    OK(odla_GetValueData(last, &negated, context));
    CHECK(close_to(out, expected[number], number == 0 ? 1 : 3) && negated == -15);
    OK(odla_DestroyContext(context));
    OK(odla_DestroyComputation(computation));
  }
}

/** Without odla_Assign: an output that is no loop variable is what the variable in its place becomes. */
static void loop_ended_by_a_condition(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  const int trips = 100;
  const float one = 1, limit = 20;
  odla_value count = odla_CreateConstant(type_with(ODLA_INT32, shape1(1)), &trips, NULL);
  odla_value x = odla_CreateArgument(scalar(ODLA_FLOAT32), ID("x"));
  OK(odla_BeginLoop(count, NULL));
  odla_value value = odla_CreateLoopVariable(x, NULL);
  odla_value doubled = odla_Add(value, value, NULL);
  odla_value going = odla_Less(doubled, odla_CreateConstant(scalar(ODLA_FLOAT32), &limit, NULL), NULL);
  const odla_loop_output_mode modes[1] = {ODLA_LOOP_LAST_VALUE};
  odla_values made = odla_EndLoop(going, values1(doubled), modes, no_ids());
  CHECK(made.size == 1);
  OK(odla_SetValuesAsOutput(made));
  const char* const ids[] = {"x"};
  const void* const inputs[] = {&one};
  odla_context context = run_with(computation, ids, inputs, 1);
  float out = 0;
  OK(odla_GetValueData(made.values[0], &out, context));
  CHECK(out == 32);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void branches(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  odla_value flag = odla_CreateArgument(scalar(ODLA_BOOL), ID("flag"));
  odla_value x = odla_CreateArgument(floats1(2), ID("x"));
  odla_value y = odla_CreateArgument(floats1(2), ID("y"));
  OK(odla_BeginIf(flag, ID("if")));
  OK(odla_EnterBranchBody(1));
  OK(odla_SetValueAsOutput(odla_Add(x, y, NULL)));
  OK(odla_EnterBranchBody(0));
  OK(odla_SetValueAsOutput(odla_Neg(y, NULL)));
  odla_value_ids ids = no_ids();
  ids.size = 1;
  ids.value_ids[0] = ID("chosen");
  odla_values made = odla_EndIf(ids);
  CHECK(made.size == 1);
  OK(odla_SetValueAsOutputById(ID("chosen")));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float a[2] = {1, 2}, b[2] = {10, 20}, out[2] = {0};
  unsigned char yes = 1;
  OK(odla_BindToArgument(flag, &yes, context));
  OK(odla_BindToArgument(x, a, context));
  OK(odla_BindToArgument(y, b, context));
  OK(odla_BindToOutputById(ID("chosen"), out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[0] == 11 && out[1] == 22);
  yes = 0;
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[0] == -10 && out[1] == -20);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

/** A conditional in a loop: total grows by x while it is below a limit, then by 1. */
static void a_conditional_in_a_loop(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  const odla_int64 trips = 4;
  const float zero = 0, one = 1, limit = 10, step = 6;
  odla_value count = odla_CreateConstant(scalar(ODLA_INT64), &trips, NULL);
  odla_value start = odla_CreateConstant(scalar(ODLA_FLOAT32), &zero, NULL);
  odla_value x = odla_CreateArgument(scalar(ODLA_FLOAT32), ID("x"));
  OK(odla_BeginLoop(count, NULL));
  odla_value total = odla_CreateLoopVariable(start, NULL);
  odla_value below = odla_Less(total, odla_CreateConstant(scalar(ODLA_FLOAT32), &limit, NULL), NULL);
  OK(odla_BeginIf(below, NULL));
  OK(odla_SetValueAsOutput(odla_Add(total, x, NULL)));
  OK(odla_EnterBranchBody(0));
  OK(odla_SetValueAsOutput(odla_Add(total, odla_CreateConstant(scalar(ODLA_FLOAT32), &one, NULL), NULL)));
  odla_values grown = odla_EndIf(no_ids());
  CHECK(grown.size == 1);
  OK(odla_Assign(total, grown.values[0]));
  const odla_loop_output_mode modes[1] = {ODLA_LOOP_FWD_AFTER};
  odla_values made = odla_EndLoop(NULL, values1(total), modes, no_ids());
  OK(odla_SetValuesAsOutput(made));
  const char* const ids[] = {"x"};
  const void* const inputs[] = {&step};
  odla_context context = run_with(computation, ids, inputs, 1);
  float out[4] = {0}, expected[4] = {6, 12, 13, 14};
  OK(odla_GetValueData(made.values[0], out, context));
  CHECK(close_to(out, expected, 4));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void wrong_orders(void) {
  odla_computation computation = make_affine(1);
  odla_value y = NULL;
  OK(odla_FindValueById(ID("y"), &y));
  CHECK(odla_CreateLoopVariable(y, NULL) == NULL);
  CHECK(odla_EndIf(no_ids()).size == 0);
  CHECK(odla_EndLoop(NULL, values1(y), NULL, no_ids()).size == 0);
  FAILS(ODLA_INVALID_PARAM, odla_EnterBranchBody(1));
  FAILS(ODLA_INVALID_PARAM, odla_BeginIf(NULL, NULL));
  const odla_int64 trips = 2;
  OK(odla_BeginLoop(odla_CreateConstant(scalar(ODLA_INT64), &trips, NULL), NULL));
  odla_value inside = odla_Neg(y, ID("inside"));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  FAILS(ODLA_INVALID_PARAM, odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  odla_value variable = odla_CreateLoopVariable(y, NULL);
  CHECK(odla_EndLoop(NULL, values1(variable), NULL, no_ids()).size == 1);
  CHECK(odla_Neg(inside, NULL) == NULL);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void checks(const char* folder) {
  (void)folder;
  loop_outputs();
  loop_ended_by_a_condition();
  branches();
  a_conditional_in_a_loop();
  wrong_orders();
}
