/* Asynchronous runs, and several threads. */

#include "check.h"

#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int calls, bad_calls;

static int done(void* argument, odla_status status) {
  pthread_mutex_lock(&mutex);
  ++calls;
  bad_calls += status != ODLA_SUCCESS || *(int*)argument != 42;
  pthread_mutex_unlock(&mutex);
  return 0;
}

static odla_item_value callback(int (*function)(void*, odla_status)) {
  odla_item_value value;
  memcpy(&value, &function, sizeof value);
  return value;
}

/** Destroying right after starting waits for the run. */
static void destroy_drains(void) {
  enum { RUNS = 20 };
  static int token = 42;
  float out[RUNS][3], in[3] = {1, 2, 3};
  memset(out, 0, sizeof out);
  odla_computation computation = make_affine(1);
  odla_context contexts[RUNS];
  for (int number = 0; number < RUNS; ++number) {
    OK(odla_CreateContext(&contexts[number]));
    OK(odla_SetContextItem(contexts[number], ODLA_ASYNC_CALLBACK_FUNC, callback(done)));
    OK(odla_SetContextItem(contexts[number], ODLA_ASYNC_CALLBACK_ARG, ITEM(&token)));
    OK(odla_BindToArgumentById(ID("x"), in, contexts[number]));
    OK(odla_BindToOutputById(ID("y"), out[number], contexts[number]));
    OK(odla_AsyncExecuteComputation(computation, contexts[number], ODLA_COMPUTE_INFERENCE, NULL));
  }
  OK(odla_DestroyComputation(computation));
  CHECK(calls == RUNS && bad_calls == 0);
  for (int number = 0; number < RUNS; ++number) {
    CHECK(out[number][0] == 3 && out[number][2] == 9);
    OK(odla_DestroyContext(contexts[number]));
  }
}

/** A run that cannot be made ready is not started. */
static void refused_runs_call_nobody(void) {
  calls = 0;
  odla_computation computation = make_affine(1);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  OK(odla_SetContextItem(context, ODLA_ASYNC_CALLBACK_FUNC, callback(done)));
  FAILS(ODLA_INVALID_PARAM, odla_AsyncExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  FAILS(ODLA_UNSUPPORTED_DATATYPE, odla_SetContextItem(context, (odla_item_type)0, ITEM(&calls)));
  FAILS(ODLA_UNSUPPORTED_DATATYPE, odla_SetContextItem(context, (odla_item_type)500, ITEM(&calls)));
  OK(odla_DestroyContext(context));
  OK(odla_DestroyComputation(computation));
  CHECK(calls == 0);
}

enum { THREADS = 8, REPEATS = 50 };
static odla_computation shared;
static odla_context shared_context;

static void* own_context(void* argument) {
  float in[3] = {0, 0, 0}, out[3];
  int number = *(int*)argument;
  odla_context context = NULL;
  OK(odla_CreateContext(&context)); /* this thread created no computation: the last created one counts */
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  for (int run = 0; run < REPEATS; ++run) {
    in[0] = (float)(number * 1000 + run);
    OK(odla_ExecuteComputation(shared, context, ODLA_COMPUTE_INFERENCE, NULL));
    CHECK(out[0] == 2 * in[0] + 1 && out[1] == 2);
    OK(odla_ExecuteComputation(shared, shared_context, ODLA_COMPUTE_INFERENCE, NULL));
  }
  OK(odla_DestroyContext(context));
  return NULL;
}

static void* own_computation(void* argument) {
  float in[3] = {(float)*(int*)argument, 0, 0}, out[3];
  odla_computation computation = make_affine(1);
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("y"), out, context));
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  CHECK(out[0] == 2 * in[0] + 1);
  FAILS(ODLA_INVALID_PARAM, odla_BindToArgumentById(ID("nobody"), in, context));
  OK(odla_DestroyComputation(computation));
  OK(odla_DestroyContext(context));
  return NULL;
}

static void in_threads(void* (*work)(void*)) {
  pthread_t threads[THREADS];
  int numbers[THREADS];
  for (int number = 0; number < THREADS; ++number) {
    numbers[number] = number;
    CHECK(pthread_create(&threads[number], NULL, work, &numbers[number]) == 0);
  }
  for (int number = 0; number < THREADS; ++number) pthread_join(threads[number], NULL);
}

static void threads(void) {
  float in[3] = {7, 8, 9}, out[3] = {0};
  shared = make_affine(1);
  OK(odla_CreateContext(&shared_context));
  OK(odla_BindToArgumentById(ID("x"), in, shared_context));
  OK(odla_BindToOutputById(ID("y"), out, shared_context));
  in_threads(own_context);
  CHECK(out[0] == 15 && out[2] == 21);
  in_threads(own_computation);
  OK(odla_DestroyContext(shared_context));
  OK(odla_DestroyComputation(shared));
}

/** The current computation is the thread's own, until another one is made active. */
static void active_computation(void) {
  odla_computation first = make_affine(1), second = make_affine(1);
  odla_value found = NULL, again = NULL;
  OK(odla_FindValueById(ID("y"), &found));
  OK(odla_SetActiveComputation(first));
  OK(odla_FindValueById(ID("y"), &again));
  CHECK(found != again);
  CHECK(odla_Neg(again, NULL) != NULL && odla_Neg(found, NULL) == NULL);
  FAILS(ODLA_INVALID_PARAM, odla_SetActiveComputation((odla_computation)found));
  OK(odla_DestroyComputation(first));
  OK(odla_DestroyComputation(second));
}

static void checks(const char* folder) {
  (void)folder;
  destroy_drains();
  refused_runs_call_nobody();
  threads();
  active_computation();
}
