/* Operators that the original IPU library computes wrongly: attributes it ignores. Each is compared with plain loops.
 * SPDX-License-Identifier: Apache-2.0 */

#include <ODLA/odla.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int failures;

static odla_value input(const char* name, int rank, const odla_int64* dims, odla_element_type type) {
  odla_value_type wanted = {type, {.size = rank}};
  memcpy(wanted.shape.dims, dims, rank * sizeof *dims);
  return odla_CreateArgument(wanted, (odla_value_id)name);
}

/* Runs the computation under construction, whose arguments are named, and compares its only output. */
static void expect(const char* what, odla_computation comp, odla_value result, const char* const* names,
                   const void* const* data, const float* expected, int count) {
  float found[256];
  odla_context context = NULL;
  int wrong = result == NULL || odla_SetValueAsOutput(result) || odla_CreateContext(&context);
  for (int i = 0; names[i]; ++i) wrong = wrong || odla_BindToArgumentById((odla_value_id)names[i], data[i], context);
  wrong = wrong || odla_BindToOutput(result, found, context) ||
          odla_ExecuteComputation(comp, context, ODLA_COMPUTE_INFERENCE, NULL);
  for (int i = 0; !wrong && i < count; ++i) wrong = !(fabsf(found[i] - expected[i]) < 1e-4f);
  if (wrong) fprintf(stderr, "%s is wrong\n", what);
  failures += wrong != 0;
  odla_DestroyContext(context);
  odla_DestroyComputation(comp);
}

static odla_computation begin(void) {
  odla_computation comp = NULL;
  odla_CreateComputation(&comp);
  return comp;
}

static void fill(float* data, int count, int seed) {
  for (int i = 0; i < count; ++i) data[i] = (float)((i * 13 + seed * 7) % 17) / 4 - 2;
}

enum { M = 3, K = 4, N = 5, B = 2 };

static void gemm(int transpose_a, int transpose_b, int full_bias) {
  const float alpha = 0.5f, beta = -2;
  float a[M * K], b[K * N], c[M * N], expected[M * N];
  fill(a, M * K, 1), fill(b, K * N, 2), fill(c, M * N, 3);
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      float sum = 0;
      for (int k = 0; k < K; ++k) sum += a[transpose_a ? k * M + i : i * K + k] * b[transpose_b ? j * K + k : k * N + j];
      expected[i * N + j] = alpha * sum + beta * c[full_bias ? i * N + j : j];
    }
  odla_computation comp = begin();
  const odla_int64 mk[] = {M, K}, km[] = {K, M}, kn[] = {K, N}, nk[] = {N, K}, mn[] = {M, N}, n[] = {N};
  odla_value va = input("a", 2, transpose_a ? km : mk, ODLA_FLOAT32), vb = input("b", 2, transpose_b ? nk : kn, ODLA_FLOAT32);
  odla_value vc = full_bias ? input("c", 2, mn, ODLA_FLOAT32) : input("c", 1, n, ODLA_FLOAT32);
  odla_value made = odla_Gemm(va, transpose_a, vb, transpose_b, alpha, beta, vc,
                              (odla_value_shape){.size = 2, .dims = {M, N}}, (odla_value_id) "y");
  expect("Gemm", comp, made, (const char* const[]){"a", "b", "c", NULL}, (const void* const[]){a, b, c}, expected, M * N);
}

static void batch_matmul(int transpose_a, int transpose_b) {
  float a[B * M * K], b[B * K * N], expected[B * M * N];
  fill(a, B * M * K, 4), fill(b, B * K * N, 5);
  for (int batch = 0; batch < B; ++batch)
    for (int i = 0; i < M; ++i)
      for (int j = 0; j < N; ++j) {
        float sum = 0;
        for (int k = 0; k < K; ++k)
          sum += a[batch * M * K + (transpose_a ? k * M + i : i * K + k)] *
                 b[batch * K * N + (transpose_b ? j * K + k : k * N + j)];
        expected[(batch * M + i) * N + j] = sum;
      }
  odla_computation comp = begin();
  const odla_int64 mk[] = {B, M, K}, km[] = {B, K, M}, kn[] = {B, K, N}, nk[] = {B, N, K};
  odla_value va = input("a", 3, transpose_a ? km : mk, ODLA_FLOAT32), vb = input("b", 3, transpose_b ? nk : kn, ODLA_FLOAT32);
  odla_value made = odla_BatchMatMul(va, transpose_a, vb, transpose_b, (odla_value_shape){.size = 3, .dims = {B, M, N}},
                                     (odla_value_id) "y");
  expect("BatchMatMul", comp, made, (const char* const[]){"a", "b", NULL}, (const void* const[]){a, b}, expected, B * M * N);
}

static void one_hot(int axis) {
  enum { ROWS = 2, COLUMNS = 3, DEPTH = 4 };
  const odla_int32 indices[ROWS * COLUMNS] = {0, 3, 1, 2, 2, 0};
  const float off_on[2] = {-1, 5};
  float expected[ROWS * COLUMNS * DEPTH];
  const int place = axis < 0 ? axis + 3 : axis;
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < COLUMNS; ++c)
      for (int d = 0; d < DEPTH; ++d) {
        const int at = place == 0   ? (d * ROWS + r) * COLUMNS + c
                       : place == 1 ? (r * DEPTH + d) * COLUMNS + c
                                    : (r * COLUMNS + c) * DEPTH + d;
        expected[at] = off_on[indices[r * COLUMNS + c] == d];
      }
  odla_computation comp = begin();
  odla_value where = input("indices", 2, (const odla_int64[]){ROWS, COLUMNS}, ODLA_INT32);
  odla_value values = input("values", 1, (const odla_int64[]){2}, ODLA_FLOAT32);
  odla_value_shape shape;
  memset(&shape, 0xA5, sizeof shape);
  odla_value made = odla_OneHot(where, DEPTH, values, axis, shape, (odla_value_id) "y");
  expect("OneHot", comp, made, (const char* const[]){"indices", "values", NULL}, (const void* const[]){indices, off_on},
         expected, ROWS * COLUMNS * DEPTH);
}

static void resize(odla_resize_coordinate_mode mode, int from, int to) {
  float row[8], expected[16];
  fill(row, from, 6);
  for (int i = 0; i < to; ++i) {
    const float ratio = (float)from / to;
    float x = mode == ODLA_ASSYMMETRIC     ? i * ratio
              : mode == ODLA_ALIGN_CORNERS ? (float)i * (from - 1) / (to - 1)
                                           : (i + 0.5f) * ratio - 0.5f;
    x = x < 0 ? 0 : x > from - 1 ? from - 1 : x;
    const int left = (int)x < from - 1 ? (int)x : from - 2;
    expected[i] = row[left] + (x - left) * (row[left + 1] - row[left]);
  }
  odla_computation comp = begin();
  odla_value x = input("x", 4, (const odla_int64[]){1, 1, 1, from}, ODLA_FLOAT32);
  odla_value made = odla_Resize(x, ODLA_LINEAR, mode, 1, (odla_value_shape){.size = 4, .dims = {1, 1, 1, to}},
                                (odla_value_id) "y");
  expect("Resize", comp, made, (const char* const[]){"x", NULL}, (const void* const[]){row}, expected, to);
}

int main(void) {
  for (int bits = 0; bits < 8; ++bits) gemm(bits & 1, bits >> 1 & 1, bits >> 2);
  for (int bits = 0; bits < 4; ++bits) batch_matmul(bits & 1, bits >> 1);
  for (int axis = -1; axis < 3; ++axis) one_hot(axis);
  const odla_resize_coordinate_mode modes[] = {ODLA_ASSYMMETRIC, ODLA_HALF_PIXEL, ODLA_ALIGN_CORNERS};
  for (int mode = 0; mode < 3; ++mode) resize(modes[mode], 4, 10), resize(modes[mode], 7, 3);
  return failures != 0;
}
