/* ODLA/ops/odla_ops_quantization.h: part of HALO's implementation of the ODLA 0.5 interface.
 * SPDX-License-Identifier: Apache-2.0
 * Written by `python -m odla.api.headers`; change the tables in odla/api instead. */

#ifndef HALO_ODLA_OPS_ODLA_OPS_QUANTIZATION_H_
#define HALO_ODLA_OPS_ODLA_OPS_QUANTIZATION_H_

/**
 * @file
 *
 * Quantisation.
 */

#include <ODLA/odla_common.h>
#include <ODLA/odla_value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Per-value (per-channel) quantisation range record. */
typedef struct {
  odla_value_id value_id;
  int ch_idx;
  odla_float32 scale;
  odla_float32 offset;
  odla_float32 min;
  odla_float32 max;
} odla_value_quant_info;

/**
 * Quantised -> float with scale/zero point.
 *
 * Scale and zero point are single numbers, or vectors along axis. zero_point may be NULL.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Dequantize(
    odla_value input, odla_value scale, odla_value zero_point, odla_int32 axis, odla_element_type
    target_data_type, const odla_value_id value_id);

/**
 * Float -> quantised with scale/zero point.
 *
 * Scale and zero point are single numbers, or vectors along axis. Halves are rounded to even.
 * zero_point may be NULL.
 */
extern ODLA_API_EXPORT odla_value ODLA_API_CALL odla_Quantize(
    odla_value input, odla_value scale, odla_value zero_point, odla_int32 axis, odla_element_type
    target_data_type, const odla_value_id value_id);

#if defined(__LP64__)
ODLA_CHECK_LAYOUT(odla_value_quant_info, sizeof(odla_value_quant_info) == 32);
ODLA_CHECK_LAYOUT(odla_value_quant_info_field_value_id, offsetof(odla_value_quant_info, value_id) == 0);
ODLA_CHECK_LAYOUT(odla_value_quant_info_field_ch_idx, offsetof(odla_value_quant_info, ch_idx) == 8);
ODLA_CHECK_LAYOUT(odla_value_quant_info_field_scale, offsetof(odla_value_quant_info, scale) == 12);
ODLA_CHECK_LAYOUT(odla_value_quant_info_field_offset, offsetof(odla_value_quant_info, offset) == 16);
ODLA_CHECK_LAYOUT(odla_value_quant_info_field_min, offsetof(odla_value_quant_info, min) == 20);
ODLA_CHECK_LAYOUT(odla_value_quant_info_field_max, offsetof(odla_value_quant_info, max) == 24);
#endif

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* HALO_ODLA_OPS_ODLA_OPS_QUANTIZATION_H_ */
