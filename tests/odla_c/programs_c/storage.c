/* Computations, executables and constants that are stored and loaded again: paths, memory and URIs. */

#include "check.h"

static odla_resource_location at_path(const char* path) {
  odla_resource_location location = {ODLA_LOCATION_PATH, path, 0};
  return location;
}

static odla_resource_location at_uri(const char* uri) {
  odla_resource_location location = {ODLA_LOCATION_URI, uri, 0};
  return location;
}

static odla_resource_location in_memory(const void* memory, size_t size) {
  odla_resource_location location = {ODLA_LOCATION_MEMORY, memory, size};
  return location;
}

/** The computation must be y = 2 x + (1, 2, 3) with ids x and y. */
static void check_affine(odla_computation computation) {
  odla_context context = NULL;
  OK(odla_SetActiveComputation(computation));
  OK(odla_CreateContext(&context));
  float in[3] = {1, 2, 3}, out[3] = {0}, expected[3] = {3, 6, 9};
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(close_to(out, expected, 3));
  OK(odla_DestroyContext(context));
}

static void computations(const char* folder) {
  char path[1024], uri[1100];
  snprintf(path, sizeof path, "%s/affine computation.odla", folder);
  snprintf(uri, sizeof uri, "file://%s/affine%%20computation.odla", folder);
  odla_computation computation = make_affine(1), loaded = NULL;
  OK(odla_StoreComputation(at_path(path), computation));
  size_t size = 0;
  OK(odla_GetStoredSize(computation, NULL, &size));
  CHECK(size > 100);
  void* memory = malloc(size);
  FAILS(ODLA_MEM_ERROR, odla_StoreComputation(in_memory(memory, size - 1), computation));
  OK(odla_StoreComputation(in_memory(memory, size), computation));
  OK(odla_DestroyComputation(computation));

  odla_resource_location places[3];
  places[0] = at_path(path);
  places[1] = at_uri(uri);
  places[2] = in_memory(memory, size);
  for (int number = 0; number < 3; ++number) {
    OK(odla_LoadComputation(places[number], &loaded));
    check_affine(loaded);
    /* It can be extended. */
    odla_value y = NULL;
    OK(odla_FindValueById(ID("y"), &y));
    OK(odla_SetValueAsOutput(odla_Neg(y, ID("z"))));
    OK(odla_StoreComputation(at_uri(uri), loaded));
    OK(odla_DestroyComputation(loaded));
    OK(odla_LoadComputation(at_path(path), &loaded));
    odla_uint32 count = 0;
    OK(odla_GetNumOfOutputsFromComputation(loaded, &count));
    CHECK(count == 2 || number == 1);
    check_affine(loaded);
    OK(odla_DestroyComputation(loaded));
  }
  FAILS(ODLA_FILE_NOT_EXIST, odla_LoadComputation(at_path("/nowhere/at/all"), &loaded));
  CHECK(loaded == NULL);
  FAILS(ODLA_UNSUPPORTED_OP, odla_LoadComputation(at_uri("ftp://example.org/model"), &loaded));
  FAILS(ODLA_INVALID_PARAM, odla_LoadComputation(at_path(NULL), &loaded));
  FAILS(ODLA_INVALID_PARAM, odla_LoadComputation(in_memory(NULL, 100), &loaded));
  memset(memory, 'x', size);
  CHECK(odla_LoadComputation(in_memory(memory, size), &loaded) != ODLA_SUCCESS);
  free(memory);
}

static void check_executable(odla_executable executable) {
  odla_uint32 count = 0;
  odla_value x = NULL, y = NULL;
  OK(odla_GetNumOfArgsFromExecutable(executable, &count));
  CHECK(count == 1);
  OK(odla_GetNumOfOutputsFromExecutable(executable, &count));
  CHECK(count == 1);
  OK(odla_GetArgFromExecutableByIdx(executable, 0, &x));
  OK(odla_GetOutputFromExecutableByIdx(executable, 0, &y));
  FAILS(ODLA_INVALID_PARAM, odla_GetArgFromExecutableByIdx(executable, 1, &x));
  FAILS(ODLA_INVALID_PARAM, odla_GetOutputFromExecutableByIdx(executable, 1, &y));
  OK(odla_GetArgFromExecutableByIdx(executable, 0, &x));
  OK(odla_GetOutputFromExecutableByIdx(executable, 0, &y));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[3] = {1, 2, 3}, out[3] = {0}, expected[3] = {3, 6, 9};
  OK(odla_BindToArgument(x, in, context));
  OK(odla_BindToOutput(y, out, context));
  OK(odla_LaunchExecutable(executable, context));
  CHECK(close_to(out, expected, 3));
  OK(odla_DestroyContext(context));
}

static void executables(const char* folder) {
  char path[1024];
  snprintf(path, sizeof path, "%s/affine.halo", folder);
  odla_computation computation = make_affine(1);
  odla_executable executable = NULL, loaded = NULL;
  OK(odla_CompileComputation(computation, NULL, &executable));
  check_executable(executable);
  OK(odla_StoreExecutable(at_path(path), executable));
  size_t size = 0;
  OK(odla_GetStoredSize(NULL, executable, &size));
  void* memory = malloc(size);
  OK(odla_StoreExecutable(in_memory(memory, size), executable));
  OK(odla_DestroyComputation(computation));
  OK(odla_DestroyExecutable(executable));
  FAILS(ODLA_INVALID_PARAM, odla_DestroyExecutable(executable));
  OK(odla_LoadExecutable(at_path(path), NULL, &loaded));
  check_executable(loaded);
  OK(odla_DestroyExecutable(loaded));
  OK(odla_LoadExecutable(in_memory(memory, size), NULL, &loaded));
  check_executable(loaded);
  odla_device device = NULL;
  OK(odla_AllocateDevice(NULL, ODLA_DEVICE_GRAPHCORE_IPU, 0, &device));
  FAILS(ODLA_INVALID_PARAM, odla_LoadExecutable(at_path(path), device, &executable));
  FAILS(ODLA_FILE_NOT_EXIST, odla_LoadExecutable(at_path("/nowhere"), NULL, &executable));
  OK(odla_DestroyDevice(device));
  OK(odla_DestroyExecutable(loaded));
  free(memory);
}

static void wait_for(odla_executable executable) { OK(odla_DestroyExecutable(executable)); }

static void constants(const char* folder) {
  char path[1024];
  snprintf(path, sizeof path, "%s/constants", folder);
  odla_computation first = make_affine(1);
  odla_constants_array taken = NULL, loaded = NULL;
  OK(odla_CreateConstantsArray(&taken));
  OK(odla_StoreConstantsArray(path, taken));
  OK(odla_DestroyConstantsArray(taken));
  FAILS(ODLA_INVALID_PARAM, odla_DestroyConstantsArray(taken));
  OK(odla_DestroyComputation(first));
  OK(odla_LoadConstantsArray(path, &loaded));
  FAILS(ODLA_FILE_NOT_EXIST, odla_LoadConstantsArray("/nowhere", &taken));

  /* The same model with other constants: those of the array take their place. */
  odla_computation second = NULL;
  OK(odla_CreateComputation(&second));
  const float b[3] = {-5, -5, -5}, seven = 7;
  odla_value x = odla_CreateArgument(floats2(1, 3), ID("x"));
  odla_value k = odla_CreateConstant(scalar(ODLA_FLOAT32), &seven, ID("two"));
  odla_value offset = odla_CreateConstant(floats1(3), b, ID("b"));
  OK(odla_SetValueAsOutput(odla_Add(odla_Mul(x, k, NULL), offset, ID("y"))));
  odla_executable executable = NULL;
  OK(odla_CompileComputation(second, NULL, &executable));
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  float in[3] = {1, 2, 3}, out[3] = {0}, replaced[3] = {3, 6, 9}, own[3] = {2, 9, 16};
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_AsyncLaunchExecutable(executable, NULL, context, ODLA_COMPUTE_INFERENCE, NULL));
  float read[3] = {0};
  odla_value y = NULL;
  OK(odla_FindValueById(ID("y"), &y));
  OK(odla_GetValueData(y, read, context)); /* waits for the run */
  CHECK(close_to(out, own, 3) && close_to(read, own, 3));
  OK(odla_AsyncLaunchExecutable(executable, loaded, context, ODLA_COMPUTE_INFERENCE, NULL));
  OK(odla_GetValueData(y, read, context));
  CHECK(close_to(out, replaced, 3));
  OK(odla_DestroyConstantsArray(loaded));
  wait_for(executable);
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(second));
}

static void checks(const char* folder) {
  computations(folder);
  executables(folder);
  constants(folder);
}
