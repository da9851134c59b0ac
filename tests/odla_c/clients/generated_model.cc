// What a code generator of the C++ dialect writes for a small picture classifier with a dynamic batch: weights are symbols of
// another file, the computation and the context are static, everything is bound by id. A driver runs it from several threads.
// SPDX-License-Identifier: Apache-2.0

#include <ODLA/odla.h>

extern "C" {
int classifier(const float image[1 * 2 * 4 * 4], float out_scores[1 * 3], int batch_size);
int classifier_init();
int classifier_fini();
int classifier_helper(odla_computation comp);
}
extern const float conv_weight[3 * 2 * 3 * 3];
extern const float conv_bias[3];
extern const float bn_scale[3];
extern const float bn_mean[3];
extern const float fc_weight[3 * 3];
extern const float fc_bias[3];

static odla_computation Comp;
int classifier_helper(odla_computation comp) {
  bool use_ipu_model = false;
  bool is_dynamic_batch = true;
  int min_batch_size = 1;
  int max_batch_size = 8;
  int opt_batch_size = 4;
  (void)use_ipu_model;
  odla_SetComputationItem(comp, ODLA_DYNAMIC_BATCH, (odla_item_value)&is_dynamic_batch);
  odla_SetComputationItem(comp, ODLA_MIN_BATCH_SIZE, (odla_item_value)&min_batch_size);
  odla_SetComputationItem(comp, ODLA_MAX_BATCH_SIZE, (odla_item_value)&max_batch_size);
  odla_SetComputationItem(comp, ODLA_OPT_BATCH_SIZE, (odla_item_value)&opt_batch_size);
  odla_bf16_mode mode = BF16_DISABLE;
  odla_SetComputationItem(comp, ODLA_BF16_MODE, (odla_item_value)&mode);
  auto image = odla_CreateArgument({ODLA_FLOAT32, {.size = 4, .dims = {-1, 2, 4, 4}}}, (const odla_value_id)("image"));
  auto conv_weight_ = odla_CreateConstant({ODLA_FLOAT32, {.size = 4, .dims = {3, 2, 3, 3}}}, conv_weight,
                                          (const odla_value_id) "conv_weight_");
  auto conv_bias_ =
      odla_CreateConstant({ODLA_FLOAT32, {.size = 1, .dims = {3}}}, conv_bias, (const odla_value_id) "conv_bias_");
  auto bn_scale_ =
      odla_CreateConstant({ODLA_FLOAT32, {.size = 1, .dims = {3}}}, bn_scale, (const odla_value_id) "bn_scale_");
  auto bn_mean_ =
      odla_CreateConstant({ODLA_FLOAT32, {.size = 1, .dims = {3}}}, bn_mean, (const odla_value_id) "bn_mean_");
  auto fc_weight_ =
      odla_CreateConstant({ODLA_FLOAT32, {.size = 2, .dims = {3, 3}}}, fc_weight, (const odla_value_id) "fc_weight_");
  auto fc_bias_ =
      odla_CreateConstant({ODLA_FLOAT32, {.size = 1, .dims = {3}}}, fc_bias, (const odla_value_id) "fc_bias_");
  auto conv = odla_Conv(image, ODLA_CHANNELS_FIRST /*input_layout*/, 1 /*group*/, conv_weight_, ODLA_OIS,
                        (const odla_uint32[]){1, 1}, (const odla_uint32[]){1, 1}, (const odla_uint32[]){1, 1},
                        (const odla_uint32[]){1, 1}, conv_bias_, {.size = 4, .dims = {-1, 3, 4, 4}},
                        (const odla_value_id) "conv");
  auto bn = odla_BatchNormalization(conv, ODLA_CHANNELS_FIRST, bn_mean_, bn_scale_, 0.0F, bn_scale_, bn_mean_, 1, 0,
                                    (const odla_value_id) "bn");
  auto relu = odla_Relu(bn, (const odla_value_id) "relu");
  auto pool = odla_MaxPool(relu, ODLA_CHANNELS_FIRST, (const odla_uint32[]){2, 2}, (const odla_uint32[]){2, 2},
                           (const odla_uint32[]){0, 0}, (const odla_uint32[]){0, 0}, {.size = 4, .dims = {-1, 3, 2, 2}},
                           (const odla_value_id) "pool");
  auto mean = odla_ReduceMean(pool, 2, (const odla_uint32[]){2, 3}, 0, {.size = 2, .dims = {-1, 3}},
                              (const odla_value_id) "mean");
  auto fc = odla_Gemm(mean, 0, fc_weight_, 1, 1, 1, fc_bias_, {.size = 2, .dims = {-1, 3}}, (const odla_value_id) "fc");
  odla_SetValueAsOutput(fc);
  return ODLA_SUCCESS;
}

int classifier_fini() {
  if (Comp != nullptr) {
    return odla_DestroyComputation(Comp);
  }
  return ODLA_SUCCESS;
}
int classifier_init() {
  odla_status status = ODLA_SUCCESS;
  if (Comp == nullptr) {
    status = odla_CreateComputation(&Comp);
    if (status != ODLA_SUCCESS) {
      return status;
    }
    status = (odla_status)classifier_helper(Comp);
  }
  return status;
}
int classifier(const float image[1 * 2 * 4 * 4], float out_scores[1 * 3], int batch_size) {
  odla_status status = ODLA_SUCCESS;
  status = (odla_status)classifier_init();
  if (status != ODLA_SUCCESS) {
    return status;
  }
  static thread_local odla_context Ctx;
  if (Ctx == nullptr) {
    status = odla_CreateContext(&Ctx);
    if (status != ODLA_SUCCESS) {
      return status;
    }
  }
  status = odla_SetContextItem(Ctx, ODLA_RUN_BATCH_SIZE, (odla_item_value)&batch_size);
  if (status != ODLA_SUCCESS) {
    return status;
  }
  status = odla_BindToArgumentById((const odla_value_id) "image", image, Ctx);
  if (status != ODLA_SUCCESS) {
    return status;
  }
  status = odla_BindToOutputById((const odla_value_id) "fc", out_scores, Ctx);
  if (status != ODLA_SUCCESS) {
    return status;
  }
  return odla_ExecuteComputation(Comp, Ctx, ODLA_COMPUTE_INFERENCE, nullptr);
}

// ---- weights and driver, as somebody would write them -------------------------------------------------------------------

#include <cmath>
#include <cstdio>
#include <thread>
#include <vector>

extern const float conv_weight[3 * 2 * 3 * 3] = {
    1, 0, -1, 2, 0, -2, 1, 0, -1, 0, 1, 0, 1, -4, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    0, 0, 0, 0, 1, 0, 0, 0, 0, -1, 0, 1, 0, 0, 0, 1, 0, -1, 1, 2, 1, 0, 0, 0, -1, -2, -1};
extern const float conv_bias[3] = {0.5F, -0.25F, 1};
extern const float bn_scale[3] = {1, 4, 0.25F};
extern const float bn_mean[3] = {0.5F, 1, -1};
extern const float fc_weight[3 * 3] = {1, 2, 3, -1, 0, 1, 0.5F, 0.5F, -0.5F};
extern const float fc_bias[3] = {0, 1, -1};

static void expected_scores(const float* image, float* scores) {
  float pooled[3] = {0, 0, 0};
  for (int o = 0; o < 3; ++o) {
    float map[16];
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 4; ++x) {
        float sum = conv_bias[o];
        for (int i = 0; i < 2; ++i)
          for (int ky = 0; ky < 3; ++ky)
            for (int kx = 0; kx < 3; ++kx) {
              const int row = y + ky - 1, column = x + kx - 1;
              if (row >= 0 && row < 4 && column >= 0 && column < 4)
                sum += image[i * 16 + row * 4 + column] * conv_weight[((o * 2 + i) * 3 + ky) * 3 + kx];
            }
        // The variance and the scale are one constant here, mean and offset another.
        const float normal = (sum - bn_mean[o]) / std::sqrt(bn_scale[o]) * bn_scale[o] + bn_mean[o];
        map[y * 4 + x] = normal > 0 ? normal : 0;
      }
    for (int y = 0; y < 4; y += 2)
      for (int x = 0; x < 4; x += 2)
        pooled[o] += std::fmax(std::fmax(map[y * 4 + x], map[y * 4 + x + 1]),
                               std::fmax(map[y * 4 + 4 + x], map[y * 4 + 5 + x])) / 4;
  }
  for (int k = 0; k < 3; ++k) {
    scores[k] = fc_bias[k];
    for (int o = 0; o < 3; ++o) scores[k] += pooled[o] * fc_weight[k * 3 + o];
  }
}

static int wrong(int batch, int seed) {
  std::vector<float> images(batch * 32), scores(batch * 3);
  for (size_t i = 0; i < images.size(); ++i) images[i] = float((i * 7 + seed * 3) % 11) / 4 - 1;
  if (classifier(images.data(), scores.data(), batch) != ODLA_SUCCESS) return 1;
  for (int item = 0; item < batch; ++item) {
    float expected[3];
    expected_scores(&images[item * 32], expected);
    for (int k = 0; k < 3; ++k)
      if (!(std::fabs(scores[item * 3 + k] - expected[k]) < 1e-3F)) return 1;
  }
  return 0;
}

int main() {
  int failures = wrong(1, 0) + wrong(4, 1) + wrong(8, 2) + wrong(3, 3);
  int results[4] = {0};
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number)
    threads.emplace_back([number, &results] {
      for (int turn = 0; turn < 5; ++turn) results[number] += wrong(1 + (number + turn) % 8, number * 5 + turn);
    });
  for (auto& thread : threads) thread.join();
  for (int result : results) failures += result;
  float none[3];
  if (classifier(none, none, 9) == ODLA_SUCCESS) ++failures;  // more than the largest batch
  if (classifier_fini() != ODLA_SUCCESS) ++failures;
  std::printf("%d\n", failures);
  return failures != 0;
}
