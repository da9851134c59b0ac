/* Dynamic batches and shapes, batches per step, and the other options. */

#include "check.h"

static void dynamic_batch(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  const unsigned char yes = 1;
  const int low = 1, high = 4, usual = 2;
  OK(odla_SetComputationItem(computation, ODLA_DYNAMIC_BATCH, ITEM(&yes)));
  OK(odla_SetComputationItem(computation, ODLA_MIN_BATCH_SIZE, ITEM(&low)));
  OK(odla_SetComputationItem(computation, ODLA_MAX_BATCH_SIZE, ITEM(&high)));
  OK(odla_SetComputationItem(computation, ODLA_OPT_BATCH_SIZE, ITEM(&usual)));
  odla_value x = odla_CreateArgument(floats2(2, 3), ID("x"));
  /* A generator writes the declared batch into shapes: the reshape must follow the run's batch. */
  odla_value flat = odla_Reshape(odla_Neg(x, NULL), shape2(2, 3), ID("y"));
  OK(odla_SetValueAsOutput(flat));
  odla_value_type type;
  OK(odla_GetValueType(x, &type));
  CHECK(type.shape.size == 2 && type.shape.dims[0] == -1 && type.shape.dims[1] == 3);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[12], out[12] = {0};
  for (int number = 0; number < 12; ++number) in[number] = (float)number;
  OK(odla_BindToArgument(x, in, context));
  OK(odla_BindToOutput(flat, out, context));
  for (int batch = 1; batch <= 4; ++batch) {
    memset(out, 0, sizeof out);
    OK(odla_SetContextItem(context, ODLA_RUN_BATCH_SIZE, ITEM(&batch)));
    OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
    CHECK(out[3 * batch - 1] == -(float)(3 * batch - 1) && (batch == 4 || out[3 * batch] == 0));
    odla_value_shape shape;
    OK(odla_GetRuntimeShape(context, flat, &shape));
    CHECK(shape.size == 2 && shape.dims[0] == batch && shape.dims[1] == 3);
  }
  const int many = 5;
  FAILS(ODLA_INVALID_PARAM, odla_SetContextItem(context, ODLA_RUN_BATCH_SIZE, ITEM(&many)));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void dynamic_shape(void) {
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  const unsigned char yes = 1;
  OK(odla_SetComputationItem(computation, ODLA_DYNAMIC_SHAPE, ITEM(&yes)));
  odla_value x = odla_CreateArgument(floats2(-1, -1), ID("x"));
  OK(odla_SetValueShapeInfo(x, ODLA_MIN_SHAPE, shape2(1, 1)));
  OK(odla_SetValueShapeInfo(x, ODLA_MAX_SHAPE, shape2(8, 8)));
  OK(odla_SetValueShapeInfo(x, ODLA_OPT_SHAPE, shape2(1, 2)));
  FAILS(ODLA_INVALID_PARAM, odla_SetValueShapeInfo(x, ODLA_OPT_SHAPE, shape1(4)));
  FAILS(ODLA_UNSUPPORTED_DATATYPE, odla_SetValueShapeInfo(x, ODLA_FP16_MODE, shape2(1, 2)));
  odla_value order = odla_CreateArgument(floats1(1), ID("other"));
  (void)order;
  odla_value y = odla_Transpose(x, shape2(1, 0), unset_shape(), ID("y"));
  /* dims of the permutation are 1, 0 */
  CHECK(y != NULL);
  OK(odla_SetValueAsOutput(y));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[6] = {1, 2, 3, 4, 5, 6}, out[6] = {0}, one = 1;
  OK(odla_BindToArgument(x, in, context));
  OK(odla_BindToArgument(order, &one, context));
  OK(odla_BindToOutput(y, out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[0] == 1 && out[1] == 2 && out[2] == 0);
  OK(odla_SetRuntimeShape(context, x, shape2(2, 3)));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  const float expected[6] = {1, 4, 2, 5, 3, 6};
  CHECK(close_to(out, expected, 6));
  OK(odla_SetRuntimeValueType(context, x, floats2(3, 2)));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[1] == 3 && out[3] == 2);
  odla_value_type type;
  OK(odla_GetRuntimeValueType(context, y, &type));
  CHECK(type.element_type == ODLA_FLOAT32 && type.shape.dims[0] == 2 && type.shape.dims[1] == 3);
  OK(odla_GetRuntimeValueType(context, x, &type));
  CHECK(type.shape.dims[0] == 3);
  OK(odla_SetRuntimeShape(context, y, shape2(9, 9))); /* what is said of an output changes nothing */
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[1] == 3 && out[3] == 2);
  odla_value inner = odla_Neg(x, NULL);
  FAILS(ODLA_INVALID_PARAM, odla_SetRuntimeShape(context, inner, shape2(3, 2)));
  FAILS(ODLA_INVALID_PARAM, odla_SetRuntimeShape(context, x, shape1(6)));
  FAILS(ODLA_INVALID_PARAM, odla_SetRuntimeShape(context, x, unset_shape()));
  FAILS(ODLA_INVALID_PARAM, odla_SetRuntimeValueType(context, x, type_with(ODLA_INT32, shape2(3, 2))));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void values_of_arguments(void) {
  odla_computation computation = make_affine(1);
  odla_value x = NULL;
  const int low = 0, high = 9;
  OK(odla_FindValueById(ID("x"), &x));
  OK(odla_SetInputValueInfo(x, ODLA_MIN_VALUE, ITEM(&low)));
  OK(odla_SetInputValueInfo(x, ODLA_MAX_VALUE, ITEM(&high)));
  FAILS(ODLA_UNSUPPORTED_DATATYPE, odla_SetInputValueInfo(x, ODLA_MIN_SHAPE, ITEM(&low)));
  FAILS(ODLA_INVALID_PARAM, odla_SetInputValueInfo(x, ODLA_OPT_VALUE, NULL));
  OK(odla_DestroyComputation(computation));
}

/** Bound memory holds all batches of a step. */
static void batches_per_step(void) {
  odla_computation computation = make_affine(1);
  const int batches = 3;
  OK(odla_SetComputationItem(computation, ODLA_BATCHES_PER_STEP, ITEM(&batches)));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[9] = {0, 0, 0, 1, 1, 1, 2, 2, 2}, out[9] = {0}, expected[9] = {1, 2, 3, 3, 4, 5, 5, 6, 7};
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(close_to(out, expected, 9));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
}

static void options(void) {
  odla_computation computation = make_affine(1);
  const unsigned char no = 0;
  const odla_bf16_mode mode = BF16_DISABLE;
  odla_value_quant_info table[1] = {{ID("x"), -1, 0.5f, 0, -1, 1}};
  const int size = 1;
  OK(odla_SetComputationItem(computation, ODLA_FP16_MODE, ITEM(&no)));
  OK(odla_SetComputationItem(computation, ODLA_BF16_MODE, ITEM(&mode)));
  OK(odla_SetComputationItem(computation, ODLA_ENABLE_ENGINE_CACHE, ITEM(&no)));
  OK(odla_SetComputationItem(computation, ODLA_CACHE_DIR, ITEM("cache")));
  OK(odla_SetComputationItem(computation, ODLA_QUANT_TABLE, ITEM(table)));
  OK(odla_SetComputationItem(computation, ODLA_QUANT_TABLE_SIZE, ITEM(&size)));
  FAILS(ODLA_INVALID_PARAM, odla_SetComputationItem(computation, ODLA_FP16_MODE, NULL));
  FAILS(ODLA_UNSUPPORTED_DATATYPE, odla_SetComputationItem(computation, (odla_item_type)4242, ITEM(&no)));
  FAILS(ODLA_UNSUPPORTED_DATATYPE, odla_SetComputationItem(computation, ODLA_RUN_BATCH_SIZE, ITEM(&size)));
  FAILS(ODLA_INVALID_PARAM, odla_SetComputationItem(NULL, ODLA_FP16_MODE, ITEM(&no)));
  const unsigned char yes = 1;
  FAILS(ODLA_INVALID_PARAM, odla_SetComputationItem(computation, ODLA_DYNAMIC_BATCH, ITEM(&yes)));
  OK(odla_DestroyComputation(computation));
}

static void checks(const char* folder) {
  (void)folder;
  dynamic_batch();
  dynamic_shape();
  values_of_arguments();
  batches_per_step();
  options();
}
