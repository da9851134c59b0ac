/* A client of IPUs: two layers by id, run by several threads, each with a context of its own.
 *
 * Arguments: batches that bound memory holds, threads, what to do ("run", "async", or "fail": say why a run does not work),
 * then pairs of an item's number and its value. Prints the profile of a run. SPDX-License-Identifier: Apache-2.0 */

#define CHECK_HAS_OWN_MAIN
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MOST_THREADS = 8, MOST_BATCHES = 4, ROWS = 2, WIDTH = 8 };

static odla_computation computation;
static int batches;
static float weights[2][WIDTH * WIDTH];
static const char* action;
static atomic_int heard;

static int hear(void* argument, odla_status status) {
  *(int*)argument = (int)status;
  atomic_fetch_add(&heard, 1);
  return 0;
}

static odla_value layer(odla_value input, int number, const char* product, const char* result) {
  odla_value weight = odla_CreateConstant(floats2(WIDTH, WIDTH), weights[number], ID(number ? "weight2" : "weight1"));
  odla_value made = odla_Gemm(input, 0, weight, 0, 1, 0, NULL, shape2(ROWS, WIDTH), ID(product));
  return odla_Relu(made, ID(result));
}

static void build(void) {
  for (int number = 0; number < 2; ++number)
    for (int place = 0; place < WIDTH * WIDTH; ++place) weights[number][place] = (float)((place * 7 + number) % 5 - 2);
  odla_value x = odla_CreateArgument(floats2(ROWS, WIDTH), ID("x"));
  odla_value y = layer(layer(x, 0, "layer1_fc", "layer1_relu"), 1, "layer2_fc", "layer2_relu");
  OK(odla_SetValueAsOutput(y));
}

static void expect(const float* in, float* out) {
  float hidden[ROWS * WIDTH];
  for (int number = 0; number < 2; ++number) {
    const float* from = number ? hidden : in;
    float made[ROWS * WIDTH];
    for (int row = 0; row < ROWS; ++row)
      for (int column = 0; column < WIDTH; ++column) {
        float sum = 0;
        for (int k = 0; k < WIDTH; ++k) sum += from[row * WIDTH + k] * weights[number][k * WIDTH + column];
        made[row * WIDTH + column] = sum > 0 ? sum : 0;
      }
    memcpy(number ? out : hidden, made, sizeof made);
  }
}

static void* client(void* argument) {
  const int number = *(int*)argument;
  float in[MOST_BATCHES * ROWS * WIDTH], out[MOST_BATCHES * ROWS * WIDTH], expected[ROWS * WIDTH];
  for (int place = 0; place < batches * ROWS * WIDTH; ++place) in[place] = (float)((place + number) % 7) - 3;
  odla_context context = NULL;
  OK(odla_CreateContext(&context));
  OK(odla_BindToArgumentById(ID("x"), in, context));
  OK(odla_BindToOutputById(ID("layer2_relu"), out, context));
  int status = -1;
  if (strcmp(action, "async") == 0) {
    OK(odla_SetContextItem(context, ODLA_ASYNC_CALLBACK_FUNC, (odla_item_value)hear));
    OK(odla_SetContextItem(context, ODLA_ASYNC_CALLBACK_ARG, ITEM(&status)));
  }
  OK(odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL));
  if (strcmp(action, "async") == 0) {
    for (int tries = 0; tries < 60000 && atomic_load(&heard) <= number; ++tries) usleep(1000);
    OK(odla_DestroyContext(context));
    CHECK(status == ODLA_SUCCESS);
  }
  for (int batch = 0; batch < batches; ++batch) {
    expect(in + batch * ROWS * WIDTH, expected);
    CHECK(close_to(out + batch * ROWS * WIDTH, expected, ROWS * WIDTH));
  }
  if (strcmp(action, "async") != 0) {
    size_t needed = 0;
    OK(odla_GetRunProfileText(context, 0, NULL, &needed));
    char* text = (char*)malloc(needed);
    OK(odla_GetRunProfileText(context, needed, text, NULL));
    if (number == 0) puts(text);
    free(text);
    OK(odla_DestroyContext(context));
  }
  return NULL;
}

int main(int count, char** arguments) {
  use_helpers();
  if (count < 4) return 2;
  batches = atoi(arguments[1]);
  const int threads = atoi(arguments[2]);
  action = arguments[3];
  odla_status status = odla_CreateComputation(&computation);
  if (status != ODLA_SUCCESS) {
    puts(odla_GetLastErrorText());
    return 10 + (int)status;
  }
  for (int number = 4; number + 1 < count; number += 2) {
    const int item = atoi(arguments[number]), value = atoi(arguments[number + 1]);
    const int is_text = item == 25 || item == 1001;
    const void* datum = is_text ? (const void*)arguments[number + 1] : (const void*)&value;
    OK(odla_SetComputationItem(computation, (odla_item_type)item, (odla_item_value)datum));
  }
  build();
  if (strcmp(action, "fail") == 0) {
    float memory[MOST_BATCHES * ROWS * WIDTH] = {0};
    odla_context context = NULL;
    OK(odla_CreateContext(&context));
    OK(odla_BindToArgumentById(ID("x"), memory, context));
    status = odla_ExecuteComputation(computation, context, ODLA_COMPUTE_INFERENCE, NULL);
    puts(odla_GetLastErrorText());
    return status == ODLA_SUCCESS ? 1 : 10 + (int)status;
  }
  pthread_t running[MOST_THREADS];
  int numbers[MOST_THREADS];
  for (int number = 0; number < threads; ++number) {
    numbers[number] = number;
    CHECK(pthread_create(&running[number], NULL, client, &numbers[number]) == 0);
    if (strcmp(action, "async") == 0) pthread_join(running[number], NULL);
  }
  if (strcmp(action, "async") != 0)
    for (int number = 0; number < threads; ++number) pthread_join(running[number], NULL);
  OK(odla_DestroyComputation(computation));
  return failed_checks != 0;
}
