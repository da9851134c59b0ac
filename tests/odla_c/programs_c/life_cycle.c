/* Computations, contexts, bindings, outputs: the way through a model, and ways off it. */

#include "check.h"

#include <sys/mman.h>

static void build_bind_run(void) {
  odla_computation computation = make_affine(2);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[6] = {1, 2, 3, 4, 5, 6}, out[6] = {0}, expected[6] = {3, 6, 9, 9, 12, 15};
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(close_to(out, expected, 6));

  /* Bindings persist, input memory is read when a run begins; binding again replaces. */
  in[0] = 10;
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_DEFAULT, NULL));
  CHECK(out[0] == 21);
  float other[6] = {0}, again[6] = {0};
  odla_value x = NULL, y = NULL;
  OK(odla_GetArgFromComputationByIdx(computation, 0, &x));
  OK(odla_GetOutputFromComputationByIdx(computation, 0, &y));
  OK(odla_BindToArgument(x, other, context));
  OK(odla_BindToOutput(y, again, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(again[0] == 1 && again[5] == 3 && out[0] == 21);

  /* Results can be read without binding them, and values in between as well. */
  float read[6] = {0};
  OK(odla_GetValueData(y, read, context));
  CHECK(memcmp(read, again, sizeof read) == 0);
  odla_value product = NULL;
  OK(odla_FindValueById(ID("product"), &product));
  in[1] = 7;
  OK(odla_BindToArgument(x, in, context));
  OK(odla_GetValueData(product, read, context));
  CHECK(read[0] == 20 && read[1] == 14);

  /* More outputs after a run: the computation is compiled again. */
  OK(odla_SetValueAsOutput(product));
  float doubled[6] = {0};
  OK(odla_BindToOutputById(ID("product"), doubled, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(doubled[0] == 20 && doubled[1] == 14);
  odla_uint32 count = 0;
  OK(odla_GetNumOfOutputsFromComputation(computation, &count));
  CHECK(count == 2);
  OK(odla_GetRuntimeNumOfOutputs(context, &count));
  CHECK(count == 2);
  OK(odla_GetNumOfArgsFromComputation(computation, &count));
  CHECK(count == 1);
  OK(odla_DestroyComputation(computation));
  OK(odla_DestroyContext(context));
}

static void contexts_outlive_computations(void) {
  odla_computation first = make_affine(1);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[3] = {1, 1, 1}, out[3] = {0};
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_DestroyComputation(first));
  FAILS(ODLA_INVALID_PARAM, odla_ExecuteComputation(first, context, ODLA_COMPUTE_INFERENCE, NULL));

  /* The same context with another computation that has these ids. */
  odla_computation second = make_affine(1);
  OK(odla_ExecuteComputation(second, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[0] == 3 && out[2] == 5);
  OK(odla_DestroyComputation(second));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyContext(NULL));
  FAILS(ODLA_INVALID_PARAM, odla_DestroyContext(context));
}

static void contents_and_ids_are_copied(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  float weights[2] = {1, 2};
  char id[16] = "weights";
  odla_value w = odla_CreateConstant(floats1(2), weights, ID(id));
  odla_value x = odla_CreateArgument(floats1(2), ID("x"));
  odla_value y = odla_Add(x, w, ID("y"));
  OK(odla_SetValueAsOutputById(ID("y")));
  weights[0] = 100;
  strcpy(id, "changed");
  odla_value found = NULL;
  OK(odla_FindValueById(ID("weights"), &found));
  CHECK(found == w);
  odla_value_id back = NULL;
  OK(odla_GetValueId(w, &back));
  CHECK(strcmp((const char*)back, "weights") == 0);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[2] = {0, 0}, out[2] = {0, 0};
  OK(odla_BindToArgument(x, in, context));
  OK(odla_BindToOutput(y, out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[0] == 1 && out[1] == 2);

  /* Small numbers as ids, as some generators emit them; none at all is fine too. */
  odla_value numbered = odla_Neg(x, (odla_value_id)(size_t)17);
  odla_value nameless = odla_Neg(x, NULL);
  CHECK(numbered && nameless);
  OK(odla_FindValueById((odla_value_id)(size_t)17, &found));
  CHECK(found == numbered);
  OK(odla_GetValueId(nameless, &back));
  CHECK(back == NULL);

  /* A client is known to pass a wild pointer for a constant without elements: 8 dimensions, of which 7 are zero. */
  odla_value_shape empty = shape0();
  empty.size = 8;
  empty.dims[0] = 1;
  CHECK(odla_CreateConstant(type_with(ODLA_FLOAT32, empty), (const void*)(size_t)0x11, ID("empty")) != NULL);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void several_outputs_in_order(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  odla_value x = odla_CreateArgument(floats1(2), ID("x"));
  odla_value y = odla_CreateArgument(type_with(ODLA_INT32, shape1(1)), ID("y"));
  odla_values outputs = values1(odla_Neg(x, ID("b")));
  outputs.size = 2;
  outputs.values[1] = odla_Abs(x, ID("a"));
  OK(odla_SetValuesAsOutput(outputs));
  odla_value found = NULL;
  OK(odla_GetOutputFromComputationByIdx(computation, 1, &found));
  CHECK(found == outputs.values[1]);
  FAILS(ODLA_INVALID_PARAM, odla_GetOutputFromComputationByIdx(computation, 2, &found));
  CHECK(found == NULL);
  OK(odla_GetArgFromComputationByIdx(computation, 1, &found));
  CHECK(found == y);
  FAILS(ODLA_INVALID_PARAM, odla_GetArgFromComputationByIdx(computation, 4000000000u, &found));
  odla_value_type type;
  OK(odla_GetValueType(outputs.values[0], &type));
  CHECK(type.element_type == ODLA_FLOAT32 && type.shape.size == 1 && type.shape.dims[0] == 2);
  OK(odla_GetValueTypeById(ID("y"), &type));
  CHECK(type.element_type == ODLA_INT32 && type.shape.dims[0] == 1);

  /* An argument that nothing reads must be bound all the same. */
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[2] = {-1, 2}, negated[2], sizes[2];
  OK(odla_BindToArgument(x, in, context));
  OK(odla_BindToOutputById(ID("a"), sizes, context));
  OK(odla_BindToOutputById(ID("b"), negated, context));
  FAILS(ODLA_INVALID_PARAM, odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(strstr(odla_GetLastErrorText(), "'y'") != NULL);
  CHECK(odla_GetLastErrorStatus() == ODLA_INVALID_PARAM);
  int number = 3;
  OK(odla_BindToArgument(y, &number, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(negated[0] == 1 && negated[1] == -2 && sizes[0] == 1 && sizes[1] == 2);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void clones(void) {
  odla_computation computation = make_affine(1);
  odla_value y = NULL;
  OK(odla_FindValueById(ID("y"), &y));
  odla_value copy = odla_CloneValue(y, ID("copy"));
  odla_value second = odla_CloneValueById(ID("copy"), ID("second"));
  CHECK(copy && second && copy != y);
  OK(odla_SetValueAsOutput(second));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[3] = {1, 2, 3}, out[3] = {0}, expected[3] = {3, 6, 9};
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutput(second, out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(close_to(out, expected, 3));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void variables_keep_what_they_are_assigned(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  odla_value x = odla_CreateArgument(floats1(2), ID("x"));
  odla_value total = odla_CreateVariable(floats1(2), ID("total"));
  odla_value sum = odla_Add(total, x, ID("sum"));
  CHECK(x && total && sum);
  OK(odla_SetValueAsOutput(sum));
  OK(odla_Assign(total, sum));
  odla_uint32 count = 0;
  OK(odla_GetNumOfArgsFromComputation(computation, &count));
  CHECK(count == 1);
  float start[2] = {100, 200}, in[2] = {1, 2}, out[2] = {0};
  OK(odla_SetValueData(total, start));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  OK(odla_BindToArgument(x, in, context));
  OK(odla_BindToOutput(sum, out, context));
  for (int run = 1; run <= 3; ++run) {
    OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
    CHECK(out[0] == 100 + run && out[1] == 200 + 2 * run);
  }
  OK(odla_GetValueData(total, out, NULL));
  CHECK(out[0] == 103);
  OK(odla_SetValueDataById(ID("total"), in));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[0] == 2 && out[1] == 4);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void wrong_arguments_are_refused(void) {
  odla_computation computation = make_affine(1);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[3] = {0};
  odla_value x = NULL;
  OK(odla_FindValueById(ID("x"), &x));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgumentById(ID("nobody"), in, context));
  /* Pages that are reserved, but that nobody may touch. */
  void* reserved = mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(reserved != MAP_FAILED);
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgumentById(ID("x"), reserved, context));
  munmap(reserved, 1 << 16);
  FAILS(ODLA_INVALID_PARAM, odla_BindToOutputById(ID("x"), in, context));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgumentById(NULL, in, context));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgument(x, NULL, context));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgument(x, in, NULL));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgument(NULL, in, context));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgument((odla_value)computation, in, context));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgument((odla_value)in, in, context));
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgument(x, (const void*)(size_t)64, context));
  FAILS(ODLA_INVALID_PARAM, odla_ExecuteComputation(NULL, context, ODLA_COMPUTE_INFERENCE, NULL));
  FAILS(ODLA_INVALID_PARAM, odla_ExecuteComputation(computation, NULL, ODLA_COMPUTE_INFERENCE, NULL));
  FAILS(ODLA_INVALID_PARAM, odla_ExecuteComputation(computation, context, (odla_compute_mode)77, NULL));
  FAILS(ODLA_INVALID_PARAM, odla_SetValueData(x, in));
  FAILS(ODLA_INVALID_PARAM, odla_GetNumOfArgsFromComputation(computation, NULL));
  CHECK(odla_Add(x, NULL, NULL) == NULL);
  CHECK(odla_Add((odla_value)context, x, NULL) == NULL);
  CHECK(odla_CreateArgument(type_with((odla_element_type)99, shape1(1)), NULL) == NULL);
  CHECK(odla_CreateConstant(floats2(1 << 20, 1 << 20), in, NULL) == NULL);
  CHECK(odla_CreateConstant(floats2(-1, 3), in, NULL) == NULL);
  const odla_uint32 axes[1] = {9};
  CHECK(odla_ReduceSum(x, 1, axes, 0, unset_shape(), NULL) == NULL);
  CHECK(odla_ReduceSum(x, (odla_size_t)-1, axes, 0, unset_shape(), NULL) == NULL);
  CHECK(odla_Reshape(x, unset_shape(), NULL) == NULL);
  CHECK(odla_Reshape(x, shape2(5, 5), NULL) == NULL);
  odla_values many = values1(x);
  many.size = 1000;
  CHECK(odla_Concat(many, 0, unset_shape(), NULL) == NULL);
  FAILS(ODLA_INVALID_PARAM, odla_SetValuesAsOutput(many));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
  FAILS(ODLA_INVALID_PARAM, odla_DestroyComputation(computation));
  CHECK(odla_Neg(x, NULL) == NULL);
  OK(odla_CreateComputation(&computation));
  OK(odla_CreateContext(&context));
  FAILS(ODLA_INVALID_PARAM, odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
  OK(odla_CreateComputation(NULL));
  CHECK(odla_CreateArgument(floats1(1), ID("in_it")) != NULL);
  FAILS(ODLA_INVALID_PARAM, odla_CreateContext(NULL));
}

static void checks(const char* folder) {
  (void)folder;
  build_bind_run();
  contexts_outlive_computations();
  contents_and_ids_are_copied();
  several_outputs_in_order();
  clones();
  variables_keep_what_they_are_assigned();
  wrong_arguments_are_refused();
}
