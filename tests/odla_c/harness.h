/* Runs one operator per case: inputs from a file, results to another. Valid C99 and C++11.
 *
 * Arguments of the program: mode ("graph" or "eager"), file of input bytes, file of results. A result is: case number,
 * status, number of values, then for each its element type, rank, dimensions and bytes. */

#ifndef HARNESS_H
#define HARNESS_H

#include <ODLA/odla.h>
#include <ODLA/odla_halo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID(text) ((odla_value_id)(text))
enum { MOST_INPUTS = 512 };

static unsigned char* input_bytes;
static FILE* results;
static int eager;
static int failures;

enum { CASES_AT_ONCE = 16 };

static int bound, inputs_made;
static odla_value bound_values[MOST_INPUTS];
static const void* bound_data[MOST_INPUTS];
static odla_computation computation;

/** A shape nobody has set: what a client's uninitialised struct may hold. */
static odla_value_shape garbage(void) {
  odla_value_shape shape;
  memset(&shape, 0xA5, sizeof shape);
  return shape;
}

static odla_value_shape shape_of(int rank, const odla_int64* dims) {
  odla_value_shape shape;
  memset(&shape, 0, sizeof shape);
  shape.size = rank;
  for (int axis = 0; axis < rank; ++axis) shape.dims[axis] = dims[axis];
  return shape;
}

static odla_value_type type_of(odla_element_type element, int rank, const odla_int64* dims) {
  odla_value_type type;
  type.element_type = element;
  type.shape = shape_of(rank, dims);
  return type;
}

/** Cases whose results are not yet written: several share a computation, which is compiled and run once. */
static struct {
  int number;
  odla_values outputs;
} pending[CASES_AT_ONCE];
static int pending_count;

static void begin(void) {
  if (eager) {
    odla_SetActiveComputation(NULL);
  } else if (computation == NULL && odla_CreateComputation(&computation) != ODLA_SUCCESS) {
    ++failures;
  }
}

static odla_value input(odla_element_type element, int rank, const odla_int64* dims, const void* data) {
  char id[32];
  snprintf(id, sizeof id, "in%d", inputs_made++);
  odla_value value;
  if (eager) {
    value = odla_CreateValue(type_of(element, rank, dims), ID(id));
    if (odla_SetValueData(value, data) != ODLA_SUCCESS) ++failures;
  } else {
    value = odla_CreateArgument(type_of(element, rank, dims), ID(id));
    bound_values[bound] = value;
    bound_data[bound++] = data;
  }
  return value;
}

static odla_value constant(odla_element_type element, int rank, const odla_int64* dims, const void* data) {
  return odla_CreateConstant(type_of(element, rank, dims), data, NULL);
}

static void put(const void* data, size_t size) { fwrite(data, 1, size, results); }

static void put_int(odla_int64 number) { put(&number, sizeof number); }

static size_t bytes_of(odla_value_type type) {
  static const size_t sizes[] = {1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 1, 8};
  size_t bytes = sizes[type.element_type];
  for (int axis = 0; axis < type.shape.size; ++axis) bytes *= (size_t)type.shape.dims[axis];
  return bytes;
}

static odla_status put_value(odla_value value, odla_context context) {
  odla_value_type type;
  odla_status status =
      eager ? odla_GetValueType(value, &type) : odla_GetRuntimeValueType(context, value, &type);
  if (status != ODLA_SUCCESS) return status;
  put_int(type.element_type);
  put_int(type.shape.size);
  for (int axis = 0; axis < type.shape.size; ++axis) put_int(type.shape.dims[axis]);
  size_t bytes = bytes_of(type);
  void* data = malloc(bytes + 1);
  status = odla_GetValueData(value, data, context);
  put(data, bytes);
  free(data);
  return status;
}

static odla_context run(void) {
  odla_context context = NULL;
  odla_status status = ODLA_SUCCESS;
  for (int number = 0; number < pending_count && status == ODLA_SUCCESS; ++number)
    status = odla_SetValuesAsOutput(pending[number].outputs);
  if (status == ODLA_SUCCESS) status = odla_CreateContext(&context);
  for (int number = 0; number < bound && status == ODLA_SUCCESS; ++number)
    status = odla_BindToArgument(bound_values[number], bound_data[number], context);
  if (status == ODLA_SUCCESS) status = odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL);
  if (status != ODLA_SUCCESS) {
    odla_DestroyContext(context);
    return NULL;
  }
  return context;
}

/** Runs the pending cases and writes their results. */
static void flush_cases(void) {
  odla_context context = NULL;
  if (!eager && pending_count != 0 && (context = run()) == NULL) {
    fprintf(stderr, "cases up to %d: %s\n", pending[pending_count - 1].number, odla_GetLastErrorText());
    ++failures;
  }
  for (int place = 0; place < pending_count && (eager || context != NULL); ++place) {
    const odla_values outputs = pending[place].outputs;
    put_int(pending[place].number);
    put_int((odla_int64)outputs.size);
    for (size_t each = 0; each < outputs.size; ++each)
      if (put_value(outputs.values[each], context) != ODLA_SUCCESS) ++failures;
  }
  if (computation != NULL && odla_DestroyComputation(computation) != ODLA_SUCCESS) ++failures;
  if (context != NULL && odla_DestroyContext(context) != ODLA_SUCCESS) ++failures;
  computation = NULL;
  bound = pending_count = 0;
}

static void finish_values(int number, odla_values outputs) {
  if (outputs.size == 0) {
    fprintf(stderr, "case %d: %s\n", number, odla_GetLastErrorText());
    ++failures;
    return;
  }
  pending[pending_count].number = number;
  pending[pending_count++].outputs = outputs;
  if (eager || pending_count == CASES_AT_ONCE) flush_cases();
}

static void finish_value(int number, odla_value output) {
  odla_values outputs;
  memset(&outputs, 0, sizeof outputs);
  outputs.size = output != NULL;
  outputs.values[0] = output;
  finish_values(number, outputs);
}

static odla_values values_of(size_t size, const odla_value* each) {
  odla_values values;
  memset(&values, 0, sizeof values);
  values.size = size;
  for (size_t number = 0; number < size; ++number) values.values[number] = each[number];
  return values;
}

static odla_value_ids ids_of(size_t size, const char* const* texts) {
  odla_value_ids ids;
  memset(&ids, 0, sizeof ids);
  ids.size = size;
  for (size_t number = 0; number < size; ++number) ids.value_ids[number] = ID(texts[number]);
  return ids;
}

static void run_cases(void);

/** Keeps the compiler from warning about helpers that a program happens not to use. */
static void use_helpers(void) {
  (void)garbage;
  (void)constant;
  (void)input;
  (void)finish_value;
  (void)values_of;
  (void)ids_of;
}

int main(int count, char** arguments) {
  if (count != 4) return 2;
  use_helpers();
  eager = strcmp(arguments[1], "eager") == 0;
  FILE* file = fopen(arguments[2], "rb");
  if (file == NULL) return 2;
  fseek(file, 0, SEEK_END);
  size_t size = (size_t)ftell(file);
  rewind(file);
  input_bytes = (unsigned char*)malloc(size + 1);
  if (fread(input_bytes, 1, size, file) != size) return 2;
  fclose(file);
  results = fopen(arguments[3], "wb");
  if (results == NULL) return 2;
  run_cases();
  flush_cases();
  fclose(results);
  free(input_bytes);
  return failures != 0;
}

#endif
