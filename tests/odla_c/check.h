/* What the programs about single functions share: checks that name their line. Valid C99 and C++11. */

#ifndef CHECK_H
#define CHECK_H

#include <ODLA/odla.h>
#include <ODLA/odla_halo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID(text) ((odla_value_id)(text))
#define ITEM(pointer) ((odla_item_value)(pointer))

static int failed_checks;

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      ++failed_checks;                                                                                       \
      fprintf(stderr, "line %d: %s (last error: %s)\n", __LINE__, #condition, odla_GetLastErrorText());      \
    }                                                                                                        \
  } while (0)
#define OK(call) CHECK((call) == ODLA_SUCCESS)
/** The call must fail with this status, and say why. */
#define FAILS(status, call) CHECK((call) == (status) && odla_GetLastErrorText()[0] != '\0')

static odla_value_shape shape0(void) {
  odla_value_shape shape;
  memset(&shape, 0, sizeof shape);
  return shape;
}

static odla_value_shape shape1(odla_int64 a) {
  odla_value_shape shape = shape0();
  shape.size = 1;
  shape.dims[0] = a;
  return shape;
}

static odla_value_shape shape2(odla_int64 a, odla_int64 b) {
  odla_value_shape shape = shape1(a);
  shape.size = 2;
  shape.dims[1] = b;
  return shape;
}

static odla_value_type type_with(odla_element_type element, odla_value_shape shape) {
  odla_value_type type;
  type.element_type = element;
  type.shape = shape;
  return type;
}

static odla_value_type floats1(odla_int64 a) { return type_with(ODLA_FLOAT32, shape1(a)); }
static odla_value_type floats2(odla_int64 a, odla_int64 b) { return type_with(ODLA_FLOAT32, shape2(a, b)); }
static odla_value_type scalar(odla_element_type element) { return type_with(element, shape0()); }

static odla_value_shape unset_shape(void) {
  odla_value_shape shape;
  memset(&shape, 0xA5, sizeof shape);
  return shape;
}

static odla_values values1(odla_value a) {
  odla_values values;
  memset(&values, 0, sizeof values);
  values.size = 1;
  values.values[0] = a;
  return values;
}

static odla_value_ids no_ids(void) {
  odla_value_ids ids;
  memset(&ids, 0, sizeof ids);
  return ids;
}

static int close_to(const float* found, const float* expected, size_t count) {
  for (size_t number = 0; number < count; ++number)
    if (!(fabsf(found[number] - expected[number]) <= 1e-5f * (1 + fabsf(expected[number])))) return 0;
  return 1;
}

/** Doubled and shifted by a vector: y = 2 x + b for x [rows, 3]; ids "x", "b", "y". */
static odla_computation make_affine(odla_int64 rows) {
  static const float b[] = {1, 2, 3}, two = 2;
  odla_computation computation = NULL;
  OK(odla_CreateComputation(&computation));
  odla_value x = odla_CreateArgument(floats2(rows, 3), ID("x"));
  odla_value k = odla_CreateConstant(scalar(ODLA_FLOAT32), &two, ID("two"));
  odla_value offset = odla_CreateConstant(floats1(3), b, ID("b"));
  odla_value y = odla_Add(odla_Mul(x, k, ID("product")), offset, ID("y"));
  CHECK(x && k && offset && y);
  OK(odla_SetValueAsOutput(y));
  return computation;
}

/** Keeps the compiler from warning about helpers that a program happens not to use. */
static void use_helpers(void) {
  (void)shape2;
  (void)floats1;
  (void)floats2;
  (void)scalar;
  (void)unset_shape;
  (void)values1;
  (void)no_ids;
  (void)close_to;
  (void)make_affine;
}

#ifndef CHECK_HAS_OWN_MAIN
static void checks(const char* folder);

int main(int count, char** arguments) {
  use_helpers();
  checks(count > 1 ? arguments[1] : ".");
  return failed_checks != 0;
}
#endif

#endif
