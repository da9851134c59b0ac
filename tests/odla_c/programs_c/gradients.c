/* odla_DifferentiateComputation: gradients with respect to variables, beside difference quotients. */

#include "check.h"

enum { MOST = 64 };

typedef struct {
  odla_computation computation;
  odla_context context;
  odla_value variable;
  int count;
} model;

static double loss_of(const model* m, odla_value loss) {
  float out[MOST];
  odla_value_type type;
  OK(odla_ExecuteComputation(m->computation, m->context, ODLA_COMPUTE_TRAINING, NULL));
  OK(odla_GetRuntimeValueType(m->context, loss, &type));
  OK(odla_GetValueData(loss, out, m->context));
  int count = 1;
  for (int axis = 0; axis < type.shape.size; ++axis) count *= (int)type.shape.dims[axis];
  double sum = 0;
  for (int number = 0; number < count; ++number) sum += out[number];
  return sum;
}

/** The gradient output must be the slope of the sum of the loss in every element of the variable. */
static void check_slopes(const char* what, model* m, odla_value loss) {
  const float step = 1e-2f;
  float values[MOST], slopes[MOST];
  OK(odla_SetValueAsOutput(loss));
  OK(odla_DifferentiateComputation(m->computation));
  OK(odla_CreateContext(&m->context));
  for (int number = 0; number < m->count; ++number) values[number] = 0.3f + 0.17f * (float)((number * 7) % 11);
  OK(odla_SetValueData(m->variable, values));
  loss_of(m, loss);
  odla_value slope = NULL;
  OK(odla_FindValueById(ID("v_grad"), &slope));
  OK(odla_GetValueData(slope, slopes, m->context));
  for (int number = 0; number < m->count; ++number) {
    const float kept = values[number];
    values[number] = kept + step;
    OK(odla_SetValueData(m->variable, values));
    double above = loss_of(m, loss);
    values[number] = kept - step;
    OK(odla_SetValueData(m->variable, values));
    double quotient = (above - loss_of(m, loss)) / (2 * step);
    values[number] = kept;
    if (!(fabs(quotient - slopes[number]) <= 2e-2 * (1 + fabs(quotient)))) {
      fprintf(stderr, "%s[%d]: slope %g, quotient %g\n", what, number, slopes[number], quotient);
      ++failed_checks;
    }
  }
  OK(odla_DestroyContext(m->context));
  OK(odla_DestroyComputation(m->computation));
}

static model start(odla_value_type type, int count) {
  model m;
  memset(&m, 0, sizeof m);
  OK(odla_CreateComputation(&m.computation));
  m.variable = odla_CreateVariable(type, ID("v"));
  m.count = count;
  CHECK(m.variable != NULL);
  return m;
}

static odla_value constant_like(odla_value_type type, int count, float from) {
  float data[MOST];
  for (int number = 0; number < count; ++number) data[number] = from + 0.21f * (float)((number * 5) % 7);
  return odla_CreateConstant(type, data, NULL);
}

static void element_by_element(void) {
  typedef odla_value (*unary)(odla_value, const odla_value_id);
  static const struct {
    const char* name;
    unary function;
  } known[] = {
      {"Neg", odla_Neg},   {"Exp", odla_Exp},         {"Log", odla_Log},         {"Sqrt", odla_Sqrt},
      {"Abs", odla_Abs},   {"Reciprocal", odla_Reciprocal}, {"Sin", odla_Sin},   {"Cos", odla_Cos},
      {"Tanh", odla_Tanh}, {"Sigmoid", odla_Sigmoid}, {"Softplus", odla_Softplus}, {"Relu", odla_Relu},
      {"Erf", odla_Erf},   {"Rsqrt", odla_Rsqrt},
  };
  for (size_t number = 0; number < sizeof known / sizeof known[0]; ++number) {
    model m = start(floats2(2, 3), 6);
    odla_value made = known[number].function(m.variable, NULL);
    check_slopes(known[number].name, &m, odla_Mul(made, constant_like(floats1(3), 3, 0.5f), NULL));
  }
  model m = start(floats2(2, 3), 6);
  check_slopes("Gelu", &m, odla_Gelu(m.variable, 0, NULL));
  m = start(floats2(2, 3), 6);
  check_slopes("Gelu tanh", &m, odla_Gelu(m.variable, 1, NULL));
  m = start(floats2(2, 3), 6);
  check_slopes("LeakyRelu", &m, odla_LeakyRelu(odla_Sub(m.variable, constant_like(floats1(3), 3, 1.0f), NULL), 0.3f, NULL));
  m = start(floats2(2, 3), 6);
  check_slopes("Elu", &m, odla_Elu(odla_Sub(m.variable, constant_like(floats1(3), 3, 1.0f), NULL), 1.0f, NULL));
}

static void pairs(void) {
  typedef odla_value (*binary)(odla_value, odla_value, const odla_value_id);
  static const binary known[] = {odla_Add, odla_Sub, odla_Mul, odla_Div, odla_Pow, odla_Max, odla_Min};
  for (size_t number = 0; number < sizeof known / sizeof known[0]; ++number) {
    /* Broadcast as the left and as the right operand. */
    model m = start(floats1(3), 3);
    check_slopes("left", &m, known[number](m.variable, constant_like(floats2(2, 3), 6, 0.6f), NULL));
    m = start(floats1(3), 3);
    check_slopes("right", &m, known[number](constant_like(floats2(2, 3), 6, 0.6f), m.variable, NULL));
  }
}

static void shapes_and_sums(void) {
  const odla_uint32 axes[1] = {1};
  const odla_int32 from[2] = {0, 1}, to[2] = {2, 3}, by[2] = {1, 1};
  odla_value weights = NULL;
  model m = start(floats2(2, 3), 6);
  weights = constant_like(floats2(3, 2), 6, 0.4f);
  check_slopes("Transpose", &m, odla_Mul(odla_Transpose(m.variable, shape2(1, 0), unset_shape(), NULL), weights, NULL));
  m = start(floats2(2, 3), 6);
  weights = constant_like(floats2(3, 2), 6, 0.4f);
  check_slopes("Reshape", &m, odla_Mul(odla_Reshape(m.variable, shape2(3, 2), NULL), weights, NULL));
  m = start(floats2(2, 3), 6);
  odla_value sum = odla_ReduceSum(m.variable, 1, axes, 0, unset_shape(), NULL);
  check_slopes("ReduceSum", &m, odla_Mul(sum, sum, NULL));
  m = start(floats2(2, 3), 6);
  odla_value mean = odla_ReduceMean(m.variable, 1, axes, 1, unset_shape(), NULL);
  check_slopes("ReduceMean", &m, odla_Mul(mean, mean, NULL));
  m = start(floats2(2, 3), 6);
  weights = constant_like(floats1(3), 3, 0.4f);
  check_slopes("Softmax", &m, odla_Mul(odla_Softmax(m.variable, 1, NULL), weights, NULL));
  m = start(floats2(2, 3), 6);
  weights = constant_like(floats1(3), 3, 0.4f);
  check_slopes("LogSoftmax", &m, odla_Mul(odla_LogSoftmax(m.variable, -1, NULL), weights, NULL));
  m = start(floats2(2, 3), 6);
  odla_value part = odla_Slice(m.variable, from, to, by, unset_shape(), NULL);
  check_slopes("Slice", &m, odla_Mul(part, part, NULL));
  m = start(floats2(2, 3), 6);
  odla_values both = values1(m.variable);
  both.size = 2;
  both.values[1] = odla_Exp(m.variable, NULL);
  odla_value joined = odla_Concat(both, 0, unset_shape(), NULL);
  check_slopes("Concat", &m, odla_Mul(joined, joined, NULL));
  m = start(floats2(3, 2), 6);
  const odla_int64 rows[4] = {2, 0, 2, 1};
  odla_value indices = odla_CreateConstant(type_with(ODLA_INT64, shape1(4)), rows, NULL);
  odla_value picked = odla_Gather(m.variable, indices, 0, unset_shape(), NULL);
  check_slopes("Gather", &m, odla_Mul(picked, constant_like(floats2(4, 2), 8, 0.4f), NULL));
}

static void products(void) {
  model m = start(floats2(2, 3), 6);
  odla_value b = constant_like(floats2(4, 3), 12, 0.2f), c = constant_like(floats1(4), 4, 0.1f);
  odla_value y = odla_Gemm(m.variable, 0, b, 1, 0.5f, 2.0f, c, unset_shape(), NULL);
  check_slopes("Gemm A", &m, odla_Mul(y, y, NULL));
  m = start(floats2(4, 3), 12);
  odla_value a = constant_like(floats2(2, 3), 6, 0.2f);
  y = odla_Gemm(a, 0, m.variable, 1, 0.5f, 2.0f, NULL, unset_shape(), NULL);
  check_slopes("Gemm B", &m, odla_Mul(y, y, NULL));
  m = start(floats1(4), 4);
  a = constant_like(floats2(2, 3), 6, 0.2f);
  b = constant_like(floats2(3, 4), 12, 0.2f);
  y = odla_Gemm(a, 0, b, 0, 1.0f, 2.0f, m.variable, unset_shape(), NULL);
  check_slopes("Gemm C", &m, odla_Mul(y, y, NULL));
  m = start(floats2(3, 4), 12);
  odla_value_type wide = floats2(2, 3);
  wide.shape.size = 3;
  wide.shape.dims[2] = 3;
  a = constant_like(wide, 18, 0.2f);
  y = odla_BatchMatMul(a, 1, m.variable, 0, unset_shape(), NULL);
  check_slopes("BatchMatMul", &m, odla_Mul(y, y, NULL));
}

static odla_value_type floats4(odla_int64 a, odla_int64 b, odla_int64 c, odla_int64 d) {
  odla_value_type type = floats2(a, b);
  type.shape.size = 4;
  type.shape.dims[2] = c;
  type.shape.dims[3] = d;
  return type;
}

static void convolutions(void) {
  const odla_uint32 strides[2] = {2, 1}, dilations[2] = {1, 2}, front[2] = {1, 0}, back[2] = {0, 1};
  for (odla_uint32 group = 1; group <= 2; ++group) {
    const odla_int64 inputs = 2 / group;
    odla_value_type kernel = floats4(2, inputs, 2, 2), data = floats4(1, 2, 4, 4);
    model m = start(data, 32);
    odla_value w = constant_like(kernel, (int)(8 * inputs), 0.2f);
    odla_value y = odla_Conv(m.variable, ODLA_CHANNELS_FIRST, group, w, ODLA_OIS, strides, dilations, front, back, NULL,
                             unset_shape(), NULL);
    check_slopes("Conv data", &m, odla_Mul(y, y, NULL));
    m = start(kernel, (int)(8 * inputs));
    odla_value x = constant_like(data, 32, 0.2f), bias = constant_like(floats1(2), 2, 0.3f);
    y = odla_Conv(x, ODLA_CHANNELS_FIRST, group, m.variable, ODLA_OIS, strides, dilations, front, back, bias,
                  unset_shape(), NULL);
    check_slopes("Conv kernel", &m, odla_Mul(y, y, NULL));
  }
}

static void refusals(void) {
  odla_computation computation = make_affine(1);
  FAILS(ODLA_INVALID_PARAM, odla_DifferentiateComputation(computation));
  OK(odla_DestroyComputation(computation));
  model m = start(floats1(3), 3);
  const odla_uint32 zero[1] = {0};
  OK(odla_SetValueAsOutput(odla_ReduceProd(m.variable, 1, zero, 0, unset_shape(), NULL)));
  FAILS(ODLA_UNSUPPORTED_OP, odla_DifferentiateComputation(m.computation));
  CHECK(strstr(odla_GetLastErrorText(), "ReduceProd") != NULL);
  OK(odla_DestroyComputation(m.computation));
}

static void checks(const char* folder) {
  (void)folder;
  element_by_element();
  pairs();
  shapes_and_sums();
  products();
  convolutions();
  refusals();
}
